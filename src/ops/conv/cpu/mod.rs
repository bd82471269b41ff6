//! 3x3 convolution for the CPU device: by Winograd's algorithm where that pays off, by products over strips if there are few
//! channels, or by products over im2col blocks.

mod columns;
mod strips;
mod winograd;

use rayon::prelude::*;

use self::{
    columns::{by_pixels, convolve, grad_weight_by_channels, grad_weight_by_pixels, sizes},
    winograd::{Plan, Weights},
};
use super::{
    Conv, ConvForward, ConvForwardOperands, ConvGradInput, ConvGradInputOperands, ConvGradWeight,
    ConvGradWeightOperands, reference,
};
use crate::{
    cpu::{
        Scalar, Scratch, Sizes, Twin,
        matmul::transpose,
        prologue::{Prologue, Through},
    },
    ops::{
        Activation, BatchNormGradInput, BatchNormGradInputOperands, BatchNormGradStatisticsOperands,
        BatchNormNormalize, BatchNormNormalizeOperands, BatchNormStatistics, BatchNormStatisticsOperands,
        Slices, batch_norm,
    },
};

impl Twin for ConvForward {
    fn scratch<S: Scalar>(&self) -> Sizes {
        let conv = &self.conv;
        let moments = if self.statistics { statistics(conv).scratch::<S>() } else { Sizes::default() };
        let convolution = match Plan::new(conv) {
            Some(plan) => plan.sizes(),
            None if self.normalized.is_some() => sizes(conv).max(activation_sizes(conv, self.by_image)),
            None => sizes(conv),
        };
        moments.max(convolution)
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            forward(self, Plan::new(&self.conv), operands, scratch)
        } else {
            reference::forward(self, operands)
        }
    }
}

impl Twin for ConvGradInput {
    fn scratch<S: Scalar>(&self) -> Sizes {
        let sums = self.statistics.map(|sums| sums.of_rows(self.conv.pixels(), self.conv.c).scratch::<S>());
        sums.unwrap_or_default().max(grad_input_sizes(self, Plan::new(&reversed(&self.conv))))
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            grad_input(self, Plan::new(&reversed(&self.conv)), operands, scratch)
        } else {
            reference::grad_input(self, operands)
        }
    }
}

impl Twin for ConvGradWeight {
    fn scratch<S: Scalar>(&self) -> Sizes {
        grad_weight_sizes(self, Plan::new(&self.conv))
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            grad_weight(self, Plan::new(&self.conv), operands, scratch)
        } else {
            reference::grad_weight(self, operands)
        }
    }
}

fn activation_sizes(conv: &Conv, by_image: bool) -> Sizes {
    let vectors = if by_image { 3 * conv.n } else { 3 };
    Sizes { activated: conv.pixels() * conv.c, ..batch_norm::cpu::factor_sizes(conv.c, vectors) }
}

fn statistics(conv: &Conv) -> BatchNormStatistics {
    BatchNormStatistics { rows: conv.pixels(), channels: conv.k, rows_before: 0 }
}

/// The input after its prologue: batch norm by the vectors of `affine` and the activation, if there are any.
fn activated<'a, S: Scalar>(
    normalize: Option<BatchNormNormalize>,
    input: &'a [S],
    affine: Option<&[S]>,
    room: &'a mut [S],
    factors: &mut [S],
) -> &'a [S] {
    let (Some(affine), Some(op)) = (affine, normalize) else { return input };
    let room = &mut room[..input.len()];
    let operands = BatchNormNormalizeOperands { input, affine, output: &mut *room };
    batch_norm::cpu::normalize(&op, operands, factors);
    room
}

fn through_sizes(conv: &Conv, through: Option<Activation>) -> Sizes {
    match through {
        Some(_) => Sizes { gradient: conv.pixels() * conv.k, ..batch_norm::cpu::factor_sizes(conv.k, 5) },
        None => Sizes::default(),
    }
}

/// The gradient of the output after its prologue: back through the activation and batch norm, if there are any.
fn gradient<'a, S: Scalar>(
    conv: &Conv,
    grad_output: &'a [S],
    through: Option<Through<'a, S>>,
    room: &'a mut [S],
    factors: &mut [S],
) -> &'a [S] {
    let Some(Through { activation, output: input, grad_affine }) = through else { return grad_output };
    let room = &mut room[..grad_output.len()];
    let op = BatchNormGradInput { rows: conv.pixels(), channels: conv.k, activation: Some(activation) };
    let operands = BatchNormGradInputOperands { input, grad_affine, grad_output, grad_input: &mut *room };
    batch_norm::cpu::grad_input(&op, operands, factors);
    room
}

fn grad_input_sizes(op: &ConvGradInput, plan: Option<Plan>) -> Sizes {
    let reversed = reversed(&op.conv);
    if let Some(plan) = plan {
        return plan.sizes();
    }
    let turned = Sizes { weights: 9 * op.conv.c * op.conv.k, ..Sizes::default() };
    turned.max(sizes(&reversed)).max(through_sizes(&op.conv, op.through))
}

fn grad_weight_sizes(op: &ConvGradWeight, plan: Option<Plan>) -> Sizes {
    if let Some(plan) = plan {
        return plan.grad_weight_sizes();
    }
    let activation =
        if op.normalized.is_some() { activation_sizes(&op.conv, op.by_image) } else { Sizes::default() };
    let sizes = columns::grad_weight_sizes(&op.conv);
    sizes.max(activation).max(through_sizes(&op.conv, op.through))
}

fn forward<S: Scalar>(
    op: &ConvForward,
    plan: Option<Plan>,
    operands: ConvForwardOperands<Slices<'_, S>>,
    Scratch { lanes, shared, weights, sums, activated: room, .. }: &mut Scratch<S>,
) {
    let ConvForwardOperands { input, affine, weight, bias, output, batch_mean, batch_var } = operands;
    if let Some(plan) = plan {
        let (input, weight) = (Prologue::input(input, affine, op.normalized), Weights::Plain(weight));
        winograd::convolve(&plan, input, weight, bias, output, lanes, shared);
    } else {
        let input = activated(op.normalize(), input, affine, room, weights);
        convolve(&op.conv, input, weight, Some(bias), output, lanes, shared);
    }
    if let (Some(batch_mean), Some(batch_var)) = (batch_mean, batch_var) {
        let operands = BatchNormStatisticsOperands { input: &*output, batch_mean, batch_var };
        batch_norm::cpu::statistics(&statistics(&op.conv), operands, sums);
    }
}

/// The convolution of the gradient with the weights rotated by 180 degrees and their channels exchanged.
fn grad_input<S: Scalar>(
    op: &ConvGradInput,
    plan: Option<Plan>,
    operands: ConvGradInputOperands<Slices<'_, S>>,
    scratch: &mut Scratch<S>,
) {
    let ConvGradInputOperands { grad_output, output, grad_affine, weight, grad_input, .. } = operands;
    let Scratch { lanes, shared, weights, gradient: room, .. } = &mut *scratch;
    let (Conv { c, k, .. }, reversed) = (op.conv, reversed(&op.conv));
    let through = Through::of(op.through, output, grad_affine);
    if let Some(plan) = plan {
        let prologue = Prologue::gradient(grad_output, through);
        winograd::convolve(&plan, prologue, Weights::Turned(weight), &[], grad_input, lanes, shared);
    } else {
        let grad_output = gradient(&op.conv, grad_output, through, room, weights);
        let turned = &mut weights[..9 * c * k];
        turned.par_chunks_mut(k * c).zip(weight.par_chunks(c * k).rev()).for_each(|(turned, weight)| {
            transpose(weight, c, k, turned);
        });
        convolve(&reversed, grad_output, turned, None, grad_input, lanes, shared);
    }
    let ConvGradInputOperands { input, affine, grad_gamma, grad_beta, .. } = operands;
    if let (Some(sums), Some(input), Some(affine), Some(grad_gamma), Some(grad_beta)) =
        (op.statistics, input, affine, grad_gamma, grad_beta)
    {
        let grad_output = &*grad_input;
        let operands = BatchNormGradStatisticsOperands { input, affine, grad_output, grad_gamma, grad_beta };
        batch_norm::cpu::grad_statistics(&sums.of_rows(op.conv.pixels(), c), operands, scratch);
    }
}

fn reversed(conv: &Conv) -> Conv {
    Conv { c: conv.k, k: conv.c, ..*conv }
}

fn grad_weight<S: Scalar>(
    op: &ConvGradWeight,
    plan: Option<Plan>,
    operands: ConvGradWeightOperands<Slices<'_, S>>,
    Scratch { lanes, shared, weights, activated: room, gradient: gradients, .. }: &mut Scratch<S>,
) {
    let ConvGradWeightOperands { input, affine, grad_output, output, grad_affine, grad_weight } = operands;
    let through = Through::of(op.through, output, grad_affine);
    let prologue = Prologue::gradient(grad_output, through);
    if let Some(plan) = plan {
        let prologues = [Prologue::input(input, affine, op.normalized), prologue];
        return winograd::grad_weight(&plan, prologues, op.accumulate, grad_weight, lanes, shared);
    }
    let input = activated(op.normalize(), input, affine, room, weights);
    if by_pixels(&op.conv) {
        grad_weight_by_pixels(op, input, prologue, grad_weight, lanes, shared);
    } else {
        let grad_output = gradient(&op.conv, grad_output, through, gradients, weights);
        grad_weight_by_channels(op, input, grad_output, grad_weight, lanes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    fn values(index: u32, len: usize) -> Vec<f64> {
        rng::normal(1, index, len, 1.0).into_iter().map(f64::from).collect()
    }

    /// Every algorithm except Winograd's, in f64, against the definitions, with edges in every position.
    #[test]
    fn products_of_columns_and_of_strips_are_convolutions() {
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
            let (x, weight, bias) = (values(1, n * h * w * c), values(2, 9 * c * k), values(3, k));
            let dy = values(4, n * h * w * k);
            // Sums of at most 9 c or 9 k or pixels terms of magnitude about 1, in f64.
            let tolerance = 1e-15 * (9 * c.max(k)).max(n * h * w) as f64 * 10.0;
            let compare = |what: &str, actual: &[f64], expected: &[f64]| {
                for (a, e) in actual.iter().zip(expected) {
                    assert!((a - e).abs() <= tolerance, "{conv:?} {what}: {a} not {e}");
                }
            };
            let op = ConvForward::plain(conv);
            let (gi, gw) = (ConvGradInput::plain(conv), ConvGradWeight::plain(conv));
            let needs = sizes(&conv).max(grad_input_sizes(&gi, None)).max(grad_weight_sizes(&gw, None));
            let mut scratch = Scratch::new(needs, rayon::current_num_threads());
            // NaN in results and scratch memory shows any value that is never written.
            scratch.shared.fill(f64::NAN);

            let [mut actual, mut expected] = [0; 2].map(|_| vec![f64::NAN; dy.len()]);
            let operands = |output| ConvForwardOperands::<Slices<'_, f64>> {
                input: &x,
                affine: None,
                weight: &weight,
                bias: &bias,
                output,
                batch_mean: None,
                batch_var: None,
            };
            forward(&op, None, operands(&mut actual), &mut scratch);
            reference::forward(&op, operands(&mut expected));
            compare("output", &actual, &expected);

            let [mut actual, mut expected] = [0; 2].map(|_| vec![f64::NAN; x.len()]);
            let operands = |grad_input| ConvGradInputOperands::<Slices<'_, f64>> {
                grad_output: &dy,
                output: None,
                grad_affine: None,
                weight: &weight,
                input: None,
                affine: None,
                grad_input,
                grad_gamma: None,
                grad_beta: None,
            };
            grad_input(&gi, None, operands(&mut actual), &mut scratch);
            reference::grad_input(&gi, operands(&mut expected));
            compare("grad_input", &actual, &expected);

            let [mut actual, mut expected] = [0; 2].map(|_| vec![f64::NAN; weight.len()]);
            let more = ConvGradWeight { accumulate: true, ..gw };
            for op in [gw, more] {
                let operands = |grad_weight| ConvGradWeightOperands::<Slices<'_, f64>> {
                    input: &x,
                    affine: None,
                    grad_output: &dy,
                    output: None,
                    grad_affine: None,
                    grad_weight,
                };
                grad_weight(&op, None, operands(&mut actual), &mut scratch);
                reference::grad_weight(&op, operands(&mut expected));
                compare("grad_weight", &actual, &expected);
            }
        }
    }
}
