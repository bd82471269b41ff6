//! Fully connected layers for the CPU device.

use rayon::prelude::*;

use super::{
    Linear, LinearGradInput, LinearGradInputOperands, LinearGradWeight, LinearGradWeightOperands,
    LinearOperands, LinearUpdate, LinearUpdateOperands, reference,
};
use crate::{
    cpu::{
        Lanes, Scalar, Scratch, Sizes, Twin,
        corrections::Corrections,
        matmul::{Matrix, Store, matmul},
        simd::{Simd, Vector, WithSimd, wide},
    },
    ops::{Slices, adam::cpu::Step},
};

/// Output features of a task.
const OUTPUTS: usize = 128;
/// Input features of a task.
const INPUTS: usize = 512;
/// Output features of a block of weights that is copied together: reading them in place would touch another memory page for
/// each feature.
const ROWS: usize = 128;
/// Output features and images in a register block.
const FEATURES: usize = 3;
const IMAGES: usize = 4;
/// Input features of a block: for a few images they stay in a core's L1 cache.
const BLOCK: usize = 1024;

impl Twin for Linear {
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { shared: self.n * self.outputs, ..Sizes::default() }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            forward(self, operands, &mut scratch.shared)
        } else {
            reference::forward(self, operands)
        }
    }
}

impl Twin for LinearGradInput {
    fn scratch<S: Scalar>(&self) -> Sizes {
        let Linear { n, inputs, outputs, .. } = self.0;
        Sizes { shared: n * inputs, lane: INPUTS.min(inputs) * ROWS.min(outputs), ..Sizes::default() }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST { grad_input(self, operands, scratch) } else { reference::grad_input(self, operands) }
    }
}

impl Twin for LinearGradWeight {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        if S::FAST { grad_weight(self, operands) } else { reference::grad_weight(self, operands) }
    }
}

impl Twin for LinearUpdate {
    fn scratch<S: Scalar>(&self) -> Sizes {
        let Linear { inputs, outputs, .. } = self.linear;
        Sizes { lane: OUTPUTS.min(outputs) * BLOCK.min(inputs), ..Sizes::default() }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        let corrections = Corrections::of::<S>(operands.control, None);
        let step = Step::of(&self.adam, &corrections.expect("a loss without a scale"));
        if S::FAST {
            update(self, step, operands, &scratch.lanes);
        } else {
            reference::update(self, operands, |gradient, [parameter, m, v]| {
                step.take(gradient, parameter, m, v)
            });
        }
    }
}

/// `input[n, inputs]`, `weight[outputs, inputs]`, `bias[outputs]` to the slice's columns of `output[n, total]`.
///
/// Computed as `[outputs, n]` and transposed when stored.
fn forward<S: Scalar>(op: &Linear, operands: LinearOperands<Slices<'_, S>>, shared: &mut [S]) {
    let LinearOperands { input, weight, bias, output } = operands;
    let Linear { n, inputs, outputs, first, total } = *op;
    let turned = &mut shared[..outputs * n];
    turned.par_chunks_mut(OUTPUTS * n).zip(weight.par_chunks(OUTPUTS * inputs)).for_each(
        |(turned, weight)| {
            wide(Dots { weight, input, inputs, n, sums: turned });
        },
    );
    let turned = &*turned;
    output.par_chunks_mut(total).enumerate().for_each(|(image, output)| {
        let column = turned.iter().skip(image).step_by(n);
        for ((y, &sum), &bias) in output[first..].iter_mut().zip(column).zip(bias) {
            *y = sum + bias;
        }
    });
}

/// `weight[., inputs]`, `input[n, inputs]` to `sums[., n]`: products of rows with rows, both read in place. The `gemm` crate
/// packs the weights first, which takes longer than the products of a small batch.
///
/// # Numerics
/// The products of [`BLOCK`] input features are accumulated in one register, whose lanes are then summed; the sums of
/// the blocks are added in order.
struct Dots<'a, S> {
    weight: &'a [S],
    input: &'a [S],
    inputs: usize,
    n: usize,
    sums: &'a mut [S],
}

impl<S: Scalar> WithSimd for Dots<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { weight, input, inputs, n, sums } = self;
        let features = sums.len() / n;
        sums.fill(S::ZERO);
        for first in (0..inputs).step_by(BLOCK) {
            let len = BLOCK.min(inputs - first);
            for image in (0..n).step_by(IMAGES) {
                for feature in (0..features).step_by(FEATURES) {
                    // Past the end, repeat the last row and discard its sums.
                    let mut rows = [&weight[..0]; FEATURES];
                    for (i, row) in rows.iter_mut().enumerate() {
                        *row = &weight[(feature + i).min(features - 1) * inputs + first..][..len];
                    }
                    let mut images = [&input[..0]; IMAGES];
                    for (i, row) in images.iter_mut().enumerate() {
                        *row = &input[(image + i).min(n - 1) * inputs + first..][..len];
                    }
                    let dots = dots(simd, rows, images);
                    for (i, dots) in dots.iter().enumerate().take(features - feature) {
                        let sums = &mut sums[(feature + i) * n + image..][..IMAGES.min(n - image)];
                        for (sum, &dot) in sums.iter_mut().zip(dots) {
                            *sum += dot;
                        }
                    }
                }
            }
        }
    }
}

/// The dot products of each row of `a` with each row of `b`, all of one length.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "no closures, not even an iterator's: see `wide`")]
fn dots<V: Simd, S: Scalar>(simd: V, a: [&[S]; FEATURES], b: [&[S]; IMAGES]) -> [[S; IMAGES]; FEATURES] {
    let mut sums = [[Vector::splat(simd, S::ZERO); IMAGES]; FEATURES];
    for at in (0..a[0].len()).step_by(S::lanes::<V>()) {
        let mut right = [Vector::splat(simd, S::ZERO); IMAGES];
        for image in 0..IMAGES {
            right[image] = Vector::load(simd, &b[image][at..]);
        }
        for feature in 0..FEATURES {
            let left = Vector::load(simd, &a[feature][at..]);
            for image in 0..IMAGES {
                sums[feature][image] = left.mul_add(right[image], sums[feature][image]);
            }
        }
    }
    let mut dots = [[S::ZERO; IMAGES]; FEATURES];
    for feature in 0..FEATURES {
        for image in 0..IMAGES {
            dots[feature][image] = sums[feature][image].sum();
        }
    }
    dots
}

/// `grad_output[n, total]`, `weight[outputs, inputs]` to `grad_input[n, inputs]`, or `+=`.
fn grad_input<S: Scalar>(
    op: &LinearGradInput,
    operands: LinearGradInputOperands<Slices<'_, S>>,
    Scratch { lanes, shared, .. }: &mut Scratch<S>,
) {
    let LinearGradInputOperands { grad_output, weight, grad_input } = operands;
    let Linear { n, inputs, outputs, first, total } = op.0;
    let tiles = &mut shared[..n * inputs];
    tiles.par_chunks_mut(n * INPUTS).enumerate().for_each(|(tile, output)| {
        let width = output.len() / n;
        lanes.with(width * ROWS.min(outputs), |block| {
            for from in (0..outputs).step_by(ROWS) {
                let rows = ROWS.min(outputs - from);
                let block = &mut block[..rows * width];
                for (row, to) in block.chunks_exact_mut(width).enumerate() {
                    to.copy_from_slice(&weight[(from + row) * inputs + tile * INPUTS..][..width]);
                }
                let store = if from > 0 { Store::Add } else { Store::Replace };
                let grad_output = Matrix::rows(&grad_output[first + from..], n, rows, total);
                matmul(output, store, grad_output, Matrix::rows(block, rows, width, width));
            }
        });
    });
    let tiles = &*tiles;
    grad_input.par_chunks_mut(inputs).enumerate().for_each(|(image, grad_input)| {
        for (tile, part) in grad_input.chunks_mut(INPUTS).enumerate() {
            let width = part.len();
            let sums = &tiles[tile * INPUTS * n + image * width..][..width];
            for (dx, &sum) in part.iter_mut().zip(sums) {
                *dx = if op.accumulate() { *dx + sum } else { sum };
            }
        }
    });
}

/// `input[n, inputs]`, `grad_output[n, total]` to `grad_weight[outputs, inputs]`.
fn grad_weight<S: Scalar>(op: &LinearGradWeight, operands: LinearGradWeightOperands<Slices<'_, S>>) {
    let LinearGradWeightOperands { input, grad_output, grad_weight } = operands;
    let Linear { n, inputs, first, total, .. } = op.0;
    let input = Matrix::rows(input, n, inputs, inputs);
    grad_weight.par_chunks_mut(OUTPUTS * inputs).enumerate().for_each(|(tile, grad_weight)| {
        let from = first + tile * OUTPUTS;
        let features = grad_weight.len() / inputs;
        let grad_output = Matrix::rows(&grad_output[from..], n, features, total).transposed();
        matmul(grad_weight, Store::Replace, grad_output, input);
    });
}

/// `input[n, inputs]`, `grad_output[n, total]` and a step on `parameter`, `m` and `v`, all `[outputs, inputs]`: block by
/// block, while the gradient is in a core's cache.
fn update<S: Scalar>(
    op: &LinearUpdate,
    step: Step<S>,
    operands: LinearUpdateOperands<Slices<'_, S>>,
    lanes: &Lanes<S>,
) {
    let LinearUpdateOperands { input, grad_output, control: _, parameter, m, v } = operands;
    let Linear { n, inputs, first, total, .. } = op.linear;
    let tile = OUTPUTS * inputs;
    let tiles = parameter.par_chunks_mut(tile).zip(m.par_chunks_mut(tile)).zip(v.par_chunks_mut(tile));
    tiles.enumerate().for_each(|(tile, ((parameter, m), v))| {
        let features = parameter.len() / inputs;
        let grad_output =
            Matrix::rows(&grad_output[first + tile * OUTPUTS..], n, features, total).transposed();
        for begin in (0..inputs).step_by(BLOCK) {
            let width = BLOCK.min(inputs - begin);
            lanes.with(features * width, |gradient| {
                matmul(
                    gradient,
                    Store::Replace,
                    grad_output,
                    Matrix::rows(&input[begin..], n, width, inputs),
                );
                for (row, gradient) in gradient.chunks_exact(width).enumerate() {
                    let at = row * inputs + begin..row * inputs + begin + width;
                    step.take(gradient, &mut parameter[at.clone()], &mut m[at.clone()], &mut v[at]);
                }
            });
        }
    });
}
