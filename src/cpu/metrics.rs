//! Loss and accuracy.

use super::Scalar;
use crate::ops::{Control, Metrics};

/// Adds `[sum of loss, correct answers, images, 0]` of the valid images to `metrics`.
pub(super) fn accumulate<S: Scalar>(
    op: &Metrics,
    control: &Control,
    [loss, probs]: [&[S]; 2],
    labels: &[u32],
    metrics: &mut [S],
) {
    let valid = op.n.min(control.valid as usize);
    let total: f64 = loss[..valid].iter().map(|l| l.f64()).sum();
    let answers = probs.chunks_exact(op.classes).map(first_largest);
    let correct =
        answers.zip(labels).take(valid).filter(|&(answer, &label)| answer == label as usize).count();
    for (sum, value) in metrics.iter_mut().zip([total, correct as f64, valid as f64]) {
        *sum = S::of(sum.f64() + value);
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
