//! Dropout.

use rayon::prelude::*;

use super::{CHUNK, Scalar};
use crate::{
    ops::{Control, Dropout},
    rng::{philox4x32, stream},
};

/// `output = input * scale` where the element is kept, else 0.
pub(super) fn apply<S: Scalar>(op: &Dropout, control: &Control, input: &[S], output: &mut [S]) {
    let (threshold, scale) = (op.threshold(), S::of(f64::from(op.scale())));
    let key = [control.seed_low, control.seed_high];
    // The offset and CHUNK are multiples of 4, so every chunk begins with a block of four words.
    let chunks = output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).enumerate();
    chunks.for_each(|(chunk, (output, input))| {
        let first = (op.offset + chunk * CHUNK) / 4;
        for (block, (output, input)) in output.chunks_mut(4).zip(input.chunks(4)).enumerate() {
            let counter = [(first + block) as u32, control.step, stream::DROPOUT, op.layer];
            let words = philox4x32(counter, key);
            for ((y, &x), word) in output.iter_mut().zip(input).zip(words) {
                *y = if word >= threshold { x * scale } else { S::ZERO };
            }
        }
    });
}
