//! Loss and accuracy.

use super::{Metrics, MetricsOperands};
use crate::{
    cpu::{Scalar, Scratch, Twin},
    ops::Slices,
};

impl Twin for Metrics {
    /// Adds `[sum of loss, correct answers, images, 0]` of the valid images to `metrics`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let MetricsOperands { control, loss, probs, labels, metrics } = operands;
        let valid = self.n.min(control.valid as usize);
        let total: f64 = loss[..valid].iter().map(|l| l.f64()).sum();
        let answers = probs.chunks_exact(self.classes).map(first_largest);
        let correct =
            answers.zip(labels).take(valid).filter(|&(answer, &label)| answer == label as usize).count();
        for (sum, value) in metrics.iter_mut().zip([total, correct as f64, valid as f64]) {
            *sum = S::of(sum.f64() + value);
        }
    }
}

fn first_largest<S: Scalar>(values: &[S]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}
