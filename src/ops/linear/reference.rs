//! Fully connected layers by definition: the reference for the CPU device and the GPU.

use rayon::prelude::*;

use super::{
    Linear, LinearGradInput, LinearGradInputOperands, LinearGradWeight, LinearGradWeightOperands,
    LinearOperands, LinearUpdate, LinearUpdateOperands,
};
use crate::{cpu::Scalar, ops::Slices};

fn sum<S: Scalar>(terms: impl Iterator<Item = S>) -> S {
    terms.fold(S::ZERO, |sum, term| sum + term)
}

pub(super) fn forward<S: Scalar>(op: &Linear, operands: LinearOperands<Slices<'_, S>>) {
    let LinearOperands { input, weight, bias, output } = operands;
    output.par_chunks_mut(op.total).zip(input.par_chunks(op.inputs)).for_each(|(output, input)| {
        for (o, weight) in weight.chunks_exact(op.inputs).enumerate() {
            output[op.first + o] = bias[o] + sum(input.iter().zip(weight).map(|(&x, &w)| x * w));
        }
    });
}

pub(super) fn grad_input<S: Scalar>(op: &LinearGradInput, operands: LinearGradInputOperands<Slices<'_, S>>) {
    let LinearGradInputOperands { grad_output, weight, grad_input } = operands;
    let Linear { inputs, first, total, .. } = op.0;
    let rows = grad_input.par_chunks_mut(inputs).zip(grad_output.par_chunks(total));
    rows.for_each(|(grad_input, grad_output)| {
        if !op.accumulate() {
            grad_input.fill(S::ZERO);
        }
        for (&dy, weight) in grad_output[first..].iter().zip(weight.chunks_exact(inputs)) {
            for (dx, &w) in grad_input.iter_mut().zip(weight) {
                *dx += dy * w;
            }
        }
    });
}

pub(super) fn grad_weight<S: Scalar>(
    op: &LinearGradWeight,
    operands: LinearGradWeightOperands<Slices<'_, S>>,
) {
    let LinearGradWeightOperands { input, grad_output, grad_weight } = operands;
    let Linear { inputs, first, total, .. } = op.0;
    grad_weight.par_chunks_mut(inputs).enumerate().for_each(|(o, grad_weight)| {
        grad_weight.fill(S::ZERO);
        for (input, grad_output) in input.chunks_exact(inputs).zip(grad_output.chunks_exact(total)) {
            for (dw, &x) in grad_weight.iter_mut().zip(input) {
                *dw += grad_output[first + o] * x;
            }
        }
    });
}

/// The gradient, then an optimiser's step on `[parameter, m, v]` with it.
pub(super) fn update<S: Scalar>(
    op: &LinearUpdate,
    operands: LinearUpdateOperands<Slices<'_, S>>,
    step: impl FnOnce(&[S], [&mut [S]; 3]),
) {
    let LinearUpdateOperands { input, grad_output, control: _, parameter, m, v } = operands;
    let mut gradient = vec![S::ZERO; parameter.len()];
    let operands = LinearGradWeightOperands { input, grad_output, grad_weight: &mut gradient[..] };
    grad_weight(&LinearGradWeight(op.linear), operands);
    step(&gradient, [parameter, m, v]);
}
