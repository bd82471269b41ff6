//! Conversion between floating-point types.

use rayon::prelude::*;

use super::{Cast, CastOperands};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Twin},
    ops::Slices,
};

impl Twin for Cast {
    /// `output = input`. Both are stored in the executor's scalar type, so nothing is rounded.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let CastOperands { input, output } = operands;
        output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(output, input)| {
            output.copy_from_slice(input);
        });
    }
}
