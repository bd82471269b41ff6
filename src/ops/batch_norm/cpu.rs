//! Batch normalisation over `[rows, channels]` for the CPU device.

use rayon::prelude::*;

use super::{
    BatchNormAffine, BatchNormGradAffine, BatchNormGradInput, BatchNormGradInputOperands,
    BatchNormGradStatistics, BatchNormGradStatisticsOperands, BatchNormNormalize, BatchNormNormalizeOperands,
    BatchNormRunning, BatchNormStatistics, BatchNormStatisticsOperands, reference,
};
use crate::{
    cpu::{
        Scalar, Scratch, Sizes, Twin,
        prologue::{activate_grad, grad_through, input_through},
        reduce,
        simd::{Simd, Vector, WithSimd, wide},
    },
    ops::{Activation, Slices},
};

impl Twin for BatchNormStatistics {
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { sums: reduce::sums(self.rows, self.channels, 3), ..Sizes::default() }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            statistics(self, operands, &mut scratch.sums)
        } else {
            reference::statistics(self, operands)
        }
    }
}

impl Twin for BatchNormRunning {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        reference::running(self, operands);
    }
}

impl Twin for BatchNormAffine {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        reference::affine(self, operands);
    }
}

impl Twin for BatchNormNormalize {
    fn scratch<S: Scalar>(&self) -> Sizes {
        factor_sizes(self.channels, 3 * self.images.unwrap_or(1))
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            normalize(self, operands, &mut scratch.weights);
        } else {
            reference::normalize(self, operands);
        }
    }
}

impl Twin for BatchNormGradStatistics {
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { sums: reduce::sums(self.rows, self.channels, 2), ..factor_sizes(self.channels, 3) }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            grad_statistics(self, operands, scratch);
        } else {
            reference::grad_statistics(self, operands);
        }
    }
}

impl Twin for BatchNormGradAffine {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        reference::grad_affine(self, operands);
    }
}

impl Twin for BatchNormGradInput {
    fn scratch<S: Scalar>(&self) -> Sizes {
        factor_sizes(self.channels, 5)
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            grad_input(self, operands, &mut scratch.weights);
        } else {
            reference::grad_input(self, operands);
        }
    }
}

/// Room for `factors` values of each channel.
pub(crate) fn factor_sizes(channels: usize, factors: usize) -> Sizes {
    Sizes { weights: factors * reduce::width(channels), ..Sizes::default() }
}

/// `batch_mean` and biased `batch_var`, `[channels]`, of `input[rows, channels]`.
///
/// # Numerics
/// Two passes over each piece of rows in `S`: the mean, then the distances `d` from it and their squares. The corrected mean
/// is `mean + sum(d) / rows` and the squared distances from it are `sum(d^2) - sum(d)^2 / rows`, so that the first mean's
/// rounding cancels (Chan, Golub and LeVeque's corrected two-pass algorithm). Only the sums down the columns of long rows are
/// in `S`, with at most the error of [`reduce::total`]. The pieces, and earlier slices of the batch, are merged in f64 by
/// the same authors' formula.
pub(crate) fn statistics<S: Scalar>(
    op: &BatchNormStatistics,
    operands: BatchNormStatisticsOperands<Slices<'_, S>>,
    sums: &mut [S],
) {
    let BatchNormStatisticsOperands { input, batch_mean, batch_var } = operands;
    let channels = op.channels;
    let width = reduce::width(channels);
    let parts =
        reduce::by_rows(sums, channels, 3, input, |input, sums| moments_of_piece(input, channels, sums));
    let piece = reduce::piece(channels) / channels;
    for c in 0..channels {
        let mut rows = op.rows_before as f64;
        let (mut mean, mut m2) =
            if op.rows_before > 0 { (batch_mean[c].f64(), batch_var[c].f64() * rows) } else { (0.0, 0.0) };
        for (index, part) in parts.chunks_exact(3 * width).enumerate() {
            let more = piece.min(op.rows - index * piece) as f64;
            let first = part[c].f64();
            // Along the long row in f64.
            let [sum, squares] = [1, 2].map(|field| {
                let long = &part[field * width..(field + 1) * width];
                long[c..].iter().step_by(channels).map(|sum| sum.f64()).sum::<f64>()
            });
            let distance = first + sum / more - mean;
            let all = rows + more;
            mean += distance * more / all;
            m2 += (squares - sum * sum / more) + distance * distance * (rows * more / all);
            rows = all;
        }
        batch_mean[c] = S::of(mean);
        batch_var[c] = S::of(m2 / rows);
    }
}

/// Adds the moments of the rows of a piece to zeroed sums `[3, width]`: the mean of each channel, then the distances from it and
/// their squares along a long row.
pub(crate) fn moments_of_piece<S: Scalar>(input: &[S], channels: usize, sums: &mut [S]) {
    let width = reduce::width(channels);
    let (mean, distances) = sums.split_at_mut(width);
    wide(|| {
        for row in input.chunks(width) {
            for (mean, &x) in mean.iter_mut().zip(row) {
                *mean += x;
            }
        }
    });
    reduce::fold(mean, channels);
    let rows = S::of((input.len() / channels) as f64);
    for mean in mean.iter_mut() {
        *mean = *mean / rows;
    }
    reduce::repeat(mean, channels);
    wide(Distances { input, mean, sums: distances });
}

/// Adds long rows' distances from `mean`, and the squares of these, to `sums[2, width]`.
struct Distances<'a, S> {
    input: &'a [S],
    mean: &'a [S],
    sums: &'a mut [S],
}

impl<S: Scalar> WithSimd for Distances<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { input, mean, sums } = self;
        let (sums, squares) = sums.split_at_mut(mean.len());
        for row in input.chunks(mean.len()) {
            for c in (0..row.len()).step_by(S::lanes::<V>()) {
                // Only the rest of the row: there may be no mean after it.
                let part = c..row.len().min(c + S::lanes::<V>());
                let distance =
                    Vector::load(simd, &row[part.clone()]) - Vector::load(simd, &mean[part.clone()]);
                let [sums, squares] = [&mut sums[part.clone()], &mut squares[part]];
                (Vector::load(simd, sums) + distance).store(sums);
                (Vector::load(simd, squares) + distance * distance).store(squares);
            }
        }
    }
}

/// `output[rows, channels] = activation((input - mean) * scale + shift)`.
pub(crate) fn normalize<S: Scalar>(
    op: &BatchNormNormalize,
    operands: BatchNormNormalizeOperands<Slices<'_, S>>,
    factors: &mut [S],
) {
    let BatchNormNormalizeOperands { input, affine, output } = operands;
    let (channels, activation) = (op.channels, op.activation);
    let (image, piece) = (input.len() / op.images.unwrap_or(1), reduce::piece(channels));
    let vectors = affine.par_chunks(4 * channels).zip(factors.par_chunks_mut(3 * reduce::width(channels)));
    output.par_chunks_mut(image).zip(input.par_chunks(image)).zip(vectors).for_each(
        |((output, input), (affine, factors))| {
            let vectors = long_vectors(factors, channels, [0, 1, 2], affine);
            output.par_chunks_mut(piece).zip(input.par_chunks(piece)).for_each(|(output, input)| {
                wide(Normalized { activation, input, vectors, output });
            });
        },
    );
}

/// Long rows through batch norm and the activation.
struct Normalized<'a, S> {
    activation: Option<Activation>,
    input: &'a [S],
    /// Mean, scale and shift along a long row.
    vectors: [&'a [S]; 3],
    output: &'a mut [S],
}

impl<S: Scalar> WithSimd for Normalized<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { activation, input, vectors, output } = self;
        let width = vectors[0].len();
        for (output, input) in output.chunks_mut(width).zip(input.chunks(width)) {
            for c in (0..input.len()).step_by(S::lanes::<V>()) {
                let x = Vector::load(simd, &input[c..]);
                input_through(simd, activation, x, loaded(simd, vectors, c)).store(&mut output[c..]);
            }
        }
    }
}

/// `grad_gamma` and `grad_beta`, `[channels]`.
///
/// # Numerics
/// Summed in `S` within a piece of rows and in f64 over the pieces: see [`reduce::total`].
pub(crate) fn grad_statistics<S: Scalar>(
    op: &BatchNormGradStatistics,
    operands: BatchNormGradStatisticsOperands<Slices<'_, S>>,
    Scratch { weights: factors, sums, .. }: &mut Scratch<S>,
) {
    let BatchNormGradStatisticsOperands { input, affine, grad_output, grad_gamma, grad_beta } = operands;
    let (channels, activation) = (op.channels, op.activation);
    let width = reduce::width(channels);
    let [mean, scale, shift] = long_vectors(factors, channels, [0, 1, 2], affine);
    let parts = reduce::by_row_pairs(sums, channels, 2, input, grad_output, |input, grad_output, sums| {
        wide(GradSums {
            activation,
            rows: [input, grad_output],
            vectors: [mean, scale, shift],
            sums: &mut *sums,
        });
        let (sum_gamma, sum_beta) = sums.split_at_mut(width);
        reduce::fold(sum_gamma, channels);
        reduce::fold(sum_beta, channels);
    });
    let total = |at: [usize; 2]| reduce::total(parts, channels, 2, at);
    gradients_of_sums(affine, op.accumulate, total, [grad_gamma, grad_beta]);
}

/// `[grad_gamma, grad_beta]` from the `total` of `[grad_gamma / inv_std, grad_beta]` for each `[field, channel]`.
pub(crate) fn gradients_of_sums<S: Scalar>(
    affine: &[S],
    accumulate: bool,
    total: impl Fn([usize; 2]) -> f64,
    [grad_gamma, grad_beta]: [&mut [S]; 2],
) {
    let channels = grad_gamma.len();
    for c in 0..channels {
        let [sum_gamma, beta] = [0, 1].map(|field| total([field, c]));
        let gamma = sum_gamma * affine[3 * channels + c].f64();
        let (gamma_before, beta_before) =
            if accumulate { (grad_gamma[c].f64(), grad_beta[c].f64()) } else { (0.0, 0.0) };
        grad_gamma[c] = S::of(gamma_before + gamma);
        grad_beta[c] = S::of(beta_before + beta);
    }
}

/// Adds long rows of `[input, grad_output]` to the sums `[grad_gamma / inv_std, grad_beta]`.
pub(crate) struct GradSums<'a, S> {
    pub activation: Option<Activation>,
    pub rows: [&'a [S]; 2],
    /// Mean, scale and shift along a long row.
    pub vectors: [&'a [S]; 3],
    pub sums: &'a mut [S],
}

impl<S: Scalar> WithSimd for GradSums<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { activation, rows: [input, grad_output], vectors: [mean, scale, shift], sums } = self;
        let width = mean.len();
        let (sum_gamma, sum_beta) = sums.split_at_mut(width);
        for (input, grad_output) in input.chunks(width).zip(grad_output.chunks(width)) {
            for c in (0..input.len()).step_by(S::lanes::<V>()) {
                let load = Vector::load;
                let (x, dy) = (load(simd, &input[c..]), load(simd, &grad_output[c..]));
                let distance = x - load(simd, &mean[c..]);
                let y = distance * load(simd, &scale[c..]) + load(simd, &shift[c..]);
                let g = activate_grad(simd, activation, y, dy);
                (load(simd, &sum_gamma[c..]) + distance * g).store(&mut sum_gamma[c..]);
                (load(simd, &sum_beta[c..]) + g).store(&mut sum_beta[c..]);
            }
        }
    }
}

/// `grad_input[rows, channels] = scale * g - (offset + slope * (input - mean))`.
pub(crate) fn grad_input<S: Scalar>(
    op: &BatchNormGradInput,
    operands: BatchNormGradInputOperands<Slices<'_, S>>,
    factors: &mut [S],
) {
    let BatchNormGradInputOperands { input, grad_affine, grad_output, grad_input } = operands;
    let (channels, activation) = (op.channels, op.activation);
    let vectors = long_vectors(factors, channels, [0, 1, 2, 3, 4], grad_affine);
    let piece = reduce::piece(channels);
    let inputs = input.par_chunks(piece).zip(grad_output.par_chunks(piece));
    grad_input.par_chunks_mut(piece).zip(inputs).for_each(|(grad_input, (input, grad_output))| {
        wide(Gradients { activation, rows: [input, grad_output], vectors, grad_input });
    });
}

/// The gradients of long rows of `[input, grad_output]`.
pub(crate) struct Gradients<'a, S> {
    pub activation: Option<Activation>,
    pub rows: [&'a [S]; 2],
    /// Mean, scale, shift, offset and slope along a long row.
    pub vectors: [&'a [S]; 5],
    pub grad_input: &'a mut [S],
}

impl<S: Scalar> WithSimd for Gradients<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { activation, rows: [input, grad_output], vectors, grad_input } = self;
        let width = vectors[0].len();
        let inputs = input.chunks(width).zip(grad_output.chunks(width));
        for (grad_input, (input, grad_output)) in grad_input.chunks_mut(width).zip(inputs) {
            for c in (0..input.len()).step_by(S::lanes::<V>()) {
                let [x, dy] = loaded(simd, [input, grad_output], c);
                let vectors = loaded(simd, vectors, c);
                grad_through(simd, activation, x, dy, vectors).store(&mut grad_input[c..]);
            }
        }
    }
}

/// A register of each slice, from `c` on. A closure would be compiled for the baseline instruction set.
#[inline(always)]
fn loaded<V: Simd, S: Scalar, const N: usize>(simd: V, slices: [&[S]; N], c: usize) -> [Vector<V, S>; N] {
    let mut vectors = [Vector::splat(simd, S::ZERO); N];
    for (vector, slice) in vectors.iter_mut().zip(slices) {
        *vector = Vector::load(simd, &slice[c..]);
    }
    vectors
}

/// Vectors of `affine`, repeated along a long row each.
fn long_vectors<'a, S: Scalar, const N: usize>(
    room: &'a mut [S],
    channels: usize,
    fields: [usize; N],
    affine: &[S],
) -> [&'a [S]; N] {
    let width = reduce::width(channels);
    let room = &mut room[..N * width];
    for (long, field) in room.chunks_exact_mut(width).zip(fields) {
        long[..channels].copy_from_slice(&affine[field * channels..][..channels]);
        reduce::repeat(long, channels);
    }
    let room = &*room;
    std::array::from_fn(|field| &room[field * width..][..width])
}
