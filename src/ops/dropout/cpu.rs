//! Dropout.

use rayon::prelude::*;

use super::{Dropout, DropoutOperands};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Twin, simd::wide},
    ops::Slices,
    rng::{philox4x32, stream},
};

/// Blocks of four random words drawn together.
const BLOCKS: usize = 16;

impl Twin for Dropout {
    /// `output = input * scale` where the element is kept, else 0.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let DropoutOperands { control, input, output } = operands;
        let (threshold, scale) = (self.threshold(), S::of(f64::from(self.scale())));
        let key = [control.seed_low, control.seed_high];
        // The offset and CHUNK are multiples of 4, so every chunk begins with a block of four words.
        let chunks = output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).enumerate();
        chunks.for_each(|(chunk, (output, input))| {
            let first = (self.offset + chunk * CHUNK) / 4;
            wide(|| {
                let mut kept = [false; 4 * BLOCKS];
                for (group, (output, input)) in
                    output.chunks_mut(4 * BLOCKS).zip(input.chunks(4 * BLOCKS)).enumerate()
                {
                    let first = first + group * BLOCKS;
                    // A separate loop, so that the generator vectorises.
                    for (block, kept) in kept.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                        let counter = [(first + block) as u32, control.batch, stream::DROPOUT, self.layer];
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
}
