//! Matrix products over im2col blocks.
//!
//! `M = N H W` (pixels), `N = K` (output channels), `K = R S C`: row `p` of the column matrix holds the 3x3
//! neighbourhood of pixel `p` in the order `[r, s, c]` of the weights `[R, S, C, K]`.

use rayon::prelude::*;

use super::{Conv, ConvGradWeight, strips};
use crate::cpu::{
    CHUNK, Lanes, Scalar, Sizes,
    matmul::{Matrix, Store, matmul},
    prologue::{Lines, Prologue},
};

/// Pixels of a block; if there are too few blocks, the channels are split as well.
const BLOCK: usize = 256;
/// With at least this many blocks of pixels there is work for all threads.
const BLOCKS: usize = 12;
/// Output channels of a tile if they are split.
const TILE: usize = 128;
/// Weights up to this many get their gradient as partial sums over pixels.
const PARTIAL_WEIGHTS: usize = 40_000;
/// Partial sums of such a gradient.
const PARTS: usize = 16;
/// Input channels of a task if the gradient of the weights is split.
const CHANNELS: usize = 128;

fn blocks(conv: &Conv) -> usize {
    conv.pixels().div_ceil(BLOCK)
}

/// The scratch memory of [`convolve`].
pub(super) fn sizes(conv: &Conv) -> Sizes {
    let (pixels, columns) = (conv.pixels(), 9 * conv.c);
    if strips::suits(conv) {
        Sizes { lane: strips::lane(conv), ..Sizes::default() }
    } else if blocks(conv) >= BLOCKS {
        Sizes { lane: BLOCK * columns, ..Sizes::default() }
    } else {
        Sizes { shared: pixels * (columns + conv.k), ..Sizes::default() }
    }
}

/// The scratch memory of the gradient of the weights.
pub(super) fn grad_weight_sizes(conv: &Conv) -> Sizes {
    let weights = 9 * conv.c * conv.k;
    if weights > PARTIAL_WEIGHTS {
        return Sizes { lane: BLOCK * CHANNELS.min(conv.c), ..Sizes::default() };
    }
    let lane = if strips::suits(conv) { strips::lane(conv) } else { BLOCK * (9 * conv.c + conv.k) };
    Sizes { lane, shared: PARTS * weights, ..Sizes::default() }
}

/// Whether the gradient of the weights is summed by pixels, in parts; by channels otherwise.
pub(super) fn by_pixels(conv: &Conv) -> bool {
    9 * conv.c * conv.k <= PARTIAL_WEIGHTS
}

/// `input[n, h, w, c]`, `weight[3, 3, c, k]` and perhaps `bias[k]` to `output[n, h, w, k]`.
pub(super) fn convolve<S: Scalar>(
    conv: &Conv,
    input: &[S],
    weight: &[S],
    bias: Option<&[S]>,
    output: &mut [S],
    lanes: &Lanes<S>,
    shared: &mut [S],
) {
    if strips::suits(conv) {
        return strips::convolve(conv, input, weight, bias, output, lanes);
    }
    let (pixels, columns, k) = (conv.pixels(), 9 * conv.c, conv.k);
    let weight = Matrix::rows(weight, columns, k, k);
    if blocks(conv) >= BLOCKS {
        output.par_chunks_mut(BLOCK * k).enumerate().for_each(|(block, output)| {
            let rows = output.len() / k;
            lanes.with(rows * columns, |column| {
                im2col(conv, input, block * BLOCK, column);
                matmul(output, Store::Replace, Matrix::rows(column, rows, columns, columns), weight);
            });
            strips::add_bias(bias, output);
        });
        return;
    }
    // Few pixels: all columns first, then tiles of output channels.
    let (column, tiles) = shared.split_at_mut(pixels * columns);
    column.par_chunks_mut(16 * columns).enumerate().for_each(|(block, column)| {
        im2col(conv, input, block * 16, column);
    });
    let column = Matrix::rows(column, pixels, columns, columns);
    let tiles = &mut tiles[..pixels * k];
    tiles.par_chunks_mut(pixels * TILE).enumerate().for_each(|(tile, output)| {
        let weight = Matrix { data: &weight.data[tile * TILE..], columns: output.len() / pixels, ..weight };
        matmul(output, Store::Replace, column, weight);
    });
    let tiles = &*tiles;
    output.par_chunks_mut(k).enumerate().for_each(|(pixel, output)| {
        for (tile, part) in output.chunks_mut(TILE).enumerate() {
            let width = part.len();
            part.copy_from_slice(&tiles[tile * TILE * pixels + pixel * width..][..width]);
        }
        strips::add_bias(bias, output);
    });
}

/// Fills `column[rows, 9 c]` with the neighbourhoods of the pixels from `first` on.
fn im2col<S: Scalar>(conv: &Conv, input: &[S], first: usize, column: &mut [S]) {
    let Conv { h, w, c, .. } = *conv;
    for (row, column) in column.chunks_exact_mut(9 * c).enumerate() {
        let pixel = first + row;
        let (y, x) = (pixel / w % h, pixel % w);
        for (r, taps) in column.chunks_exact_mut(3 * c).enumerate() {
            // Input row `y + r - 1`, columns `x - 1 ..= x + 1`: one contiguous piece, except at the edges.
            if !(1..=h).contains(&(y + r)) {
                taps.fill(S::ZERO);
                continue;
            }
            let (left, right) = (usize::from(x == 0), usize::from(x + 1 == w));
            let centre = (pixel + r * w - w) * c;
            taps[..left * c].fill(S::ZERO);
            taps[(3 - right) * c..].fill(S::ZERO);
            let source = &input[centre + left * c - c..centre + (2 - right) * c];
            taps[left * c..(3 - right) * c].copy_from_slice(source);
        }
    }
}

/// Few weights: a fixed number of partial sums over pixels, added up in order.
pub(super) fn grad_weight_by_pixels<S: Scalar>(
    op: &ConvGradWeight,
    input: &[S],
    gradient: Prologue<S>,
    grad_weight: &mut [S],
    lanes: &Lanes<S>,
    shared: &mut [S],
) {
    let conv = &op.conv;
    let (pixels, columns, k) = (conv.pixels(), 9 * conv.c, conv.k);
    let weights = columns * k;
    let parts = &mut shared[..PARTS * weights];
    let by_strips = strips::suits(conv);
    parts.par_chunks_mut(weights).enumerate().for_each(|(part, sum)| {
        sum.fill(S::ZERO);
        if by_strips {
            let share = strips::count(conv).div_ceil(PARTS);
            let range = part * share..strips::count(conv).min((part + 1) * share);
            strips::grad_weight(conv, input, gradient, range, sum, lanes);
            return;
        }
        let share = blocks(conv).div_ceil(PARTS) * BLOCK;
        for first in (part * share..pixels.min((part + 1) * share)).step_by(BLOCK) {
            let rows = BLOCK.min(pixels - first);
            lanes.with(rows * (columns + k), |room| {
                let (column, grad_output) = room.split_at_mut(rows * columns);
                im2col(conv, input, first, column);
                let lines = Lines { source: gradient, first, pixels: [rows, rows], channels: k };
                lines.read(grad_output);
                let column = Matrix::rows(column, rows, columns, columns).transposed();
                matmul(sum, Store::Add, column, Matrix::rows(grad_output, rows, k, k));
            });
        }
    });
    let (total, rest) = parts.split_at_mut(weights);
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, total)| {
        for part in rest.chunks_exact(weights) {
            let part = &part[chunk * CHUNK..][..total.len()];
            for (sum, &part) in total.iter_mut().zip(part) {
                *sum += part;
            }
        }
    });
    // Transposes [3, k, 3 c] to [3, 3 c, k] if `turned`.
    let turned = by_strips && strips::turned(conv);
    let [row, column] = if turned { [1, 3 * conv.c] } else { [k, 1] };
    let rows = 3 * conv.c * k;
    for (grad_weight, total) in grad_weight.chunks_exact_mut(rows).zip(total.chunks_exact(rows)) {
        for (from, grad_weight) in grad_weight.chunks_exact_mut(k).enumerate() {
            let sums = total[from * row..].iter().step_by(column);
            for (dw, &sum) in grad_weight.iter_mut().zip(sums) {
                *dw = if op.accumulate { *dw + sum } else { sum };
            }
        }
    }
}

/// Many weights: each task owns the weights of one tap and some input channels.
pub(super) fn grad_weight_by_channels<S: Scalar>(
    op: &ConvGradWeight,
    input: &[S],
    grad_output: &[S],
    grad_weight: &mut [S],
    lanes: &Lanes<S>,
) {
    let conv = &op.conv;
    let Conv { c, k, .. } = *conv;
    grad_weight.par_chunks_mut(c * k).enumerate().for_each(|(tap, grad_weight)| {
        grad_weight.par_chunks_mut(CHANNELS * k).enumerate().for_each(|(part, grad_weight)| {
            let (from, channels) = (part * CHANNELS, grad_weight.len() / k);
            for first in (0..conv.pixels()).step_by(BLOCK) {
                let rows = BLOCK.min(conv.pixels() - first);
                lanes.with(rows * channels, |shifted| {
                    shift(conv, input, tap, first, from, shifted, channels);
                    let store = if first > 0 || op.accumulate { Store::Add } else { Store::Replace };
                    let shifted = Matrix::rows(shifted, rows, channels, channels).transposed();
                    matmul(grad_weight, store, shifted, Matrix::rows(&grad_output[first * k..], rows, k, k));
                });
            }
        });
    });
}

/// Fills `shifted[rows, channels]` with the values that tap `tap` reads for the pixels from `first` on, channels from `from` on.
fn shift<S: Scalar>(
    conv: &Conv,
    input: &[S],
    tap: usize,
    first: usize,
    from: usize,
    shifted: &mut [S],
    channels: usize,
) {
    let Conv { h, w, c, .. } = *conv;
    let (r, s) = (tap / 3, tap % 3);
    for (row, shifted) in shifted.chunks_exact_mut(channels).enumerate() {
        let pixel = first + row;
        let (y, x) = (pixel / w % h, pixel % w);
        if (1..=h).contains(&(y + r)) && (1..=w).contains(&(x + s)) {
            let source = (pixel + r * w + s - w - 1) * c + from;
            shifted.copy_from_slice(&input[source..][..channels]);
        } else {
            shifted.fill(S::ZERO);
        }
    }
}
