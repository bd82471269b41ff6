//! Image preparation and max-pooling on bytes.

use rayon::prelude::*;

use crate::{
    cpu::{
        Lanes,
        simd::{Simd, WithSimd, wide},
    },
    ops::{MaxPool, QuantizeImages, QuantizeImagesOperands, QuantizedMaxPoolOperands, Slices, padded},
};

/// Rows of an output image of a task.
const ROWS: usize = 8;

/// `words` has one for each column of the output.
pub fn images<S>(op: &QuantizeImages, operands: QuantizeImagesOperands<Slices<'_, S>>, words: &Lanes<u64>) {
    let QuantizeImagesOperands { images, table, output } = operands;
    let ([h, w], [oh, ow], c) = (op.source, op.output, op.channels);
    let tables = table.as_chunks::<256>().0;
    if op.source == op.output {
        let rows = output.par_chunks_mut(ow * padded(c)).zip(images.par_chunks(w * c));
        rows.with_min_len(ROWS).for_each(|(output, row)| {
            for (output, pixel) in output.chunks_exact_mut(padded(c)).zip(row.chunks_exact(c)) {
                look_up(pixel.iter().copied(), tables, output);
            }
        });
        return;
    }
    let bands = oh.div_ceil(ROWS);
    output.par_chunks_mut(oh * ow * padded(c)).zip(images.par_chunks(h * w * c)).for_each(
        |(output, image)| {
            let rows = output.par_chunks_mut(ROWS * ow * padded(c)).zip(0..bands);
            rows.for_each(|(output, band)| {
                words.with(ow, |columns| {
                    for (x, column) in columns.iter_mut().enumerate() {
                        let [left, right] = QuantizeImages::position(x, w, ow);
                        *column = ((left as u64) << 32) | right as u64;
                    }
                    for (y, output) in output.chunks_exact_mut(ow * padded(c)).enumerate() {
                        let [top, down] = QuantizeImages::position(band * ROWS + y, h, oh);
                        let row = |y: usize| &image[y.min(h - 1) * w * c..][..w * c];
                        let rows = [row(top), row(top + 1)];
                        for (output, &column) in output.chunks_exact_mut(padded(c)).zip(&*columns) {
                            let (left, right) = ((column >> 32) as usize, column as u32);
                            let [left, next] = [left, (left + 1).min(w - 1)].map(|x| x * c);
                            let values = (0..c).map(|channel| {
                                let [above, below] = rows.map(|row| {
                                    let [before, after] = [left, next].map(|at| u32::from(row[at + channel]));
                                    (2048 - right) * before + right * after
                                });
                                // Below 2^32: 2048 * 2048 * 255 and a half.
                                let down = down as u32;
                                (((2048 - down) * above + down * below + (1 << 21)) >> 22) as u8
                            });
                            look_up(values, tables, output);
                        }
                    }
                });
            });
        },
    );
}

/// A pixel from the bytes of its channels; the padding is 0.
fn look_up(bytes: impl Iterator<Item = u8>, tables: &[[u8; 256]], output: &mut [u8]) {
    output.fill(0);
    for ((output, byte), table) in output.iter_mut().zip(bytes).zip(tables) {
        *output = table[usize::from(byte)];
    }
}

pub fn max_pool<S>(pool: &MaxPool, operands: QuantizedMaxPoolOperands<Slices<'_, S>>) {
    let QuantizedMaxPoolOperands { input, output } = operands;
    let ([p, q], image) = (pool.output_size(), pool.h * pool.w * pool.c);
    output.par_chunks_mut(q * pool.c).enumerate().for_each(|(row, output)| {
        wide(Row { pool, input: &input[row / p * image..][..image], y: row % p * pool.stride[0], output });
    });
}

/// A row of a pooled image, from row `y` of the input on.
struct Row<'a> {
    pool: &'a MaxPool,
    input: &'a [u8],
    y: usize,
    output: &'a mut [u8],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { pool: &MaxPool { w, c, kernel, stride, .. }, input, y, output } = self;
        for (x, output) in output.chunks_exact_mut(c).enumerate() {
            output.fill(0);
            for tap in 0..kernel * kernel {
                let at = (y + tap / kernel) * w + x * stride[1] + tap % kernel;
                for (most, &value) in output.iter_mut().zip(&input[at * c..][..c]) {
                    *most = value.max(*most);
                }
            }
        }
    }
}
