//! Batch normalisation by definition: the reference for the CPU device and the GPU.

use rayon::prelude::*;

use super::{
    BatchNormAffineOperands, BatchNormGradAffineOperands, BatchNormGradInputOperands,
    BatchNormGradStatisticsOperands, BatchNormNormalizeOperands, BatchNormRunningOperands,
    BatchNormStatisticsOperands,
};
use crate::{
    cpu::Scalar,
    ops::{
        Activation, BatchNormAffine, BatchNormGradAffine, BatchNormGradInput, BatchNormGradStatistics,
        BatchNormNormalize, BatchNormRunning, BatchNormStatistics, Slices,
    },
};

/// The slope of the activation at `y`; 1 without one.
fn slope<S: Scalar>(activation: Option<Activation>, y: S) -> S {
    activation.map_or(S::ONE, |activation| S::of(activation.slope(y.f64())))
}

/// `y` through the activation, if there is one.
fn activate<S: Scalar>(activation: Option<Activation>, y: S) -> S {
    activation.map_or(y, |activation| S::of(activation.value(y.f64())))
}

/// A field of the vectors `[fields, channels]`, at a channel.
fn field<S: Scalar>(vectors: &[S], channels: usize, field: usize, channel: usize) -> S {
    vectors[field * channels + channel]
}

/// `(x - mean) * scale + shift`, and `x - mean`.
fn normalized<S: Scalar>(affine: &[S], channels: usize, channel: usize, x: S) -> [S; 2] {
    let [mean, scale, shift] = [0, 1, 2].map(|at| field(affine, channels, at, channel));
    [(x - mean) * scale + shift, x - mean]
}

/// A tensor `[rows, channels]` through batch norm and an activation, by the vectors of `affine`: `[4, channels]`, or
/// `[images, 4, channels]`.
pub(crate) fn activated<S: Scalar>(
    channels: usize,
    activation: Option<Activation>,
    input: &[S],
    affine: &[S],
) -> Vec<S> {
    let image = input.len() / (affine.len() / (4 * channels));
    let value = |(at, &x): (usize, &S)| {
        let affine = &affine[at / image * 4 * channels..];
        let [y, _] = normalized(affine, channels, at % channels, x);
        activate(activation, y)
    };
    input.par_iter().enumerate().map(value).collect()
}

/// The gradient `[rows, channels]` of the normalisation's input, by the vectors of `grad_affine`.
pub(crate) fn passed_back<S: Scalar>(
    activation: Option<Activation>,
    input: &[S],
    grad_affine: &[S],
    grad_output: &[S],
) -> Vec<S> {
    let channels = grad_affine.len() / 5;
    let value = |(at, (&x, &dy)): (usize, (&S, &S))| {
        let c = at % channels;
        let [y, distance] = normalized(grad_affine, channels, c, x);
        let [scale, offset, steepness] = [1, 3, 4].map(|at| field(grad_affine, channels, at, c));
        scale * slope(activation, y) * dy - (offset + steepness * distance)
    };
    input.par_iter().zip(grad_output).enumerate().map(value).collect()
}

/// # Numerics
/// In f64: the mean, then the squared distances from it; earlier slices of the batch are merged by Chan's formula.
pub(crate) fn statistics<S: Scalar>(
    op: &BatchNormStatistics,
    operands: BatchNormStatisticsOperands<Slices<'_, S>>,
) {
    let BatchNormStatisticsOperands { input, batch_mean, batch_var } = operands;
    let (rows, before) = (op.rows as f64, op.rows_before as f64);
    for c in 0..op.channels {
        let column = || input[c..].iter().step_by(op.channels).map(|x| x.f64());
        let mean = column().sum::<f64>() / rows;
        let squares: f64 = column().map(|x| (x - mean) * (x - mean)).sum();
        let (mean_before, squares_before) = match op.rows_before {
            0 => (0.0, 0.0),
            _ => (batch_mean[c].f64(), batch_var[c].f64() * before),
        };
        let (all, distance) = (before + rows, mean - mean_before);
        batch_mean[c] = S::of(mean_before + distance * rows / all);
        batch_var[c] = S::of((squares_before + squares + distance * distance * before * rows / all) / all);
    }
}

pub(crate) fn running<S: Scalar>(op: &BatchNormRunning, operands: BatchNormRunningOperands<Slices<'_, S>>) {
    let BatchNormRunningOperands { batch_mean, batch_var, running_mean, running_var } = operands;
    let momentum = f64::from(op.momentum);
    let update = |running: &mut [S], batch: &[S], factor: f64| {
        for (running, &batch) in running.iter_mut().zip(batch) {
            *running = S::of((1.0 - momentum) * running.f64() + momentum * factor * batch.f64());
        }
    };
    update(running_mean, batch_mean, 1.0);
    update(running_var, batch_var, op.variance_factor());
}

pub(crate) fn affine<S: Scalar>(op: &BatchNormAffine, operands: BatchNormAffineOperands<Slices<'_, S>>) {
    let BatchNormAffineOperands { mean, variance, gamma, beta, affine } = operands;
    let channels = op.channels;
    for c in 0..channels {
        let inv_std = 1.0 / (variance[c].f64() + f64::from(op.eps)).sqrt();
        affine[c] = mean[c];
        affine[channels + c] = S::of(gamma[c].f64() * inv_std);
        affine[2 * channels + c] = beta[c];
        affine[3 * channels + c] = S::of(inv_std);
    }
}

pub(crate) fn normalize<S: Scalar>(
    op: &BatchNormNormalize,
    operands: BatchNormNormalizeOperands<Slices<'_, S>>,
) {
    let BatchNormNormalizeOperands { input, affine, output } = operands;
    output.copy_from_slice(&activated(op.channels, op.activation, input, affine));
}

pub(crate) fn grad_statistics<S: Scalar>(
    op: &BatchNormGradStatistics,
    operands: BatchNormGradStatisticsOperands<Slices<'_, S>>,
) {
    let BatchNormGradStatisticsOperands { input, affine, grad_output, grad_gamma, grad_beta } = operands;
    if !op.accumulate {
        grad_gamma.fill(S::ZERO);
        grad_beta.fill(S::ZERO);
    }
    for (at, (&x, &dy)) in input.iter().zip(grad_output).enumerate() {
        let c = at % op.channels;
        let [y, distance] = normalized(affine, op.channels, c, x);
        let g = slope(op.activation, y) * dy;
        grad_gamma[c] += g * distance * field(affine, op.channels, 3, c);
        grad_beta[c] += g;
    }
}

pub(crate) fn grad_affine<S: Scalar>(
    op: &BatchNormGradAffine,
    operands: BatchNormGradAffineOperands<Slices<'_, S>>,
) {
    let BatchNormGradAffineOperands { affine, grad_gamma, grad_beta, grad_affine, grad_bias } = operands;
    let channels = op.channels;
    let rows = op.total_rows as f64;
    grad_affine[..3 * channels].copy_from_slice(&affine[..3 * channels]);
    for c in 0..channels {
        let [scale, inv_std] = [1, 3].map(|at| field(affine, channels, at, c).f64());
        grad_affine[3 * channels + c] = S::of(scale * grad_beta[c].f64() / rows);
        grad_affine[4 * channels + c] = S::of(scale * inv_std * grad_gamma[c].f64() / rows);
    }
    if let Some(grad_bias) = grad_bias {
        grad_bias.fill(S::ZERO);
    }
}

pub(crate) fn grad_input<S: Scalar>(
    op: &BatchNormGradInput,
    operands: BatchNormGradInputOperands<Slices<'_, S>>,
) {
    let BatchNormGradInputOperands { input, grad_affine, grad_output, grad_input } = operands;
    grad_input.copy_from_slice(&passed_back(op.activation, input, grad_affine, grad_output));
}
