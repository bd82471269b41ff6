//! The CPU executor's backward pass against central differences of its forward pass, in f64.
//!
//! Each operation is checked between two others, so that neither its input nor its gradient is special; then the whole
//! network is checked, whole and in slices.

mod network;
mod normalized;

use normalized::{BatchNorm, NormalizedConvolution, NormalizedPool, OwnNorm};
use vgg_wgpu::{
    ops::{
        Activate, ActivateGrad, Activation, AvgPool, AvgPoolGrad, Control, Conv, ConvForward, ConvGradInput,
        ConvGradWeight, CrossEntropy, CrossEntropyGrad, Dropout, GradBias, Linear, LinearGradInput,
        LinearGradWeight, MaxPool, MaxPoolForward, MaxPoolGrad, Op,
    },
    rng,
    shape::Shape,
};

use crate::support::{Tolerance, compare, largest, on_narrower_instruction_sets, run_op};

/// Half the distance of a central difference. Third derivatives cause an error of about its square, 1e-10, and the rounding
/// of the two values one of about 1e-15 / 1e-5, as much.
const STEP: f64 = 1e-5;
const TOLERANCE: Tolerance = Tolerance { absolute: 1e-8, relative: 1e-7 };
const CONTROL: Control = Control {
    step: 3,
    seed_low: 11,
    seed_high: 13,
    valid: 3,
    learning_rate: 0.0,
    bias_correction1: 1.0,
    bias_correction2: 1.0,
    range_momentum: 0.0,
    batch: 3,
    share: 1.0,
    first: 1,
    reserved: [0; 5],
};

fn normal(index: u32, len: usize) -> Vec<f64> {
    rng::normal(21, index, len, 1.0).into_iter().map(f64::from).collect()
}

fn run<const R: usize>(op: impl Into<Op>, given: &[(&str, &[f64])], results: [&str; R]) -> [Vec<f64>; R] {
    let mut out = run_op::<f64>(op, CONTROL, given);
    results.map(|name| out.remove(name).unwrap())
}

/// The derivative of `value` by each of `at`.
fn central_differences(at: &[f64], value: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut at = at.to_vec();
    (0..at.len())
        .map(|index| {
            let middle = at[index];
            at[index] = middle + STEP;
            let after = value(&at);
            at[index] = middle - STEP;
            let before = value(&at);
            at[index] = middle;
            (after - before) / (2.0 * STEP)
        })
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// An operation between two convolutions.
trait Middle {
    /// Output extents for the input extents `[n, h, w, c]`.
    fn output(&self, input: [usize; 4]) -> [usize; 4] {
        input
    }
    /// Names and values of its parameters.
    fn parameters(&self, _input: [usize; 4]) -> Vec<(&'static str, Vec<f64>)> {
        Vec::new()
    }
    fn forward(&self, shape: [usize; 4], input: &[f64], parameters: &[Vec<f64>]) -> Vec<f64>;
    /// The gradients of the input and of the parameters.
    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        parameters: &[Vec<f64>],
        grad_output: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>);
}

/// Checks `convolution, middle, convolution, weighted sum` for every input and parameter.
fn check_between(name: &str, middle: &dyn Middle, [n, h, w, c]: [usize; 4]) {
    let first = Conv { n, h, w, c: 2, k: c };
    let inside = [n, h, w, c];
    let [_, p, q, k] = middle.output(inside);
    let last = Conv { n, h: p, w: q, c: k, k: 3 };
    let x = normal(1, n * h * w * 2);
    let (w1, b1) = (normal(2, 9 * 2 * c), normal(3, c));
    let (w2, b2) = (normal(4, 9 * k * 3), normal(5, 3));
    let weights = normal(6, last.pixels() * 3);
    let (names, parameters): (Vec<_>, Vec<_>) = middle.parameters(inside).into_iter().unzip();

    let conv = |op: Conv, x: &[f64], w: &[f64], b: &[f64]| {
        let given = [("input", x), ("weight", w), ("bias", b)];
        let [y] = run(ConvForward::plain(op), &given, ["output"]);
        y
    };
    let value = |x: &[f64], parameters: &[Vec<f64>]| {
        let a = middle.forward(inside, &conv(first, x, &w1, &b1), parameters);
        dot(&conv(last, &a, &w2, &b2), &weights)
    };

    let a = conv(first, &x, &w1, &b1);
    let [grad] =
        run(ConvGradInput::plain(last), &[("grad_output", &weights), ("weight", &w2)], ["grad_input"]);
    let (grad, of_parameters) = middle.backward(inside, &a, &parameters, &grad);
    let [of_x] = run(ConvGradInput::plain(first), &[("grad_output", &grad), ("weight", &w1)], ["grad_input"]);

    // Values reach 100 or so, and so does their rounding error reach 100 times that of 1.
    let scaled = |expected: &[f64]| Tolerance {
        absolute: TOLERANCE.absolute * (1.0 + largest(expected)),
        ..TOLERANCE
    };
    let expected = central_differences(&x, |x| value(x, &parameters));
    compare(&format!("{name}: input"), &[n, h, w, 2].into(), &of_x, &expected, scaled(&expected));
    for (index, gradient) in of_parameters.iter().enumerate() {
        let expected = central_differences(&parameters[index], |changed| {
            let mut parameters = parameters.clone();
            parameters[index] = changed.to_vec();
            value(&x, &parameters)
        });
        let shape: Shape = [expected.len()].into();
        compare(&format!("{name}: {}", names[index]), &shape, gradient, &expected, scaled(&expected));
    }
}

fn len([n, h, w, c]: [usize; 4]) -> usize {
    n * h * w * c
}

struct Convolution(usize);

impl Convolution {
    fn op(&self, [n, h, w, c]: [usize; 4]) -> Conv {
        Conv { n, h, w, c, k: self.0 }
    }
}

impl Middle for Convolution {
    fn output(&self, [n, h, w, _]: [usize; 4]) -> [usize; 4] {
        [n, h, w, self.0]
    }

    fn parameters(&self, [.., c]: [usize; 4]) -> Vec<(&'static str, Vec<f64>)> {
        vec![("weight", normal(7, 9 * c * self.0)), ("bias", normal(8, self.0))]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
        let given: [(&str, &[f64]); 3] = [("input", input), ("weight", &p[0]), ("bias", &p[1])];
        let [y] = run(ConvForward::plain(self.op(shape)), &given, ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        p: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let conv = self.op(shape);
        let grad_output = ("grad_output", grad);
        let [dx] = run(ConvGradInput::plain(conv), &[grad_output, ("weight", &p[0])], ["grad_input"]);
        let op = ConvGradWeight::plain(conv);
        let [dw] = run(op, &[("input", input), grad_output], ["grad_weight"]);
        let op = GradBias { rows: conv.pixels(), channels: conv.k, accumulate: false };
        let [db] = run(op, &[grad_output], ["grad_bias"]);
        (dx, vec![dw, db])
    }
}

struct Pointwise(Activation);

impl Middle for Pointwise {
    fn forward(&self, shape: [usize; 4], input: &[f64], _: &[Vec<f64>]) -> Vec<f64> {
        let op = Activate { len: len(shape), activation: self.0 };
        let [y] = run(op, &[("input", input)], ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        _: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let op = ActivateGrad { len: len(shape), activation: self.0 };
        let [dx] = run(op, &[("input", input), ("grad_output", grad)], ["grad_input"]);
        (dx, Vec::new())
    }
}

struct Pool {
    kernel: usize,
    stride: [usize; 2],
}

impl Pool {
    fn op(&self, [n, h, w, c]: [usize; 4]) -> MaxPool {
        MaxPool { n, h, w, c, kernel: self.kernel, stride: self.stride }
    }
}

impl Middle for Pool {
    fn output(&self, shape: [usize; 4]) -> [usize; 4] {
        let [p, q] = self.op(shape).output_size();
        [shape[0], p, q, shape[3]]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], _: &[Vec<f64>]) -> Vec<f64> {
        let op = MaxPoolForward { pool: self.op(shape), normalized: None, by_image: false };
        let [y] = run(op, &[("input", input)], ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        _: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let op = MaxPoolGrad { pool: self.op(shape), normalized: None, by_image: false, statistics: None };
        let [dx] = run(op, &[("input", input), ("grad_output", grad)], ["grad_input"]);
        (dx, Vec::new())
    }
}

/// Adaptive average pooling to these sizes.
struct AverageTo([usize; 2]);

impl AverageTo {
    fn op(&self, [n, h, w, c]: [usize; 4]) -> AvgPool {
        AvgPool { n, h, w, c, output: self.0 }
    }
}

impl Middle for AverageTo {
    fn output(&self, [n, _, _, c]: [usize; 4]) -> [usize; 4] {
        [n, self.0[0], self.0[1], c]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], _: &[Vec<f64>]) -> Vec<f64> {
        let [y] = run(self.op(shape), &[("input", input)], ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        _: &[f64],
        _: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let [dx] = run(AvgPoolGrad(self.op(shape)), &[("grad_output", grad)], ["grad_input"]);
        (dx, Vec::new())
    }
}

struct Drop(f32);

impl Middle for Drop {
    fn forward(&self, shape: [usize; 4], input: &[f64], _: &[Vec<f64>]) -> Vec<f64> {
        let op = Dropout { len: len(shape), offset: 8, rate: self.0, layer: 1 };
        let [y] = run(op, &[("input", input)], ["output"]);
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        _: &[f64],
        p: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        (self.forward(shape, grad, p), Vec::new())
    }
}

/// A linear layer from each image to one pixel, in slices of its outputs.
struct FullyConnected {
    /// The bounds of the slices.
    slices: &'static [[usize; 2]],
    total: usize,
}

impl FullyConnected {
    fn slices(&self, [n, h, w, c]: [usize; 4]) -> impl Iterator<Item = (Linear, std::ops::Range<usize>)> {
        let (inputs, total) = (h * w * c, self.total);
        self.slices.iter().map(move |&[first, end]| {
            let op = Linear { n, inputs, outputs: end - first, first, total };
            (op, first * inputs..end * inputs)
        })
    }
}

impl Middle for FullyConnected {
    fn output(&self, [n, ..]: [usize; 4]) -> [usize; 4] {
        [n, 1, 1, self.total]
    }

    fn parameters(&self, [_, h, w, c]: [usize; 4]) -> Vec<(&'static str, Vec<f64>)> {
        vec![("weight", normal(7, h * w * c * self.total)), ("bias", normal(8, self.total))]
    }

    fn forward(&self, shape: [usize; 4], input: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
        let mut y = vec![f64::NAN; shape[0] * self.total];
        for (op, weights) in self.slices(shape) {
            let bias = &p[1][op.first..op.first + op.outputs];
            let given: [(&str, &[f64]); 4] =
                [("input", input), ("weight", &p[0][weights]), ("bias", bias), ("output", &y)];
            [y] = run(op, &given, ["output"]);
        }
        y
    }

    fn backward(
        &self,
        shape: [usize; 4],
        input: &[f64],
        p: &[Vec<f64>],
        grad: &[f64],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut dx = vec![f64::NAN; input.len()];
        let mut dw = Vec::new();
        let grad_output = ("grad_output", grad);
        for (op, weights) in self.slices(shape) {
            let given: [(&str, &[f64]); 3] = [grad_output, ("weight", &p[0][weights]), ("grad_input", &dx)];
            [dx] = run(LinearGradInput(op), &given, ["grad_input"]);
            let [part] = run(LinearGradWeight(op), &[("input", input), grad_output], ["grad_weight"]);
            dw.extend(part);
        }
        let op = GradBias { rows: shape[0], channels: self.total, accumulate: false };
        let [db] = run(op, &[grad_output], ["grad_bias"]);
        (dx, vec![dw, db])
    }
}

#[test]
fn narrower_instruction_sets_do_as_well() {
    on_narrower_instruction_sets("gradcheck::");
}

#[test]
fn convolution() {
    check_between("conv", &Convolution(4), [2, 3, 5, 3]);
    check_between("conv on one pixel", &Convolution(3), [1, 1, 1, 2]);
}

#[test]
fn batch_norm() {
    check_between("batch norm", &BatchNorm(None), [2, 3, 4, 3]);
    for activation in Activation::EACH {
        let check = |what: &str, layer: &dyn Middle, shape| {
            check_between(&format!("batch norm and {activation:?}{what}"), layer, shape);
        };
        check("", &BatchNorm(Some(activation)), [2, 3, 4, 3]);
        check(" before a convolution", &NormalizedConvolution { channels: 4, activation }, [2, 3, 4, 3]);
        let pool = Pool { kernel: 2, stride: [2, 1] };
        check(" before pooling", &NormalizedPool { channels: 5, activation, pool }, [2, 4, 3, 2]);
        let pool = Pool { kernel: 2, stride: [2, 2] };
        let pool = NormalizedPool { channels: 5, activation, pool };
        check(" before pooling whose windows do not overlap", &pool, [2, 4, 5, 2]);
    }
}

/// Groups of channels, one group, each channel by itself, and the channels of each pixel.
#[test]
fn group_norm() {
    for activation in [None].into_iter().chain(Activation::EACH.map(Some)) {
        for (groups, by_pixel) in [(2, false), (1, false), (4, false), (1, true)] {
            let name = format!("group norm, {groups} groups, by pixel: {by_pixel}, {activation:?}");
            check_between(&name, &OwnNorm { groups, by_pixel, activation }, [2, 3, 4, 4]);
        }
    }
}

#[test]
fn activations() {
    for activation in Activation::EACH {
        check_between(&format!("{activation:?}"), &Pointwise(activation), [2, 3, 4, 3]);
    }
}

/// Overlapping windows, odd sizes whose last row is in no window, windows that do not touch.
#[test]
fn max_pool() {
    for (name, kernel, stride, shape) in [
        ("pool", 2, [2, 2], [2, 4, 6, 3]),
        ("odd pool", 2, [2, 2], [1, 7, 5, 2]),
        ("overlapping pool", 2, [1, 1], [2, 3, 3, 3]),
        ("mixed pool", 2, [1, 2], [2, 3, 4, 2]),
        ("wide pool", 3, [2, 1], [1, 5, 5, 2]),
        ("sparse pool", 2, [3, 3], [1, 5, 8, 2]),
    ] {
        check_between(name, &Pool { kernel, stride }, shape);
    }
}

#[test]
fn avg_pool() {
    check_between("average pool", &AverageTo([2, 3]), [2, 4, 6, 3]);
    check_between("overlapping average pool", &AverageTo([3, 2]), [1, 5, 5, 2]);
    check_between("repeating average pool", &AverageTo([3, 4]), [2, 1, 2, 2]);
}

#[test]
fn dropout() {
    check_between("dropout", &Drop(0.4), [3, 3, 4, 3]);
}

#[test]
fn linear() {
    check_between("linear", &FullyConnected { slices: &[[0, 6]], total: 6 }, [3, 2, 3, 2]);
    check_between(
        "sliced linear",
        &FullyConnected { slices: &[[0, 4], [4, 5], [5, 7]], total: 7 },
        [2, 2, 3, 2],
    );
}

#[test]
fn cross_entropy() {
    // Three valid rows of four; the mean is over those three.
    let (n, classes) = (4, 5);
    let logits = normal(1, n * classes);
    let labels = [4.0, 0.0, 2.0, 1.0];
    // The share of an image's own label is the last of its ten numbers.
    let mixes: Vec<f64> =
        [1.0, 0.0, 0.3, 0.875].iter().flat_map(|&own| [[0.0; 9].as_slice(), &[own]].concat()).collect();
    let cases =
        [(0.0, false, 1.0), (0.1, false, 0.125), (0.75, false, 3.0), (0.0, true, 1.0), (0.1, true, 0.3)];
    for (label_smoothing, mixed, logit_scale) in cases {
        let targets: [(&str, &[f64]); 2] = [("labels", &labels), ("mixes", &mixes)];
        let targets = &targets[..1 + usize::from(mixed)];
        let forward = CrossEntropy { n, classes, label_smoothing, mixed, logit_scale };
        let value = |logits: &[f64]| {
            let [loss] = run(forward, &[&[("logits", logits)], targets].concat(), ["loss"]);
            loss[..3].iter().sum::<f64>() / 3.0
        };
        let [probs] = run(forward, &[&[("logits", logits.as_slice())], targets].concat(), ["probs"]);
        let op = CrossEntropyGrad { n, classes, label_smoothing, mixed, logit_scale };
        let [gradient] = run(op, &[&[("probs", probs.as_slice())], targets].concat(), ["grad_logits"]);
        let expected = central_differences(&logits, value);
        compare("cross-entropy", &[n, classes].into(), &gradient, &expected, TOLERANCE);
    }
}
