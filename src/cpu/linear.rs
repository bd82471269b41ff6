//! Fully connected layers.

use rayon::prelude::*;

use super::{
    Scalar,
    matmul::{Matrix, Store, matmul},
    scratch::Sizes,
};
use crate::ops::{Linear, LinearGradInput, LinearGradWeight};

/// Output features of a task.
const OUTPUTS: usize = 128;
/// Input features of a task.
const INPUTS: usize = 512;

pub(super) fn sizes(op: &Linear) -> Sizes {
    Sizes { shared: op.n * op.outputs, ..Sizes::default() }
}

pub(super) fn grad_input_sizes(op: &LinearGradInput) -> Sizes {
    Sizes { shared: op.0.n * op.0.inputs, ..Sizes::default() }
}

/// `input[n, inputs]`, `weight[outputs, inputs]`, `bias[outputs]` to the slice's columns of `output[n, total]`.
///
/// Computed as `[outputs, n]`, so that the rows of the weights are read as they lie, and turned on the way out.
pub(super) fn forward<S: Scalar>(
    op: &Linear,
    [input, weight, bias]: [&[S]; 3],
    output: &mut [S],
    shared: &mut [S],
) {
    let Linear { n, inputs, outputs, first, total } = *op;
    let input = Matrix::rows(input, n, inputs, inputs).transposed();
    let turned = &mut shared[..outputs * n];
    turned.par_chunks_mut(OUTPUTS * n).zip(weight.par_chunks(OUTPUTS * inputs)).for_each(
        |(turned, weight)| {
            let weight = Matrix::rows(weight, turned.len() / n, inputs, inputs);
            matmul(turned, Store::Replace, weight, input);
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

/// `grad_output[n, total]`, `weight[outputs, inputs]` to `grad_input[n, inputs]`, or `+=`.
pub(super) fn grad_input<S: Scalar>(
    op: &LinearGradInput,
    grad_output: &[S],
    weight: &[S],
    grad_input: &mut [S],
    shared: &mut [S],
) {
    let Linear { n, inputs, outputs, first, total } = op.0;
    let grad_output = Matrix::rows(&grad_output[first..], n, outputs, total);
    let tiles = &mut shared[..n * inputs];
    tiles.par_chunks_mut(n * INPUTS).enumerate().for_each(|(tile, output)| {
        let weight = Matrix::rows(&weight[tile * INPUTS..], outputs, output.len() / n, inputs);
        matmul(output, Store::Replace, grad_output, weight);
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
pub(super) fn grad_weight<S: Scalar>(
    op: &LinearGradWeight,
    input: &[S],
    grad_output: &[S],
    grad_weight: &mut [S],
) {
    let Linear { n, inputs, first, total, .. } = op.0;
    let input = Matrix::rows(input, n, inputs, inputs);
    grad_weight.par_chunks_mut(OUTPUTS * inputs).enumerate().for_each(|(tile, grad_weight)| {
        let from = first + tile * OUTPUTS;
        let features = grad_weight.len() / inputs;
        let grad_output = Matrix::rows(&grad_output[from..], n, features, total).transposed();
        matmul(grad_weight, Store::Replace, grad_output, input);
    });
}
