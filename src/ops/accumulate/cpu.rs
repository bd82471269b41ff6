//! The mean gradient of several batches.

use rayon::prelude::*;

use super::{Accumulate, AccumulateOperands};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Twin, simd::wide},
    ops::Slices,
};

impl Twin for Accumulate {
    /// `mean = share * gradient`, plus `mean` itself after the first batch; both `[len]`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let AccumulateOperands { control, gradient, mean } = operands;
        let (share, first) = (S::of(control.share.into()), control.first == 1);
        mean.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).for_each(|(mean, gradient)| {
            wide(|| {
                for (m, &g) in mean.iter_mut().zip(gradient) {
                    *m = if first { share * g } else { *m + share * g };
                }
            });
        });
    }
}
