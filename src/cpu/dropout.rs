//! Dropout.

use rayon::prelude::*;

use super::{CHUNK, Scalar, simd::wide};
use crate::{
    ops::{Control, Dropout},
    rng::{philox4x32, stream},
};

/// Blocks of four random words that are drawn together.
const BLOCKS: usize = 16;

/// `output = input * scale` where the element is kept, else 0.
pub(super) fn apply<S: Scalar>(op: &Dropout, control: &Control, input: &[S], output: &mut [S]) {
    let (threshold, scale) = (op.threshold(), S::of(f64::from(op.scale())));
    let key = [control.seed_low, control.seed_high];
    // The offset and CHUNK are multiples of 4, so every chunk begins with a block of four words.
    let chunks = output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).enumerate();
    chunks.for_each(|(chunk, (output, input))| {
        let first = (op.offset + chunk * CHUNK) / 4;
        wide(|| {
            let mut kept = [false; 4 * BLOCKS];
            for (group, (output, input)) in
                output.chunks_mut(4 * BLOCKS).zip(input.chunks(4 * BLOCKS)).enumerate()
            {
                let first = first + group * BLOCKS;
                // In a loop of its own the generator runs on vectors.
                for (block, kept) in kept.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    let counter = [(first + block) as u32, control.step, stream::DROPOUT, op.layer];
                    *kept = philox4x32(counter, key).map(|word| word >= threshold);
                }
                for ((y, &x), &kept) in output.iter_mut().zip(input).zip(&kept) {
                    let scaled = x * scale;
                    *y = if kept { scaled } else { S::ZERO };
                }
            }
        });
    });
}
