//! Clipping of all gradients by their common norm.

use rayon::prelude::*;

use super::{CHUNK, Scalar, scratch::Sizes};
use crate::ops::{ClipGradient, SquareSum};

pub(super) fn sizes(op: &SquareSum) -> Sizes {
    Sizes { sums: op.len.div_ceil(CHUNK), ..Sizes::default() }
}

/// The sum of the squares of `gradient[len]` into `squares[1]`.
///
/// # Numerics
/// In f64, each chunk in order, rounded once; then the chunks in order.
pub(super) fn square_sum<S: Scalar>(op: &SquareSum, gradient: &[S], squares: &mut [S], sums: &mut [S]) {
    let sums = &mut sums[..gradient.len().div_ceil(CHUNK)];
    sums.par_iter_mut().zip(gradient.par_chunks(CHUNK)).for_each(|(sum, chunk)| {
        *sum = S::of(chunk.iter().map(|g| g.f64() * g.f64()).sum());
    });
    let before = if op.accumulate { squares[0].f64() } else { 0.0 };
    squares[0] = S::of(before + sums.iter().map(|sum| sum.f64()).sum::<f64>());
}

/// `gradient *= min(1, max_norm / (sqrt(squares) * unscale + eps))`.
pub(super) fn apply<S: Scalar>(op: &ClipGradient, unscale: f64, squares: &[S], gradient: &mut [S]) {
    let norm = squares[0].f64().sqrt() * unscale;
    let factor = f64::from(op.max_norm) / (norm + ClipGradient::EPS);
    if factor >= 1.0 {
        return;
    }
    let factor = S::of(factor);
    gradient.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|g| *g = *g * factor));
}
