//! Convolution of few channels, without im2col.
//!
//! A strip is a few rows of an image, copied with a frame of zeros. Flattened to `[pixels, c]`, the three pixels
//! that kernel row `r` reads for pixel `p` are adjacent, from pixel `p + r (w + 2)` on: the column matrix already exists,
//! as overlapping rows of `3 c` elements, each `c` after the previous one. The price is the two columns of the frame,
//! which are computed for nothing; with many channels im2col is cheaper.

use rayon::prelude::*;

use super::Conv;
use crate::cpu::{
    Lanes, Scalar,
    matmul::{Matrix, Store, matmul},
    prologue::{Lines, Prologue},
};

/// The approximate number of pixels of a strip: its copy stays in a core's cache.
const PIXELS: usize = 1024;

/// Whether this is faster: few channels, and the frame is a small part of a row.
pub(super) fn suits(conv: &Conv) -> bool {
    conv.c <= 32 && conv.w >= 12
}

/// Rows of a strip.
fn strip_rows(conv: &Conv) -> usize {
    (PIXELS / (conv.w + 2)).clamp(1, conv.h)
}

/// Scalars that a strip takes: framed input and framed output.
pub(super) fn lane(conv: &Conv) -> usize {
    let rows = strip_rows(conv);
    framed(conv, rows) + rows * (conv.w + 2) * conv.k
}

/// Scalars of the input of a strip; the last pixel's three neighbours reach two pixels beyond the frame.
fn framed(conv: &Conv, rows: usize) -> usize {
    ((rows + 2) * (conv.w + 2) + 2) * conv.c
}

/// Strips of a whole batch.
pub(super) fn count(conv: &Conv) -> usize {
    conv.n * conv.h.div_ceil(strip_rows(conv))
}

/// One strip of an image.
struct Strip<'a> {
    conv: &'a Conv,
    /// The image.
    n: usize,
    /// Its first row.
    y: usize,
    /// How many rows.
    rows: usize,
}

impl<'a> Strip<'a> {
    fn new(conv: &'a Conv, index: usize) -> Self {
        let rows = strip_rows(conv);
        let per_image = conv.h.div_ceil(rows);
        let y = index % per_image * rows;
        Self { conv, n: index / per_image, y, rows: rows.min(conv.h - y) }
    }

    /// Copies the strip of `input[n, h, w, c]` into a frame of zeros.
    fn frame<S: Scalar>(&self, input: &[S], framed: &mut [S]) {
        let Conv { h, w, c, .. } = *self.conv;
        let (lines, rest) = framed.split_at_mut((self.rows + 2) * (w + 2) * c);
        rest.fill(S::ZERO);
        for (line, to) in lines.chunks_exact_mut((w + 2) * c).enumerate() {
            let y = self.y + line;
            if !(1..=h).contains(&y) {
                to.fill(S::ZERO);
                continue;
            }
            to[..c].fill(S::ZERO);
            to[c..(w + 1) * c].copy_from_slice(&input[(self.n * h + y - 1) * w * c..][..w * c]);
            to[(w + 1) * c..].fill(S::ZERO);
        }
    }

    /// The windows of kernel row `r`: `[rows * (w + 2), 3 c]`.
    fn windows<'b, S>(&self, framed: &'b [S], r: usize) -> Matrix<'b, S> {
        let Conv { w, c, .. } = *self.conv;
        let data = &framed[r * (w + 2) * c..];
        Matrix { data, rows: self.rows * (w + 2), columns: 3 * c, strides: [c, 1] }
    }
}

/// `input[n, h, w, c]`, `weight[3, 3, c, k]`, `bias[k]` to `output[n, h, w, k]`.
pub(super) fn convolve<S: Scalar>(
    conv: &Conv,
    input: &[S],
    weight: &[S],
    bias: Option<&[S]>,
    output: &mut [S],
    lanes: &Lanes<S>,
) {
    let Conv { h, w, c, k, .. } = *conv;
    let strips = h.div_ceil(strip_rows(conv));
    output.par_chunks_mut(h * w * k).enumerate().for_each(|(n, output)| {
        output.par_chunks_mut(strip_rows(conv) * w * k).enumerate().for_each(|(index, output)| {
            let strip = Strip::new(conv, n * strips + index);
            lanes.with(lane(conv), |room| {
                let (from, to) = room.split_at_mut(framed(conv, strip.rows));
                let to = &mut to[..strip.rows * (w + 2) * k];
                strip.frame(input, from);
                for r in 0..3 {
                    let store = if r > 0 { Store::Add } else { Store::Replace };
                    let weight = Matrix::rows(&weight[r * 3 * c * k..], 3 * c, k, k);
                    matmul(to, store, strip.windows(from, r), weight);
                }
                for (output, line) in output.chunks_exact_mut(w * k).zip(to.chunks_exact((w + 2) * k)) {
                    output.copy_from_slice(&line[..w * k]);
                }
            });
            add_bias(bias, output);
        });
    });
}

/// Adds `bias[k]` to every row of `output[rows, k]`.
pub(super) fn add_bias<S: Scalar>(bias: Option<&[S]>, output: &mut [S]) {
    let Some(bias) = bias else { return };
    for row in output.chunks_exact_mut(bias.len()) {
        for (y, &bias) in row.iter_mut().zip(bias) {
            *y += bias;
        }
    }
}

/// Adds the strips' (`range`) part of the gradient of the weights to `sum`: `[3, 3, c, k]`, or if [`turned`],
/// `[3, k, 3, c]`.
pub(super) fn grad_weight<S: Scalar>(
    conv: &Conv,
    input: &[S],
    grad_output: Prologue<S>,
    range: std::ops::Range<usize>,
    sum: &mut [S],
    lanes: &Lanes<S>,
) {
    let Conv { h, w, c, k, .. } = *conv;
    for index in range {
        let strip = Strip::new(conv, index);
        lanes.with(lane(conv), |room| {
            let (from, to) = room.split_at_mut(framed(conv, strip.rows));
            let to = &mut to[..strip.rows * (w + 2) * k];
            strip.frame(input, from);
            let first = (strip.n * h + strip.y) * w;
            Lines { source: grad_output, first, pixels: [w, w + 2], channels: k }.read(to);
            let grad_output = Matrix::rows(to, strip.rows * (w + 2), k, k);
            for (r, sum) in sum.chunks_exact_mut(3 * c * k).enumerate() {
                let windows = strip.windows(from, r);
                if turned(conv) {
                    matmul(sum, Store::Add, grad_output.transposed(), windows);
                } else {
                    matmul(sum, Store::Add, windows.transposed(), grad_output);
                }
            }
        });
    }
}

/// Whether the partial sums are `[3, k, 3, c]`: the longer extent fills the vectors of the matrix product.
pub(super) fn turned(conv: &Conv) -> bool {
    3 * conv.c > conv.k
}
