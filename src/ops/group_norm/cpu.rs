//! Group normalisation for the CPU device.

use rayon::prelude::*;

use super::{
    GroupNorm, GroupNormAffine, GroupNormAffineOperands, GroupNormGrad, GroupNormGradOperands,
    GroupNormOperands, reference,
};
use crate::{
    cpu::{
        Scalar, Scratch, Sizes, Twin,
        prologue::{activate_grad, input_through},
        reduce,
        simd::{Simd, Vector, WithSimd, wide},
    },
    ops::{
        Activation, Slices,
        batch_norm::cpu::{GradSums, Gradients, moments_of_piece},
    },
};

impl Twin for GroupNorm {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        if S::FAST && self.by_pixel() { by_pixel(self, operands) } else { reference::forward(self, operands) }
    }
}

impl Twin for GroupNormAffine {
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { sums: 3 * reduce::width(self.0.channels) * self.0.pieces(), ..Sizes::default() }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST && !self.0.by_pixel() {
            affine(&self.0, operands, &mut scratch.sums)
        } else {
            reference::affine(self, operands)
        }
    }
}

impl Twin for GroupNormGrad {
    fn scratch<S: Scalar>(&self) -> Sizes {
        let norm = &self.norm;
        let width = reduce::width(norm.channels);
        Sizes {
            lane: 5 * width,
            sums: 2 * width * norm.pieces(),
            shared: if norm.by_pixel() { 0 } else { 2 * norm.sets() },
            ..Sizes::default()
        }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        match (S::FAST, self.norm.by_pixel()) {
            (false, _) => reference::grad(self, operands),
            (true, true) => grad_by_pixel(self, operands, scratch),
            (true, false) => grad_by_image(self, operands, scratch),
        }
    }
}

impl GroupNorm {
    /// Whether a set is a row of all channels.
    fn by_pixel(&self) -> bool {
        self.pixels == 1 && self.groups == 1
    }

    /// The values of an image.
    fn image(&self) -> usize {
        self.pixels * self.channels
    }

    /// The values of a piece of work: several rows, or a part of an image.
    fn piece(&self) -> usize {
        reduce::piece(self.channels).min(if self.by_pixel() { usize::MAX } else { self.image() })
    }

    /// The pieces of an image.
    fn pieces_of_image(&self) -> usize {
        self.image().div_ceil(self.piece())
    }

    fn pieces(&self) -> usize {
        if self.by_pixel() { self.len().div_ceil(self.piece()) } else { self.images * self.pieces_of_image() }
    }

    /// The image of a piece, and its values there.
    fn part<'a, S>(&self, values: &'a [S], piece: usize) -> (usize, &'a [S]) {
        let (image, first) = (piece / self.pieces_of_image(), piece % self.pieces_of_image() * self.piece());
        let values = &values[image * self.image()..][..self.image()];
        (image, &values[first..self.image().min(first + self.piece())])
    }

    /// Vectors of `[fields, width]` for an image: `of` gives those of a channel and its set.
    fn vectors<S: Scalar, const N: usize>(
        &self,
        room: &mut [S],
        image: usize,
        of: impl Fn(usize, usize) -> [S; N],
    ) {
        let width = reduce::width(self.channels);
        for c in 0..self.channels {
            let fields = of(c, image * self.groups + c / self.group());
            fields.into_iter().enumerate().for_each(|(field, value)| room[field * width + c] = value);
        }
        room.chunks_exact_mut(width).for_each(|long| reduce::repeat(long, self.channels));
    }
}

/// `N` slices of equal length.
fn fields<S, const N: usize>(room: &[S]) -> [&[S]; N] {
    let width = room.len() / N;
    std::array::from_fn(|field| &room[field * width..][..width])
}

/// # Numerics
/// As batch norm's: the moments of each channel within a piece by the corrected two-pass algorithm in `S`, then merged in f64
/// over the channels of a group and the pieces of an image.
fn affine<S: Scalar>(op: &GroupNorm, operands: GroupNormAffineOperands<Slices<'_, S>>, sums: &mut [S]) {
    let GroupNormAffineOperands { input, gamma, beta, affine, moments } = operands;
    let (width, pieces) = (reduce::width(op.channels), op.pieces_of_image());
    let sums = &mut sums[..3 * width * op.pieces()];
    sums.par_chunks_mut(3 * width).enumerate().for_each(|(piece, sums)| {
        sums.fill(S::ZERO);
        moments_of_piece(op.part(input, piece).1, op.channels, sums);
    });
    let sums = &*sums;
    moments.par_chunks_mut(2).enumerate().for_each(|(set, moments)| {
        let (image, first) = (set / op.groups, set % op.groups * op.group());
        let (mut count, mut mean, mut m2) = (0.0, 0.0, 0.0);
        for piece in image * pieces..(image + 1) * pieces {
            let rows = (op.part(input, piece).1.len() / op.channels) as f64;
            let [means, sum, squares] = fields(&sums[3 * width * piece..][..3 * width]);
            for c in first..first + op.group() {
                let total = |long: &[S]| long[c..].iter().step_by(op.channels).map(|s| s.f64()).sum::<f64>();
                let (sum, squares) = (total(sum), total(squares));
                let distance = means[c].f64() + sum / rows - mean;
                let all = count + rows;
                mean += distance * rows / all;
                m2 += (squares - sum * sum / rows) + distance * distance * (count * rows / all);
                count = all;
            }
        }
        moments.copy_from_slice(&[S::of(mean), S::of(1.0 / (m2 / count + f64::from(op.eps)).sqrt())]);
    });
    reference::fill_affine(op, [gamma, beta], moments, affine);
}

/// # Numerics
/// The sums of a piece in `S`, the sums over channels and pieces in f64.
fn grad_by_image<S: Scalar>(
    op: &GroupNormGrad,
    operands: GroupNormGradOperands<Slices<'_, S>>,
    Scratch { lanes, sums, shared, .. }: &mut Scratch<S>,
) {
    let GroupNormGradOperands { input, gamma, beta, moments, grad_output, grad_input, .. } = operands;
    let norm = &op.norm;
    let (channels, activation) = (norm.channels, norm.activation);
    let (width, pieces) = (reduce::width(channels), norm.pieces_of_image());
    let scale = |c: usize, set: usize| moments[2 * set + 1] * gamma[c];
    let sums = &mut sums[..2 * width * norm.pieces()];
    sums.par_chunks_mut(2 * width).enumerate().for_each(|(piece, sums)| {
        sums.fill(S::ZERO);
        let (image, input) = norm.part(input, piece);
        let (_, grad_output) = norm.part(grad_output, piece);
        lanes.with(3 * width, |room| {
            norm.vectors(room, image, |c, set| [moments[2 * set], scale(c, set), beta[c]]);
            let (rows, vectors) = ([input, grad_output], fields(room));
            wide(GradSums { activation, rows, vectors, sums: &mut *sums });
        });
        sums.chunks_exact_mut(width).for_each(|sums| reduce::fold(sums, channels));
    });
    let sums = &*sums;
    // The sums of g (input - mean) and of g, over the pieces of an image.
    let total = |image: usize, field: usize, c: usize| {
        let pieces = sums[2 * width * pieces * image..][..2 * width * pieces].chunks_exact(2 * width);
        pieces.map(|sums| sums[field * width + c].f64()).sum::<f64>()
    };
    // `offset` and `slope` of [`crate::ops::BatchNormGradAffine`], by set.
    let shared = &mut shared[..2 * norm.sets()];
    shared.par_chunks_mut(2).enumerate().for_each(|(set, factors)| {
        let first = set % norm.groups * norm.group();
        let weighted = |field: usize| {
            let channels = first..first + norm.group();
            channels.map(|c| gamma[c].f64() * total(set / norm.groups, field, c)).sum::<f64>()
        };
        let inv_std = moments[2 * set + 1].f64();
        let share = inv_std / norm.count() as f64;
        factors
            .copy_from_slice(&[S::of(share * weighted(1)), S::of(share * inv_std * inv_std * weighted(0))]);
    });
    let factors = &*shared;
    grad_input.par_chunks_mut(norm.image()).enumerate().for_each(|(image, grad_input)| {
        grad_input.par_chunks_mut(norm.piece()).enumerate().for_each(|(piece, grad_input)| {
            let (_, input) = norm.part(input, image * pieces + piece);
            let (_, grad_output) = norm.part(grad_output, image * pieces + piece);
            lanes.with(5 * width, |room| {
                norm.vectors(room, image, |c, set| {
                    [moments[2 * set], scale(c, set), beta[c], factors[2 * set], factors[2 * set + 1]]
                });
                let (rows, vectors) = ([input, grad_output], fields(room));
                wide(Gradients { activation, rows, vectors, grad_input });
            });
        });
    });
    let inv_std = |image: usize, c: usize| moments[2 * (image * norm.groups + c / norm.group()) + 1].f64();
    let images = || 0..norm.images;
    let gamma = |c| images().map(|image| inv_std(image, c) * total(image, 0, c)).sum();
    add(op, operands.grad_gamma, gamma);
    add(op, operands.grad_beta, |c| images().map(|image| total(image, 1, c)).sum());
}

/// Stores or adds a sum for each channel.
fn add<S: Scalar>(op: &GroupNormGrad, grads: Option<&mut [S]>, sum: impl Fn(usize) -> f64 + Sync) {
    let Some(grads) = grads else { return };
    grads.par_iter_mut().enumerate().for_each(|(c, grad)| {
        let before = if op.accumulate { grad.f64() } else { 0.0 };
        *grad = S::of(before + sum(c));
    });
}

/// # Numerics
/// In `S`, the variance from the distances to the mean.
fn by_pixel<S: Scalar>(op: &GroupNorm, operands: GroupNormOperands<Slices<'_, S>>) {
    let GroupNormOperands { input, gamma, beta, output, moments } = operands;
    let (piece, rows) = (op.piece(), op.piece() / op.channels);
    let outputs = output.par_chunks_mut(piece).zip(moments.par_chunks_mut(2 * rows));
    outputs.zip(input.par_chunks(piece)).for_each(|((output, moments), input)| {
        wide(Pixels { op, input, vectors: [gamma, beta], output, moments });
    });
}

/// Rows of all channels, each normalised by itself.
struct Pixels<'a, S> {
    op: &'a GroupNorm,
    input: &'a [S],
    /// Gamma and beta.
    vectors: [&'a [S]; 2],
    output: &'a mut [S],
    moments: &'a mut [S],
}

impl<S: Scalar> WithSimd for Pixels<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { op, input, vectors: [gamma, beta], output, moments } = self;
        let (channels, lanes) = (op.channels, S::lanes::<V>());
        let count = S::of(channels as f64);
        let rows = input.chunks_exact(channels).zip(output.chunks_exact_mut(channels));
        for ((input, output), moments) in rows.zip(moments.chunks_exact_mut(2)) {
            let mut sum = Vector::splat(simd, S::ZERO);
            for part in input.chunks(lanes) {
                sum = sum + Vector::load(simd, part);
            }
            let mean = sum.sum() / count;
            let mut squares = Vector::splat(simd, S::ZERO);
            for part in input.chunks(lanes) {
                // After the last channel are zeros, whose distances do not count.
                let whole = part.len() == lanes;
                let centre = if whole { Vector::splat(simd, mean) } else { masked(simd, mean, part.len()) };
                let distance = Vector::load(simd, part) - centre;
                squares = squares + distance * distance;
            }
            let inv_std = S::ONE / (squares.sum() / count + S::of(op.eps.into())).sqrt();
            let centre = Vector::splat(simd, mean);
            let parts = input.chunks(lanes).zip(output.chunks_mut(lanes));
            for ((input, output), (gamma, beta)) in parts.zip(gamma.chunks(lanes).zip(beta.chunks(lanes))) {
                let scale = Vector::load(simd, gamma) * Vector::splat(simd, inv_std);
                let vectors = [centre, scale, Vector::load(simd, beta)];
                input_through(simd, op.activation, Vector::load(simd, input), vectors).store(output);
            }
            moments.copy_from_slice(&[mean, inv_std]);
        }
    }
}

/// A value in the first `len` lanes, and zeros.
#[inline(always)]
fn masked<V: Simd, S: Scalar>(simd: V, value: S, len: usize) -> Vector<V, S> {
    let mut values = [S::ZERO; 64];
    values[..len].fill(value);
    Vector::load(simd, &values[..len])
}

/// # Numerics
/// Each row's sums in `S`; the sums over the rows of a piece in `S`, over the pieces in f64.
fn grad_by_pixel<S: Scalar>(
    op: &GroupNormGrad,
    operands: GroupNormGradOperands<Slices<'_, S>>,
    Scratch { sums, .. }: &mut Scratch<S>,
) {
    let GroupNormGradOperands { input, gamma, beta, moments, grad_output, grad_input, .. } = operands;
    let norm = &op.norm;
    let (piece, rows, channels) = (norm.piece(), norm.piece() / norm.channels, norm.channels);
    let sums = &mut sums[..2 * channels * norm.pieces()];
    let inputs = input.par_chunks(piece).zip(grad_output.par_chunks(piece)).zip(moments.par_chunks(2 * rows));
    let outputs = grad_input.par_chunks_mut(piece).zip(sums.par_chunks_mut(2 * channels));
    outputs.zip(inputs).for_each(|((grad_input, sums), ((input, grad_output), moments))| {
        sums.fill(S::ZERO);
        let (activation, vectors) = (norm.activation, [gamma, beta]);
        wide(GradPixels { activation, rows: [input, grad_output], moments, vectors, grad_input, sums });
    });
    let sums = &*sums;
    let total = |field: usize, c: usize| {
        sums.chunks_exact(2 * channels).map(|sums| sums[field * channels + c].f64()).sum()
    };
    add(op, operands.grad_gamma, |c| total(0, c));
    add(op, operands.grad_beta, |c| total(1, c));
}

/// The backward pass of [`Pixels`], with the sums of `[g x, g]` of each channel.
struct GradPixels<'a, S> {
    activation: Option<Activation>,
    rows: [&'a [S]; 2],
    moments: &'a [S],
    /// Gamma and beta.
    vectors: [&'a [S]; 2],
    grad_input: &'a mut [S],
    sums: &'a mut [S],
}

impl<S: Scalar> WithSimd for GradPixels<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self {
            activation,
            rows: [input, grad_output],
            moments,
            vectors: [gamma, beta],
            grad_input,
            sums,
        } = self;
        let (channels, lanes) = (gamma.len(), S::lanes::<V>());
        let count = S::of(channels as f64);
        let (sums_gamma, sums_beta) = sums.split_at_mut(channels);
        let rows = input.chunks_exact(channels).zip(grad_output.chunks_exact(channels));
        let rows = rows.zip(grad_input.chunks_exact_mut(channels)).zip(moments.chunks_exact(2));
        for (((input, grad_output), grad_input), moments) in rows {
            let [mean, inv_std] = [moments[0], moments[1]].map(|value| Vector::splat(simd, value));
            let mut plain = Vector::splat(simd, S::ZERO);
            let mut weighted = Vector::splat(simd, S::ZERO);
            // First gamma g in place of the gradient, then the gradient.
            for c in (0..channels).step_by(lanes) {
                let part = c..channels.min(c + lanes);
                let gamma = Vector::load(simd, &gamma[part.clone()]);
                let x = (Vector::load(simd, &input[part.clone()]) - mean) * inv_std;
                let y = x * gamma + Vector::load(simd, &beta[part.clone()]);
                let g = activate_grad(simd, activation, y, Vector::load(simd, &grad_output[part.clone()]));
                let [sum_gamma, sum_beta] = [&mut sums_gamma[part.clone()], &mut sums_beta[part.clone()]];
                (Vector::load(simd, sum_gamma) + g * x).store(sum_gamma);
                (Vector::load(simd, sum_beta) + g).store(sum_beta);
                // Gamma is 0 after the last channel.
                plain = plain + gamma * g;
                weighted = weighted + gamma * g * x;
                (gamma * g).store(&mut grad_input[part]);
            }
            let plain = Vector::splat(simd, plain.sum() / count);
            let weighted = Vector::splat(simd, weighted.sum() / count);
            for (input, grad_input) in input.chunks(lanes).zip(grad_input.chunks_mut(lanes)) {
                let x = (Vector::load(simd, input) - mean) * inv_std;
                (inv_std * (Vector::load(simd, grad_input) - (plain + x * weighted))).store(grad_input);
            }
        }
    }
}
