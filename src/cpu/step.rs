//! One step of a program: which loops an operation is, and the memory that they work in.

use super::{
    Scalar, adam,
    adam::Corrections,
    average, avg_pool, batch_norm, bias,
    buffer::{Argument, Buffer},
    cast, clip, conv, cross_entropy, dropout, linear, loss_scale, max_pool, metrics, prepare, relu,
    scratch::{Scratch, Sizes},
    sgd,
};
use crate::{
    ops::{Conv, GradStatistics, Op},
    program::Step,
};

/// The scratch memory of an operation.
pub(super) fn sizes<S: Scalar>(op: &Op) -> Sizes {
    match op {
        Op::Half(half) => sizes::<S>(half.op()),
        Op::ConvForward(op) => conv::forward_sizes::<S>(op),
        Op::ConvGradInput(op) => {
            let sums = op.statistics.map(|statistics| statistics.of_rows(op.conv.pixels(), op.conv.c));
            let sums = sums.as_ref().map_or(Sizes::default(), batch_norm::grad_statistics_sizes);
            conv::grad_input_sizes::<S>(op).max(sums)
        }
        Op::ConvGradWeight(op) => conv::grad_weight_sizes::<S>(op),
        Op::GradBias(op) => bias::sizes(op),
        Op::BatchNormStatistics(op) => batch_norm::statistics_sizes(op),
        Op::BatchNormNormalize(op) => batch_norm::factor_sizes(op.channels, 3),
        Op::BatchNormGradStatistics(op) => batch_norm::grad_statistics_sizes(op),
        Op::BatchNormGradInput(op) => batch_norm::factor_sizes(op.channels, 5),
        Op::Linear(op) => linear::sizes(op),
        Op::LinearGradInput(op) => linear::grad_input_sizes(op),
        Op::LinearUpdate(op) => linear::update_sizes(op),
        Op::MaxPoolGrad(op) => max_pool::grad_sizes(op),
        Op::SquareSum(op) => clip::sizes(op),
        Op::PrepareImages(_)
        | Op::BatchNormRunning(_)
        | Op::BatchNormAffine(_)
        | Op::BatchNormGradAffine(_)
        | Op::Relu(_)
        | Op::ReluGrad(_)
        | Op::MaxPoolForward(_)
        | Op::AvgPool(_)
        | Op::AvgPoolGrad(_)
        | Op::Dropout(_)
        | Op::LinearGradWeight(_)
        | Op::CrossEntropy(_)
        | Op::CrossEntropyGrad(_)
        | Op::Metrics(_)
        | Op::Adam(_)
        | Op::Sgd(_)
        | Op::Average(_)
        | Op::ClipGradient(_)
        | Op::Cast(_)
        | Op::ScaleGradient(_)
        | Op::FiniteCheck(_)
        | Op::LossScaleUpdate(_) => Sizes::default(),
    }
}

/// The arguments of a step, each in a buffer of its own.
fn arguments<'a, S: Scalar, const N: usize>(
    step: &Step,
    slot_of: &[usize],
    buffers: &'a mut [Buffer<S>],
) -> [Argument<'a, S>; N] {
    let view = |index: usize| step.args[index];
    let slots = std::array::from_fn(|index| slot_of[view(index).tensor.0]);
    let mut index = 0;
    buffers.get_disjoint_mut(slots).expect("checked when the executor was made").map(|buffer| {
        let view = view(index);
        index += 1;
        Argument { buffer, offset: view.offset, len: view.len }
    })
}

/// The gradients of gamma and beta beside that of a convolution's input, `[input, affine, grad_input]`.
fn sum_gradients<S: Scalar>(
    conv: &Conv,
    statistics: GradStatistics,
    inputs: [&[S]; 3],
    [grad_gamma, grad_beta]: [&mut [S]; 2],
    scratch: &mut Scratch<S>,
) {
    let op = statistics.of_rows(conv.pixels(), conv.c);
    let Scratch { weights, sums, .. } = scratch;
    batch_norm::grad_statistics(&op, inputs, grad_gamma, grad_beta, weights, sums);
}

pub(super) fn execute<S: Scalar>(
    step: &Step,
    slot_of: &[usize],
    buffers: &mut [Buffer<S>],
    scratch: &mut Scratch<S>,
) {
    /// The arguments by name, each as its type: `f` scalars, `u` words, `b` bytes, `c` the control block.
    macro_rules! bind {
        (@ f $a:ident) => { $a.scalars() };
        (@ u $a:ident) => { $a.words() };
        (@ b $a:ident) => { $a.bytes() };
        (@ c $a:ident) => { $a.control() };
        ($($name:ident: $kind:ident),*) => {
            let [$($name),*] = arguments(step, slot_of, buffers);
            $(let $name = bind!(@ $kind $name);)*
        };
    }
    match step.op.plain() {
        Op::Half(_) => unreachable!("a plain operation"),
        Op::PrepareImages(op) => {
            bind!(images: b, transforms: f, output: f);
            prepare::images(op, images, transforms, output);
        }
        Op::ConvForward(op) => match (op.normalized, op.statistics) {
            (false, false) => {
                bind!(input: f, weight: f, bias: f, output: f);
                conv::forward(op, [input, &mut [], weight, bias], output, None, scratch);
            }
            (true, false) => {
                bind!(input: f, affine: f, weight: f, bias: f, output: f);
                conv::forward(op, [input, affine, weight, bias], output, None, scratch);
            }
            (false, true) => {
                bind!(input: f, weight: f, bias: f, output: f, mean: f, var: f);
                conv::forward(op, [input, &mut [], weight, bias], output, Some([mean, var]), scratch);
            }
            (true, true) => {
                bind!(input: f, affine: f, weight: f, bias: f, output: f, mean: f, var: f);
                conv::forward(op, [input, affine, weight, bias], output, Some([mean, var]), scratch);
            }
        },
        Op::ConvGradInput(op) => match (op.through.is_some(), op.statistics) {
            (false, None) => {
                bind!(grad_output: f, weight: f, grad_input: f);
                conv::grad_input(op, [grad_output, &mut [], &mut []], weight, grad_input, scratch);
            }
            (true, None) => {
                bind!(grad_output: f, output: f, grad_affine: f, weight: f, grad_input: f);
                conv::grad_input(op, [grad_output, output, grad_affine], weight, grad_input, scratch);
            }
            (false, Some(statistics)) => {
                bind!(grad_output: f, weight: f, input: f, affine: f, grad_input: f, grad_gamma: f, grad_beta: f);
                conv::grad_input(op, [grad_output, &mut [], &mut []], weight, grad_input, scratch);
                let (inputs, gradients) = ([&*input, affine, grad_input], [grad_gamma, grad_beta]);
                sum_gradients(&op.conv, statistics, inputs, gradients, scratch);
            }
            (true, Some(statistics)) => {
                bind!(grad_output: f, output: f, grad_affine: f, weight: f, input: f, affine: f, grad_input: f,
                    grad_gamma: f, grad_beta: f);
                conv::grad_input(op, [grad_output, output, grad_affine], weight, grad_input, scratch);
                let (inputs, gradients) = ([&*input, affine, grad_input], [grad_gamma, grad_beta]);
                sum_gradients(&op.conv, statistics, inputs, gradients, scratch);
            }
        },
        Op::ConvGradWeight(op) => match (op.normalized, op.through.is_some()) {
            (false, false) => {
                bind!(input: f, grad_output: f, grad_weight: f);
                let gradient = [grad_output, &mut [], &mut []];
                conv::grad_weight(op, [input, &mut []], gradient, grad_weight, scratch);
            }
            (true, false) => {
                bind!(input: f, affine: f, grad_output: f, grad_weight: f);
                let gradient = [grad_output, &mut [], &mut []];
                conv::grad_weight(op, [input, affine], gradient, grad_weight, scratch);
            }
            (false, true) => {
                bind!(input: f, grad_output: f, output: f, grad_affine: f, grad_weight: f);
                let gradient = [grad_output, output, grad_affine];
                conv::grad_weight(op, [input, &mut []], gradient, grad_weight, scratch);
            }
            (true, true) => {
                bind!(input: f, affine: f, grad_output: f, output: f, grad_affine: f, grad_weight: f);
                let gradient = [grad_output, output, grad_affine];
                conv::grad_weight(op, [input, affine], gradient, grad_weight, scratch);
            }
        },
        Op::GradBias(op) => {
            bind!(grad_output: f, grad_bias: f);
            bias::grad(op, grad_output, grad_bias, &mut scratch.sums);
        }
        Op::BatchNormStatistics(op) => {
            bind!(input: f, mean: f, var: f);
            batch_norm::statistics(op, input, mean, var, &mut scratch.sums);
        }
        Op::BatchNormRunning(op) => {
            bind!(batch_mean: f, batch_var: f, running_mean: f, running_var: f);
            batch_norm::running(op, batch_mean, batch_var, running_mean, running_var);
        }
        Op::BatchNormNormalize(op) => {
            bind!(input: f, affine: f, output: f);
            batch_norm::normalize(op, input, affine, output, &mut scratch.weights);
        }
        Op::BatchNormAffine(op) => {
            bind!(mean: f, variance: f, gamma: f, beta: f, affine: f);
            batch_norm::affine(op, [mean, variance, gamma, beta], affine);
        }
        Op::BatchNormGradStatistics(op) => {
            bind!(input: f, affine: f, grad_output: f, grad_gamma: f, grad_beta: f);
            let inputs: [&[S]; 3] = [input, affine, grad_output];
            let Scratch { weights, sums, .. } = scratch;
            batch_norm::grad_statistics(op, inputs, grad_gamma, grad_beta, weights, sums);
        }
        Op::BatchNormGradAffine(op) if op.bias => {
            bind!(affine: f, grad_gamma: f, grad_beta: f, grad_affine: f, grad_bias: f);
            batch_norm::grad_affine(op, [affine, grad_gamma, grad_beta], grad_affine, grad_bias);
        }
        Op::BatchNormGradAffine(op) => {
            bind!(affine: f, grad_gamma: f, grad_beta: f, grad_affine: f);
            batch_norm::grad_affine(op, [affine, grad_gamma, grad_beta], grad_affine, &mut []);
        }
        Op::BatchNormGradInput(op) => {
            bind!(input: f, grad_affine: f, grad_output: f, grad_input: f);
            batch_norm::grad_input(op, [input, grad_affine, grad_output], grad_input, &mut scratch.weights);
        }
        Op::Relu(op) => {
            bind!(input: f, output: f);
            relu::forward(op, input, output);
        }
        Op::ReluGrad(op) => {
            bind!(input: f, grad_output: f, grad_input: f);
            relu::grad_input(op, input, grad_output, grad_input);
        }
        Op::MaxPoolForward(op) if op.normalized => {
            bind!(input: f, affine: f, output: f);
            max_pool::forward(&op.pool, input, Some(affine), output);
        }
        Op::MaxPoolForward(op) => {
            bind!(input: f, output: f);
            max_pool::forward(&op.pool, input, None, output);
        }
        Op::MaxPoolGrad(op) if op.statistics.is_some() => {
            bind!(input: f, affine: f, grad_output: f, grad_input: f, grad_gamma: f, grad_beta: f);
            let (inputs, gradients): ([&[S]; 3], _) = ([input, affine, grad_output], [grad_gamma, grad_beta]);
            max_pool::grad_input(op, inputs, grad_input, gradients, &mut scratch.sums);
        }
        Op::MaxPoolGrad(op) if op.normalized => {
            bind!(input: f, affine: f, grad_output: f, grad_input: f);
            let (inputs, gradients): ([&[S]; 3], [&mut [S]; 2]) =
                ([input, affine, grad_output], Default::default());
            max_pool::grad_input(op, inputs, grad_input, gradients, &mut scratch.sums);
        }
        Op::MaxPoolGrad(op) => {
            bind!(input: f, grad_output: f, grad_input: f);
            let (inputs, gradients): ([&[S]; 3], [&mut [S]; 2]) =
                ([input, &[], grad_output], Default::default());
            max_pool::grad_input(op, inputs, grad_input, gradients, &mut scratch.sums);
        }
        Op::AvgPool(op) => {
            bind!(input: f, output: f);
            avg_pool::forward(op, input, output);
        }
        Op::AvgPoolGrad(op) => {
            bind!(grad_output: f, grad_input: f);
            avg_pool::grad_input(&op.0, grad_output, grad_input);
        }
        Op::Dropout(op) => {
            bind!(control: c, input: f, output: f);
            dropout::apply(op, &control, input, output);
        }
        Op::Linear(op) => {
            bind!(input: f, weight: f, bias: f, output: f);
            linear::forward(op, [input, weight, bias], output, &mut scratch.shared);
        }
        Op::LinearGradInput(op) => {
            bind!(grad_output: f, weight: f, grad_input: f);
            let Scratch { lanes, shared, .. } = scratch;
            linear::grad_input(op, grad_output, weight, grad_input, shared, lanes);
        }
        Op::LinearGradWeight(op) => {
            bind!(input: f, grad_output: f, grad_weight: f);
            linear::grad_weight(op, input, grad_output, grad_weight);
        }
        Op::LinearUpdate(op) => {
            bind!(input: f, grad_output: f, control: c, parameter: f, m: f, v: f);
            let step = adam::Step::of(&op.adam, &Corrections::of(&control));
            linear::update(op, step, [input, grad_output], [parameter, m, v], &scratch.lanes);
        }
        Op::CrossEntropy(op) => {
            bind!(logits: f, labels: u, loss: f, probs: f);
            cross_entropy::forward(op, logits, labels, loss, probs);
        }
        Op::CrossEntropyGrad(op) => {
            bind!(control: c, probs: f, labels: u, grad_logits: f);
            cross_entropy::grad_input(op, &control, probs, labels, grad_logits);
        }
        Op::Metrics(op) => {
            bind!(control: c, loss: f, probs: f, labels: u, metrics: f);
            metrics::accumulate(op, &control, [loss, probs], labels, metrics);
        }
        Op::Adam(op) if op.scaled => {
            bind!(control: c, loss_scale: f, gradient: f, parameter: f, m: f, v: f);
            if let Some(corrections) = loss_scale::corrections(&control, loss_scale) {
                adam::update(op, &corrections, gradient, parameter, m, v);
            }
        }
        Op::Adam(op) => {
            bind!(control: c, gradient: f, parameter: f, m: f, v: f);
            adam::update(op, &Corrections::of(&control), gradient, parameter, m, v);
        }
        Op::Sgd(op) => match (op.scaled, op.has_velocity()) {
            (false, false) => {
                bind!(control: c, gradient: f, parameter: f);
                sgd::update(op, &Corrections::of(&control), gradient, parameter, &mut []);
            }
            (false, true) => {
                bind!(control: c, gradient: f, parameter: f, velocity: f);
                sgd::update(op, &Corrections::of(&control), gradient, parameter, velocity);
            }
            (true, false) => {
                bind!(control: c, loss_scale: f, gradient: f, parameter: f);
                if let Some(corrections) = loss_scale::corrections(&control, loss_scale) {
                    sgd::update(op, &corrections, gradient, parameter, &mut []);
                }
            }
            (true, true) => {
                bind!(control: c, loss_scale: f, gradient: f, parameter: f, velocity: f);
                if let Some(corrections) = loss_scale::corrections(&control, loss_scale) {
                    sgd::update(op, &corrections, gradient, parameter, velocity);
                }
            }
        },
        Op::Average(op) => {
            bind!(control: c, value: f, average: f);
            average::update(op, &control, value, average);
        }
        Op::SquareSum(op) => {
            bind!(gradient: f, squares: f);
            clip::square_sum(op, gradient, squares, &mut scratch.sums);
        }
        Op::ClipGradient(op) if op.scaled => {
            bind!(loss_scale: f, squares: f, gradient: f);
            clip::apply(op, loss_scale::unscale(loss_scale), squares, gradient);
        }
        Op::ClipGradient(op) => {
            bind!(squares: f, gradient: f);
            clip::apply(op, 1.0, squares, gradient);
        }
        Op::Cast(_) => {
            bind!(input: f, output: f);
            cast::convert(input, output);
        }
        Op::ScaleGradient(_) => {
            bind!(loss_scale: f, gradient: f);
            loss_scale::apply(loss_scale, gradient);
        }
        Op::FiniteCheck(_) => {
            bind!(gradient: f, overflow: u);
            loss_scale::check(gradient, overflow);
        }
        Op::LossScaleUpdate(op) => {
            bind!(overflow: u, loss_scale: f);
            loss_scale::update(op, overflow, loss_scale);
        }
    }
}
