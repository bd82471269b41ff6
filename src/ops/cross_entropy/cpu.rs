//! Softmax and cross-entropy.

use super::{CrossEntropy, CrossEntropyGrad, CrossEntropyGradOperands, CrossEntropyOperands};
use crate::{
    cpu::{Scalar, Scratch, Twin},
    ops::Slices,
};

impl Twin for CrossEntropy {
    /// `logits[n, classes]` and `labels[n]` to `loss[n]` and `probs[n, classes]`, in f64.
    ///
    /// The loss is `ln(sum of exp(logit - maximum)) - (logit[label] - maximum)`, finite even if `probs` underflows; with label
    /// smoothing, its mean over the target.
    /// A label that is not a class has the loss NaN.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let CrossEntropyOperands { logits, labels, loss, probs } = operands;
        let rows = logits.chunks_exact(self.classes).zip(probs.chunks_exact_mut(self.classes));
        for (((logits, probs), &label), loss) in rows.zip(labels).zip(loss) {
            let maximum = logits.iter().map(|l| l.f64()).fold(f64::NEG_INFINITY, f64::max);
            let exp = |logit: &S| (logit.f64() - maximum).exp();
            let sum: f64 = logits.iter().map(exp).sum();
            for (prob, logit) in probs.iter_mut().zip(logits) {
                *prob = S::of(exp(logit) / sum);
            }
            let logit = logits.get(label as usize).map_or(f64::NAN, |l| l.f64());
            let mut expected = logit - maximum;
            if self.label_smoothing > 0.0 {
                let smoothing = f64::from(self.label_smoothing);
                let mean = logits.iter().map(|l| l.f64() - maximum).sum::<f64>() / self.classes as f64;
                expected = (1.0 - smoothing) * expected + smoothing * mean;
            }
            *loss = S::of(sum.ln() - expected);
        }
    }
}

impl Twin for CrossEntropyGrad {
    /// `grad_logits[n, c] = (probs[n, c] - target[n, c]) / valid`, and 0 in the padding rows.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let CrossEntropyGradOperands { control, probs, labels, grad_logits } = operands;
        let valid = control.valid as usize;
        let smoothing = f64::from(self.label_smoothing);
        let others = smoothing / self.classes as f64;
        let [label_target, others] = [1.0 - smoothing + others, others].map(S::of);
        let rows = probs.chunks_exact(self.classes).zip(grad_logits.chunks_exact_mut(self.classes));
        for (n, ((probs, grad_logits), &label)) in rows.zip(labels).enumerate() {
            for (c, (grad, &prob)) in grad_logits.iter_mut().zip(probs).enumerate() {
                let target = if c == label as usize { label_target } else { others };
                *grad = if n < valid { (prob - target) / S::of(valid as f64) } else { S::ZERO };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Sizes;

    #[test]
    fn a_label_that_is_no_class_has_no_loss_and_large_logits_have_one() {
        let op = CrossEntropy { n: 2, classes: 2, label_smoothing: 0.0 };
        let (mut loss, mut probs) = ([0.0f32; 2], [0.0; 4]);
        let logits = &[1000.0, 0.0, 1.0, 1.0];
        let operands = CrossEntropyOperands::<Slices<'_, f32>> {
            logits,
            labels: &[1, 2],
            loss: &mut loss,
            probs: &mut probs,
        };
        op.run(operands, &mut Scratch::new(Sizes::default(), 1));
        assert_eq!((loss[0], probs), (1000.0, [1.0, 0.0, 0.5, 0.5]));
        assert!(loss[1].is_nan());
    }
}
