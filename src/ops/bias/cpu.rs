//! The gradient of a bias.

use super::{GradBias, GradBiasOperands};
use crate::{
    cpu::{Scalar, Scratch, Sizes, Twin, reduce, simd::wide},
    ops::Slices,
};

impl Twin for GradBias {
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { sums: reduce::sums(self.rows, self.channels, 1), ..Sizes::default() }
    }

    /// `grad_bias[channels] = sum over rows of grad_output[rows, channels]`, or `+=`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        let GradBiasOperands { grad_output, grad_bias } = operands;
        let sums = &mut scratch.sums;
        let channels = self.channels;
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
            let before = if self.accumulate { out.f64() } else { 0.0 };
            *out = S::of(before + reduce::total(parts, channels, 1, [0, c]));
        }
    }
}
