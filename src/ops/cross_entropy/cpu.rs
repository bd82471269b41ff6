//! Softmax and cross-entropy.

use super::{CrossEntropy, CrossEntropyGrad, CrossEntropyGradOperands, CrossEntropyOperands};
use crate::{
    cpu::{Scalar, Scratch, Twin},
    ops::{Mix, Slices},
};

/// The labels of image `n` and of the image before it, with their shares of the target.
fn shares<S: Scalar>(n: usize, labels: &[u32], mixes: Option<&[S]>) -> [(u32, f64); 2] {
    let own = mixes.map_or(1.0, |mixes| mixes[n * Mix::LEN + 9].f64());
    [(labels[n], own), (labels[(n + labels.len() - 1) % labels.len()], 1.0 - own)]
}

impl Twin for CrossEntropy {
    /// `logits[n, classes]` and `labels[n]` to `loss[n]` and `probs[n, classes]`, in f64.
    ///
    /// With `logit_scale` 1 the loss is `ln(sum of exp(logit - maximum)) - (logit[label] - maximum)`, finite even if `probs` underflows; with label
    /// smoothing and `mixes[n, 10]`, its mean over the target.
    /// A label that is not a class has the loss NaN.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let CrossEntropyOperands { logits, labels, mixes, loss, probs } = operands;
        let rows = logits.chunks_exact(self.classes).zip(probs.chunks_exact_mut(self.classes));
        for (n, ((logits, probs), loss)) in rows.zip(loss).enumerate() {
            let maximum = logits.iter().map(|l| l.f64()).fold(f64::NEG_INFINITY, f64::max);
            let scale = f64::from(self.logit_scale);
            let exp = |logit: &S| (scale * (logit.f64() - maximum)).exp();
            let sum: f64 = logits.iter().map(exp).sum();
            for (prob, logit) in probs.iter_mut().zip(logits) {
                *prob = S::of(exp(logit) / sum);
            }
            let [own, other] = shares(n, labels, mixes).map(|(label, share)| {
                let logit = logits.get(label as usize).map_or(f64::NAN, |l| l.f64());
                // The other label does not matter without a share.
                if share == 0.0 { 0.0 } else { share * (logit - maximum) }
            });
            let mut expected = own + other;
            if self.label_smoothing > 0.0 {
                let smoothing = f64::from(self.label_smoothing);
                let mean = logits.iter().map(|l| l.f64() - maximum).sum::<f64>() / self.classes as f64;
                expected = (1.0 - smoothing) * expected + smoothing * mean;
            }
            *loss = S::of(sum.ln() - scale * expected);
        }
    }
}

impl Twin for CrossEntropyGrad {
    /// `grad_logits[n, c] = logit_scale (probs[n, c] - target[n, c]) / valid`, and 0 in the padding rows.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let CrossEntropyGradOperands { control, probs, labels, mixes, grad_logits } = operands;
        let valid = control.valid as usize;
        let smoothing = f64::from(self.label_smoothing);
        let others = smoothing / self.classes as f64;
        let scale = S::of(self.logit_scale.into());
        let rows = probs.chunks_exact(self.classes).zip(grad_logits.chunks_exact_mut(self.classes));
        for (n, (probs, grad_logits)) in rows.enumerate() {
            let labels = shares(n, labels, mixes);
            for (c, (grad, &prob)) in grad_logits.iter_mut().zip(probs).enumerate() {
                let share: f64 =
                    labels.iter().filter(|(label, _)| *label as usize == c).map(|(_, share)| share).sum();
                let target = S::of((1.0 - smoothing) * share + others);
                *grad = if n < valid { scale * ((prob - target) / S::of(valid as f64)) } else { S::ZERO };
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
        let op = CrossEntropy { n: 2, classes: 2, label_smoothing: 0.0, mixed: false, logit_scale: 1.0 };
        let (mut loss, mut probs) = ([0.0f32; 2], [0.0; 4]);
        let logits = &[1000.0, 0.0, 1.0, 1.0];
        let operands = CrossEntropyOperands::<Slices<'_, f32>> {
            logits,
            labels: &[1, 2],
            mixes: None,
            loss: &mut loss,
            probs: &mut probs,
        };
        op.run(operands, &mut Scratch::new(Sizes::default(), 1));
        assert_eq!((loss[0], probs), (1000.0, [1.0, 0.0, 0.5, 0.5]));
        assert!(loss[1].is_nan());
    }
}
