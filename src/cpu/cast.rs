//! From one type to another.

use rayon::prelude::*;

use super::{CHUNK, Scalar};

/// `output = input`. Both are held in the executor's scalar type, so that nothing is rounded.
pub(super) fn convert<S: Scalar>(input: &[S], output: &mut [S]) {
    output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(output, input)| {
        output.copy_from_slice(input);
    });
}
