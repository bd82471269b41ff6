//! 3x3 convolution by definition: the reference for the CPU device and the GPU.

use rayon::prelude::*;

use super::{
    Conv, ConvForward, ConvForwardOperands, ConvGradInput, ConvGradInputOperands, ConvGradWeight,
    ConvGradWeightOperands,
};
use crate::{
    cpu::Scalar,
    ops::{
        BatchNormGradStatisticsOperands, BatchNormStatistics, BatchNormStatisticsOperands, Slices,
        batch_norm::reference::{activated, grad_statistics, passed_back, statistics},
    },
};

/// The pixel that tap `[r, s]` reads for `pixel`, if it is inside the image.
fn neighbour(conv: &Conv, pixel: usize, [r, s]: [usize; 2]) -> Option<usize> {
    let (y, x) = (pixel / conv.w % conv.h + r, pixel % conv.w + s);
    let inside = (1..=conv.h).contains(&y) && (1..=conv.w).contains(&x);
    inside.then(|| pixel + r * conv.w + s - conv.w - 1)
}

fn taps() -> impl Iterator<Item = (usize, [usize; 2])> {
    (0..9).map(|tap| (tap, [tap / 3, tap % 3]))
}

pub(crate) fn forward<S: Scalar>(op: &ConvForward, operands: ConvForwardOperands<Slices<'_, S>>) {
    let ConvForwardOperands { input, affine, weight, bias, output, batch_mean, batch_var } = operands;
    let conv @ Conv { c, k, .. } = &op.conv;
    let through_norm = affine.map(|affine| activated(op.conv.c, op.normalized, input, affine));
    let input = through_norm.as_deref().unwrap_or(input);
    output.par_chunks_mut(*k).enumerate().for_each(|(pixel, output)| {
        output.copy_from_slice(bias);
        for (tap, at) in taps() {
            let Some(neighbour) = neighbour(conv, pixel, at) else { continue };
            let weight = weight[tap * c * k..].chunks_exact(*k);
            for (&x, weight) in input[neighbour * c..][..*c].iter().zip(weight) {
                for (y, &w) in output.iter_mut().zip(weight) {
                    *y += x * w;
                }
            }
        }
    });
    if let (Some(batch_mean), Some(batch_var)) = (batch_mean, batch_var) {
        let op = BatchNormStatistics { rows: conv.pixels(), channels: *k, rows_before: 0 };
        statistics(&op, BatchNormStatisticsOperands { input: &*output, batch_mean, batch_var });
    }
}

pub(crate) fn grad_input<S: Scalar>(op: &ConvGradInput, operands: ConvGradInputOperands<Slices<'_, S>>) {
    let ConvGradInputOperands {
        grad_output,
        output,
        grad_affine,
        weight,
        input,
        affine,
        grad_input,
        grad_gamma,
        grad_beta,
    } = operands;
    let conv @ Conv { c, k, .. } = &op.conv;
    let through_norm =
        output.zip(grad_affine).map(|(y, affine)| passed_back(op.through, y, affine, grad_output));
    let grad_output = through_norm.as_deref().unwrap_or(grad_output);
    // From [R, S, C, K] to [R, S, K, C], so that the innermost loop runs along memory.
    let turned: Vec<S> =
        (0..9 * k * c).map(|at| weight[(at / (c * k) * c + at % c) * k + at / c % k]).collect();
    grad_input.par_chunks_mut(*c).enumerate().for_each(|(pixel, grad_input)| {
        grad_input.fill(S::ZERO);
        for (tap, [r, s]) in taps() {
            // The output that reads this pixel through tap [r, s].
            let Some(neighbour) = neighbour(conv, pixel, [2 - r, 2 - s]) else { continue };
            let weight = turned[tap * c * k..].chunks_exact(*c);
            for (&dy, weight) in grad_output[neighbour * k..][..*k].iter().zip(weight) {
                for (dx, &w) in grad_input.iter_mut().zip(weight) {
                    *dx += dy * w;
                }
            }
        }
    });
    if let (Some(sums), Some(input), Some(affine), Some(grad_gamma), Some(grad_beta)) =
        (op.statistics, input, affine, grad_gamma, grad_beta)
    {
        let grad_output = &*grad_input;
        let operands = BatchNormGradStatisticsOperands { input, affine, grad_output, grad_gamma, grad_beta };
        grad_statistics(&sums.of_rows(conv.pixels(), *c), operands);
    }
}

pub(crate) fn grad_weight<S: Scalar>(op: &ConvGradWeight, operands: ConvGradWeightOperands<Slices<'_, S>>) {
    let ConvGradWeightOperands { input, affine, grad_output, output, grad_affine, grad_weight } = operands;
    let conv @ Conv { c, k, .. } = &op.conv;
    let activated = affine.map(|affine| activated(op.conv.c, op.normalized, input, affine));
    let input = activated.as_deref().unwrap_or(input);
    let through_norm =
        output.zip(grad_affine).map(|(y, affine)| passed_back(op.through, y, affine, grad_output));
    let grad_output = through_norm.as_deref().unwrap_or(grad_output);
    grad_weight.par_chunks_mut(*k).enumerate().for_each(|(at, grad_weight)| {
        let (tap, channel) = (at / c, at % c);
        if !op.accumulate {
            grad_weight.fill(S::ZERO);
        }
        for (pixel, grad_output) in grad_output.chunks_exact(*k).enumerate() {
            let Some(neighbour) = neighbour(conv, pixel, [tap / 3, tap % 3]) else { continue };
            let x = input[neighbour * c + channel];
            for (dw, &dy) in grad_weight.iter_mut().zip(grad_output) {
                *dw += x * dy;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    /// The definitions, written out: `[output, grad_input, grad_weight]`.
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

    #[test]
    fn gathering_and_scattering_give_the_same() {
        for (n, h, w, c, k) in [(1, 1, 1, 1, 1), (2, 3, 5, 3, 7), (3, 2, 1, 5, 4), (1, 4, 4, 2, 1)] {
            let conv = Conv { n, h, w, c, k };
            let (x, weight, bias) = (values(1, n * h * w * c), values(2, 9 * c * k), values(3, k));
            let dy = values(4, n * h * w * k);
            let expected = naive(&conv, &x, &weight, &bias, &dy);
            let [mut y, mut dx, mut dw] = expected.each_ref().map(|e| vec![f64::NAN; e.len()]);
            forward(
                &ConvForward::plain(conv),
                ConvForwardOperands::<Slices<'_, f64>> {
                    input: &x,
                    affine: None,
                    weight: &weight,
                    bias: &bias,
                    output: &mut y,
                    batch_mean: None,
                    batch_var: None,
                },
            );
            grad_input(
                &ConvGradInput::plain(conv),
                ConvGradInputOperands::<Slices<'_, f64>> {
                    grad_output: &dy,
                    output: None,
                    grad_affine: None,
                    weight: &weight,
                    input: None,
                    affine: None,
                    grad_input: &mut dx,
                    grad_gamma: None,
                    grad_beta: None,
                },
            );
            grad_weight(
                &ConvGradWeight::plain(conv),
                ConvGradWeightOperands::<Slices<'_, f64>> {
                    input: &x,
                    affine: None,
                    grad_output: &dy,
                    output: None,
                    grad_affine: None,
                    grad_weight: &mut dw,
                },
            );
            for (which, (actual, expected)) in [y, dx, dw].iter().zip(&expected).enumerate() {
                for (a, e) in actual.iter().zip(expected) {
                    assert!((a - e).abs() <= 1e-13, "{conv:?} result {which}: {a} not {e}");
                }
            }
        }
    }
}
