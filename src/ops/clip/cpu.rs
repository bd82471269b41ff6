//! Clipping of all gradients by their common norm.

use rayon::prelude::*;

use super::{ClipGradient, ClipGradientOperands, SquareSum, SquareSumOperands};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Sizes, Twin, corrections},
    ops::Slices,
};

impl Twin for SquareSum {
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { sums: self.len.div_ceil(CHUNK), ..Sizes::default() }
    }

    /// The sum of the squares of `gradient[len]` into `squares[1]`.
    ///
    /// # Numerics
    /// In f64, each chunk in order, rounded once; then the chunks in order.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        let SquareSumOperands { gradient, squares } = operands;
        let sums = &mut scratch.sums;
        let sums = &mut sums[..gradient.len().div_ceil(CHUNK)];
        sums.par_iter_mut().zip(gradient.par_chunks(CHUNK)).for_each(|(sum, chunk)| {
            *sum = S::of(chunk.iter().map(|g| g.f64() * g.f64()).sum());
        });
        let before = if self.accumulate { squares[0].f64() } else { 0.0 };
        squares[0] = S::of(before + sums.iter().map(|sum| sum.f64()).sum::<f64>());
    }
}

impl Twin for ClipGradient {
    /// `gradient *= min(1, max_norm / (sqrt(squares) * unscale + eps))`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let ClipGradientOperands { loss_scale, squares, gradient } = operands;
        let unscale = loss_scale.map_or(1.0, |state| f64::from(corrections::loss_scale(state).unscale));
        let norm = squares[0].f64().sqrt() * unscale;
        let factor = f64::from(self.max_norm) / (norm + ClipGradient::EPS);
        if factor >= 1.0 {
            return;
        }
        let factor = S::of(factor);
        gradient.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|g| *g = *g * factor));
    }
}
