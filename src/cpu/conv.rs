//! 3x3 convolution, padding 1, stride 1, as matrix products over im2col blocks.
//!
//! `M = N H W` (pixels), `N = K` (output channels), `K = R S C`: row `p` of the column matrix holds the 3x3
//! neighbourhood of pixel `p` in the order `[r, s, c]` of the weights `[R, S, C, K]`.

use rayon::prelude::*;

use super::{
    CHUNK, Scalar, batch_norm,
    matmul::{Matrix, Store, matmul, transpose},
    scratch::{Lanes, Scratch, Sizes},
    source::{Lines, Source},
    strips,
    winograd::{self, Plan, Weights},
};
use crate::ops::{
    BatchNormGradInput, BatchNormNormalize, BatchNormStatistics, Conv, ConvForward, ConvGradInput,
    ConvGradWeight,
};

/// Pixels of a block; where there are fewer blocks than this many, the channels are split as well.
const BLOCK: usize = 256;
/// With at least so many blocks of pixels there is work for all threads.
const BLOCKS: usize = 12;
/// Output channels of a tile where they are split.
const TILE: usize = 128;
/// Weights up to this many get their gradient as partial sums over pixels.
const PARTIAL_WEIGHTS: usize = 40_000;
/// Partial sums of such a gradient.
const PARTS: usize = 16;
/// Input channels of a task where the gradient of the weights is split.
const CHANNELS: usize = 128;

fn blocks(conv: &Conv) -> usize {
    conv.pixels().div_ceil(BLOCK)
}

/// The plan for Winograd's algorithm, where the scalar's executor takes it and it pays.
fn plan<S: Scalar>(conv: &Conv) -> Option<Plan> {
    if S::FAST { Plan::new(conv) } else { None }
}

pub(super) fn forward_sizes<S: Scalar>(op: &ConvForward) -> Sizes {
    let mut all = match plan::<S>(&op.conv) {
        Some(plan) => plan.sizes(),
        None if op.normalized => sizes(&op.conv).max(activation_sizes(&op.conv)),
        None => sizes(&op.conv),
    };
    if op.statistics {
        all = all.max(batch_norm::statistics_sizes(&statistics(&op.conv)));
    }
    all
}

fn activation_sizes(conv: &Conv) -> Sizes {
    Sizes { activated: conv.pixels() * conv.c, ..batch_norm::factor_sizes(conv.c, 3) }
}

fn statistics(conv: &Conv) -> BatchNormStatistics {
    BatchNormStatistics { rows: conv.pixels(), channels: conv.k, rows_before: 0 }
}

/// The input as the convolution sees it: through batch norm and ReLU by the vectors of `affine`, where there are any.
fn activated<'a, S: Scalar>(
    conv: &Conv,
    input: &'a [S],
    affine: &[S],
    room: &'a mut [S],
    factors: &mut [S],
) -> &'a [S] {
    if affine.is_empty() {
        return input;
    }
    let room = &mut room[..input.len()];
    let op = BatchNormNormalize { rows: conv.pixels(), channels: conv.c, relu: true };
    batch_norm::normalize(&op, input, affine, room, factors);
    room
}

/// The gradient of the output, and what it is read through: `output[n, h, w, k]` and `grad_affine[5, k]`, or nothing.
pub(super) type GradOutput<'a, S> = [&'a mut [S]; 3];

fn through_sizes(conv: &Conv, through: Option<f32>) -> Sizes {
    match through {
        Some(_) => Sizes { gradient: conv.pixels() * conv.k, ..batch_norm::factor_sizes(conv.k, 5) },
        None => Sizes::default(),
    }
}

/// The gradient of the output as the convolution sees it: back through ReLU and batch norm, where there are any.
fn gradient<'a, S: Scalar>(
    conv: &Conv,
    through: Option<f32>,
    [grad_output, output, grad_affine]: GradOutput<'a, S>,
    room: &'a mut [S],
    factors: &mut [S],
) -> &'a [S] {
    if through.is_none() {
        return grad_output;
    }
    let room = &mut room[..grad_output.len()];
    let op = BatchNormGradInput { rows: conv.pixels(), channels: conv.k, relu: through };
    batch_norm::grad_input(&op, [output, grad_affine, grad_output], room, factors);
    room
}

fn sizes(conv: &Conv) -> Sizes {
    let (pixels, columns) = (conv.pixels(), 9 * conv.c);
    if strips::suits(conv) {
        Sizes { lane: strips::lane(conv), ..Sizes::default() }
    } else if blocks(conv) >= BLOCKS {
        Sizes { lane: BLOCK * columns, ..Sizes::default() }
    } else {
        Sizes { shared: pixels * (columns + conv.k), ..Sizes::default() }
    }
}

pub(super) fn grad_input_sizes<S: Scalar>(op: &ConvGradInput) -> Sizes {
    let reversed = reversed(&op.conv);
    if let Some(plan) = plan::<S>(&reversed) {
        return plan.sizes();
    }
    let turned = Sizes { weights: 9 * op.conv.c * op.conv.k, ..Sizes::default() };
    turned.max(sizes(&reversed)).max(through_sizes(&op.conv, op.through))
}

pub(super) fn grad_weight_sizes<S: Scalar>(op: &ConvGradWeight) -> Sizes {
    if let Some(plan) = plan::<S>(&op.conv) {
        return plan.grad_weight_sizes();
    }
    let weights = 9 * op.conv.c * op.conv.k;
    let activation = if op.normalized { activation_sizes(&op.conv) } else { Sizes::default() };
    let sizes = if weights <= PARTIAL_WEIGHTS {
        let lane = if strips::suits(&op.conv) {
            strips::lane(&op.conv)
        } else {
            BLOCK * (9 * op.conv.c + op.conv.k)
        };
        Sizes { lane, shared: PARTS * weights, ..Sizes::default() }
    } else {
        Sizes { lane: BLOCK * CHANNELS.min(op.conv.c), ..Sizes::default() }
    };
    sizes.max(activation).max(through_sizes(&op.conv, op.through))
}

/// `input[n, h, w, c]`, `affine[4, c]` or nothing, `weight[3, 3, c, k]`, `bias[k]` to `output[n, h, w, k]` and its
/// `[batch_mean, batch_var]`.
pub(super) fn forward<S: Scalar>(
    op: &ConvForward,
    [input, affine, weight, bias]: [&mut [S]; 4],
    output: &mut [S],
    batch: Option<[&mut [S]; 2]>,
    scratch: &mut Scratch<S>,
) {
    let Scratch { lanes, shared, weights, sums, activated: room, .. } = scratch;
    if let Some(plan) = plan::<S>(&op.conv) {
        let (input, weight) = (Source::input(input, affine), Weights::Plain(weight));
        winograd::convolve(&plan, input, weight, bias, output, lanes, shared);
    } else {
        let input = activated(&op.conv, input, affine, room, weights);
        convolve(&op.conv, input, weight, Some(bias), output, lanes, shared);
    }
    if let Some([mean, var]) = batch {
        batch_norm::statistics(&statistics(&op.conv), output, mean, var, sums);
    }
}

/// [`GradOutput`], `weight[3, 3, c, k]` to `grad_input[n, h, w, c]`: the convolution of the gradient
/// with the weights turned by 180 degrees and their channels exchanged.
pub(super) fn grad_input<S: Scalar>(
    op: &ConvGradInput,
    grad_output: GradOutput<S>,
    weight: &[S],
    grad_input: &mut [S],
    scratch: &mut Scratch<S>,
) {
    let Scratch { lanes, shared, weights, gradient: room, .. } = scratch;
    let (Conv { c, k, .. }, reversed) = (op.conv, reversed(&op.conv));
    if let Some(plan) = plan::<S>(&reversed) {
        let [grad_output, output, grad_affine] = grad_output;
        let source = Source::gradient([grad_output, output, grad_affine], op.through);
        return winograd::convolve(&plan, source, Weights::Turned(weight), &[], grad_input, lanes, shared);
    }
    let grad_output = gradient(&op.conv, op.through, grad_output, room, weights);
    let turned = &mut weights[..9 * c * k];
    turned.par_chunks_mut(k * c).zip(weight.par_chunks(c * k).rev()).for_each(|(turned, weight)| {
        transpose(weight, c, k, turned);
    });
    convolve(&reversed, grad_output, turned, None, grad_input, lanes, shared);
}

fn reversed(conv: &Conv) -> Conv {
    Conv { c: conv.k, k: conv.c, ..*conv }
}

fn convolve<S: Scalar>(
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
            add_bias(bias, output);
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
        add_bias(bias, output);
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

/// Fills `column[rows, 9 c]` with the neighbourhoods of the pixels from `first` on.
fn im2col<S: Scalar>(conv: &Conv, input: &[S], first: usize, column: &mut [S]) {
    let Conv { h, w, c, .. } = *conv;
    for (row, column) in column.chunks_exact_mut(9 * c).enumerate() {
        let pixel = first + row;
        let (y, x) = (pixel / w % h, pixel % w);
        for (r, taps) in column.chunks_exact_mut(3 * c).enumerate() {
            // Input row `y + r - 1`, columns `x - 1 ..= x + 1`: one contiguous piece, but for the edges.
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

/// `input[n, h, w, c]`, `affine[4, c]` or nothing, [`GradOutput`] to `grad_weight[3, 3, c, k]`, or `+=`.
pub(super) fn grad_weight<S: Scalar>(
    op: &ConvGradWeight,
    [input, affine]: [&mut [S]; 2],
    grad_output: GradOutput<S>,
    grad_weight: &mut [S],
    scratch: &mut Scratch<S>,
) {
    let Scratch { lanes, shared, weights, activated: room, gradient: gradients, .. } = scratch;
    let [gradient_plain, output, grad_affine] = grad_output;
    if let Some(plan) = plan::<S>(&op.conv) {
        let gradient = Source::gradient([gradient_plain, output, grad_affine], op.through);
        let sources = [Source::input(input, affine), gradient];
        return winograd::grad_weight(&plan, sources, op.accumulate, grad_weight, lanes, shared);
    }
    let grad_output = [gradient_plain, output, grad_affine];
    let input = activated(&op.conv, input, affine, room, weights);
    if 9 * op.conv.c * op.conv.k <= PARTIAL_WEIGHTS {
        let [grad_output, output, grad_affine] = grad_output;
        let gradient = Source::gradient([grad_output, output, grad_affine], op.through);
        grad_weight_by_pixels(op, input, gradient, grad_weight, lanes, shared);
    } else {
        let grad_output = gradient(&op.conv, op.through, grad_output, gradients, weights);
        grad_weight_by_channels(op, input, grad_output, grad_weight, lanes);
    }
}

/// Few weights: a fixed number of partial sums over pixels, added up in order.
fn grad_weight_by_pixels<S: Scalar>(
    op: &ConvGradWeight,
    input: &[S],
    gradient: Source<S>,
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
    // [3, k, 3 c] to [3, 3 c, k], where it is turned.
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

/// Many weights: each task has the weights of one tap and some input channels for itself.
fn grad_weight_by_channels<S: Scalar>(
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

/// Fills `shifted[rows, channels]` with what tap `tap` sees from the pixels from `first` on, channels from `from` on.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    /// The definitions, word by word: `[output, grad_input, grad_weight]`.
    fn naive(conv: &Conv, x: &[f64], wt: &[f64], bias: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
        let Conv { n, h, w, c, k } = *conv;
        let mut y: Vec<f64> = (0..conv.pixels()).flat_map(|_| bias.iter().copied()).collect();
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; wt.len()]);
        for i in 0..n * h * w * 9 * c * k {
            let (ki, ci, tap, pixel) = (i % k, i / k % c, i / (k * c) % 9, i / (k * c * 9));
            let (yy, xx) = (pixel / w % h + tap / 3, pixel % w + tap % 3);
            if (1..=h).contains(&yy) && (1..=w).contains(&xx) {
                let from = (pixel / (h * w) * h * w + (yy - 1) * w + xx - 1) * c + ci;
                let (weight, to) = ((tap * c + ci) * k + ki, pixel * k + ki);
                y[to] += x[from] * wt[weight];
                dx[from] += dy[to] * wt[weight];
                dw[weight] += x[from] * dy[to];
            }
        }
        [y, dx, dw]
    }

    fn values(index: u32, len: usize) -> Vec<f64> {
        rng::normal(1, index, len, 1.0).into_iter().map(f64::from).collect()
    }

    /// Both ways through each function, and edges in every position.
    #[test]
    fn convolutions_are_what_they_are_defined_to_be() {
        let shapes = [
            (1, 1, 1, 1, 1),
            (2, 3, 5, 3, 7),
            (3, 2, 1, 130, 5),
            (1, 1, 7, 2, 131),
            (2, 43, 37, 2, 3),
            (5, 28, 28, 1, 8),
            (3, 33, 32, 5, 4),
            (2, 5, 4, 150, 40),
            (4, 28, 29, 70, 68),
            (2, 3, 12, 9, 5),
            (3, 30, 50, 6, 20),
            (1, 90, 13, 8, 8),
        ];
        for (n, h, w, c, k) in shapes {
            let conv = Conv { n, h, w, c, k };
            let (x, wt, bias) = (values(1, n * h * w * c), values(2, 9 * c * k), values(3, k));
            let dy = values(4, n * h * w * k);
            let expected = naive(&conv, &x, &wt, &bias, &dy);
            let plain = ConvForward::plain(conv);
            let (gi, gw) = (ConvGradInput::plain(conv), ConvGradWeight::plain(conv));
            let needs = sizes(&conv).max(grad_input_sizes::<f64>(&gi)).max(grad_weight_sizes::<f64>(&gw));
            let mut scratch = Scratch::new(needs, rayon::current_num_threads());
            // Not a number wherever a result is missing, in scratch memory too.
            scratch.shared.fill(f64::NAN);
            let (mut x, mut wt, mut bias, mut dy) = (x, wt, bias, dy);
            let [mut y, mut dx, mut dw] = expected.each_ref().map(|e| vec![f64::NAN; e.len()]);
            let inputs = [&mut x[..], &mut [], &mut wt, &mut bias];
            forward(&plain, inputs, &mut y, None, &mut scratch);
            grad_input(&gi, [&mut dy, &mut [], &mut []], &wt, &mut dx, &mut scratch);
            grad_weight(&gw, [&mut x, &mut []], [&mut dy, &mut [], &mut []], &mut dw, &mut scratch);
            let mut twice = dw.clone();
            let more = ConvGradWeight { accumulate: true, ..gw };
            grad_weight(&more, [&mut x, &mut []], [&mut dy, &mut [], &mut []], &mut twice, &mut scratch);
            let actual = [y, dx, dw, twice.iter().map(|t| t / 2.0).collect()];
            for (which, (actual, expected)) in
                actual.iter().zip(expected.iter().chain([&expected[2]])).enumerate()
            {
                // Sums of at most 9 c or 9 k or pixels terms of magnitude about 1, in f64.
                let tolerance = 1e-15 * (9 * c.max(k)).max(n * h * w) as f64 * 10.0;
                for (a, e) in actual.iter().zip(expected) {
                    assert!((a - e).abs() <= tolerance, "{conv:?} result {which}: {a} not {e}");
                }
            }
        }
    }
}
