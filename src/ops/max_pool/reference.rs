//! Max-pooling by definition: the reference for the CPU device and the GPU.

use super::{MaxPool, MaxPoolForward, MaxPoolForwardOperands, MaxPoolGrad, MaxPoolGradOperands};
use crate::{
    cpu::Scalar,
    ops::{
        Activation, BatchNormGradStatisticsOperands, Slices,
        batch_norm::reference::{activated, grad_statistics},
    },
};

/// The input `[n, h, w, c]` as pooling reads it.
fn read<S: Scalar>(
    channels: usize,
    normalized: Option<Activation>,
    input: &[S],
    affine: Option<&[S]>,
) -> Vec<S> {
    affine.map_or_else(|| input.to_vec(), |affine| activated(channels, normalized, input, affine))
}

/// Calls `f` with the index of each output and the index of the input that its window chose.
fn for_each_window<S: Scalar>(pool: &MaxPool, input: &[S], mut f: impl FnMut(usize, usize)) {
    let MaxPool { n, h, w, c, kernel, stride } = *pool;
    let [p, q] = pool.output_size();
    for output in 0..n * p * q * c {
        let (image, y, x, channel) = (output / (p * q * c), output / (q * c) % p, output / c % q, output % c);
        let at = |tap: usize| {
            let (row, column) = (y * stride[0] + tap / kernel, x * stride[1] + tap % kernel);
            ((image * h + row) * w + column) * c + channel
        };
        // The first maximum wins, and NaN is larger than everything.
        let better = |a: S, b: S| a > b || a.is_nan();
        let taps = 1..kernel * kernel;
        let chosen =
            taps.fold(at(0), |best, tap| if better(input[at(tap)], input[best]) { at(tap) } else { best });
        f(output, chosen);
    }
}

pub(super) fn forward<S: Scalar>(op: &MaxPoolForward, operands: MaxPoolForwardOperands<Slices<'_, S>>) {
    let MaxPoolForwardOperands { input, affine, output } = operands;
    let input = read(op.pool.c, op.normalized, input, affine);
    for_each_window(&op.pool, &input, |to, from| output[to] = input[from]);
}

pub(super) fn grad_input<S: Scalar>(op: &MaxPoolGrad, operands: MaxPoolGradOperands<Slices<'_, S>>) {
    let MaxPoolGradOperands { input, affine, grad_output, grad_input, grad_gamma, grad_beta } = operands;
    grad_input.fill(S::ZERO);
    for_each_window(&op.pool, &read(op.pool.c, op.normalized, input, affine), |to, from| {
        grad_input[from] += grad_output[to]
    });
    if let (Some(statistics), Some(affine), Some(grad_gamma), Some(grad_beta)) =
        (op.statistics, affine, grad_gamma, grad_beta)
    {
        let rows = op.pool.n * op.pool.h * op.pool.w;
        let sums = statistics.of_rows(rows, op.pool.c);
        let operands = BatchNormGradStatisticsOperands {
            input,
            affine,
            grad_output: &*grad_input,
            grad_gamma,
            grad_beta,
        };
        grad_statistics(&sums, operands);
    }
}
