//! The gradient of a bias.

use super::{Scalar, reduce, scratch::Sizes, simd::wide};
use crate::ops::GradBias;

pub(super) fn sizes(op: &GradBias) -> Sizes {
    Sizes { sums: reduce::sums(op.rows, op.channels, 1), ..Sizes::default() }
}

/// `grad_bias[channels] = sum over rows of grad_output[rows, channels]`, or `+=`.
pub(super) fn grad<S: Scalar>(op: &GradBias, grad_output: &[S], grad_bias: &mut [S], sums: &mut [S]) {
    let channels = op.channels;
    let parts = reduce::by_rows(sums, channels, 1, grad_output, |grad_output, sum| {
        wide(|| {
            for row in grad_output.chunks(sum.len()) {
                for (sum, &dy) in sum.iter_mut().zip(row) {
                    *sum += dy;
                }
            }
        });
        reduce::fold(sum, channels);
    });
    for (c, out) in grad_bias.iter_mut().enumerate() {
        let before = if op.accumulate { out.f64() } else { 0.0 };
        *out = S::of(before + reduce::total(parts, channels, 1, [0, c]));
    }
}
