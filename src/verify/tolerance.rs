//! How far a kernel's results may be from the reference, derived from the arithmetic of each operation.

use super::compare::Tolerance;
use crate::{
    dtype::DType,
    ops::{
        ConvForward, ConvGradInput, ConvGradWeight, LinearGradInput, LinearGradWeight, LinearUpdate,
        MaxPoolGrad, Op, Operand,
    },
};

/// f16 rounds by half a unit in the last of its 11 digits.
const HALF_EPSILON: f64 = 1.0 / 2048.0;
/// A device may take numbers below the smallest normal f16 for 0.
const HALF_TINY: f64 = 1.0 / 16_384.0;

/// What f32 may do to each result, and f16 where it is stored.
pub(super) fn tolerance(op: &Op, operand: &Operand) -> Tolerance {
    let computed = f32_tolerance(op.plain(), operand);
    if op.storage() != DType::F16 && operand.dtype != DType::F16 {
        return computed;
    }
    if let Some(statistics) = statistics_tolerance(op.plain(), operand) {
        return Tolerance {
            absolute: computed.absolute + statistics.absolute,
            relative: computed.relative + statistics.relative,
        };
    }
    let read = read_tolerance(op.plain());
    let written = if operand.dtype == DType::F16 { HALF_EPSILON } else { 0.0 };
    Tolerance {
        absolute: (computed.absolute + read) * (1.0 + written) + HALF_TINY,
        relative: computed.relative + written,
    }
}

/// What a product's operands lose where they are rounded to f16 behind what they are read through: each term by up to two
/// roundings of its own size. Random signs leave the root of the number of terms; the factor 8 is for the tails, and the
/// largest term stands apart.
fn read_tolerance(op: &Op) -> f64 {
    let sum = |terms: usize, magnitude: f64, largest: f64| {
        2.0 * HALF_EPSILON * (8.0 * (terms as f64).sqrt() * magnitude + largest)
    };
    match op {
        Op::ConvForward(op) if op.normalized => sum(9 * op.conv.c, 4.0, 4.0 * 150.0),
        Op::ConvGradInput(ConvGradInput { conv, through: Some(_), .. }) => {
            sum(9 * conv.k, 12.0, 12.0 * 150.0)
        }
        Op::ConvGradWeight(ConvGradWeight { conv, normalized, through, .. })
            if *normalized || through.is_some() =>
        {
            let steep = if *normalized { 4.0 } else { 1.0 } * if through.is_some() { 12.0 } else { 1.0 };
            sum(conv.pixels(), steep, steep * 200.0)
        }
        _ => 0.0,
    }
}

/// The largest result of a convolution but the one that has both outliers: an outlier's term and five times the root of the
/// number of terms.
fn largest_result(op: &ConvForward) -> f64 {
    let steep = if op.normalized { 4.0 } else { 1.0 };
    steep * (150.0 + 5.0 * (9.0 * op.conv.c as f64).sqrt())
}

/// The size of a term of the sums of a gradient, the largest among them spread over all: results, distances of some 1.5 from the
/// mean and inverse deviations of up to 4; and the outliers, of which the results have one and the distances another, of 50.
fn grad_sum_term(op: &ConvGradInput) -> f64 {
    let steep = if op.through.is_some() { 12.0 } else { 1.0 };
    let typical = steep * (9.0 * op.conv.k as f64).sqrt();
    4.0 * (1.5 * typical + (50.0 * typical + 1.5 * steep * 150.0) / op.conv.pixels() as f64)
}

/// A kernel may take the statistics of a convolution's results before or after they are rounded to f16; the variance
/// sees an error twice, times the distance from the mean. A result that is larger than the others by far rules both.
fn statistics_tolerance(op: &Op, operand: &Operand) -> Option<Tolerance> {
    if let Op::ConvGradInput(op) = op {
        // Each term is off by its rounding; random signs leave the root of their number.
        let roundings = 8.0 * (op.conv.pixels() as f64).sqrt() * HALF_EPSILON;
        let summed = operand.name == "grad_gamma" || operand.name == "grad_beta";
        return summed.then(|| Tolerance::absolute(roundings * grad_sum_term(op)));
    }
    let Op::ConvForward(op) = op else { return None };
    let (largest, relative) = (largest_result(op), HALF_EPSILON);
    match operand.name {
        "batch_mean" => Some(Tolerance { absolute: relative * largest, relative }),
        "batch_var" => {
            Some(Tolerance { absolute: 2.0 * relative * largest * largest, relative: 2.0 * relative })
        }
        _ => None,
    }
}

/// What f32 may do to each result. Sums: [`Tolerance::sum`] of their length and the magnitude of a term; the rest:
/// a few roundings of the largest value on the way.
fn f32_tolerance(op: &Op, operand: &Operand) -> Tolerance {
    let eps = f64::from(f32::EPSILON);
    let relative = |roundings: f64, magnitude: f64| Tolerance {
        absolute: roundings * eps * magnitude,
        relative: roundings * eps,
    };
    match op {
        _ if ![DType::F32, DType::F16].contains(&operand.dtype) => Tolerance::EXACT,
        // Inputs and the vectors of `affine` have few digits, so that batch norm is exact.
        Op::Relu(_) | Op::MaxPoolForward(_) => Tolerance::EXACT,
        // One product with a power of two, or the sum of at most four gradients.
        Op::ReluGrad(_) | Op::Dropout(_) => relative(1.0, 0.0),
        // Terms are a gradient, a distance of some 3 from the mean and an inverse deviation; the outliers are 50, 12 and 4.
        Op::MaxPoolGrad(MaxPoolGrad { pool, .. }) if operand.name != "grad_input" => {
            let [p, q] = pool.output_size();
            let windows = pool.n * p * q;
            Tolerance::sum(eps, windows, 3.0 + 2400.0 / windows as f64)
        }
        Op::MaxPoolGrad(_) => relative(4.0, 4.0),
        // A sum of normal values with an outlier of 50, divided by the number of terms.
        Op::AvgPool(_) => relative(8.0, 50.0),
        // At most one share of each of up to nine windows, the outlier in one; more where the output is the larger.
        Op::AvgPoolGrad(op) => {
            let [p, q] = op.0.output;
            relative(16.0, 50.0 + (p * q / (op.0.h * op.0.w)) as f64)
        }
        // Positions of up to 61 pixels carry an error of 4 eps each, times a slope of up to 1 / 0.22 a pixel.
        Op::PrepareImages(_) => relative(8.0, 61.0 / 0.22),
        // Terms are products of normal values; the outlier of 50 stands in one of them.
        // Through batch norm they are 4 times as large. The statistics are held against those of the kernel's own results:
        // a few roundings of their size, and of its square.
        Op::ConvForward(op) => {
            let (c, steep) = (op.conv.c, if op.normalized { 4.0 } else { 1.0 });
            let largest = largest_result(op);
            match operand.name {
                "output" => Tolerance::sum(eps, 9 * c, steep * (1.0 + 150.0 / (9 * c) as f64)),
                "batch_mean" => relative(4.0, largest),
                _ => relative(4.0, largest * largest),
            }
        }
        // Through batch norm and ReLU a gradient is a sum of three terms of up to 4 times the size, and its outliers are
        // 200: that of the gradient and that of the output.
        Op::ConvGradInput(op) if operand.name != "grad_input" => {
            Tolerance::sum(eps, op.conv.pixels(), grad_sum_term(op))
        }
        Op::ConvGradInput(ConvGradInput { conv, through, .. }) => {
            let steep = if through.is_some() { 12.0 } else { 1.0 };
            Tolerance::sum(eps, 9 * conv.k, steep * (1.0 + 150.0 / (9 * conv.k) as f64))
        }
        Op::ConvGradWeight(ConvGradWeight { conv, normalized, through, .. }) => {
            let steep = if *normalized { 4.0 } else { 1.0 } * if through.is_some() { 12.0 } else { 1.0 };
            Tolerance::sum(eps, conv.pixels(), steep * (1.0 + 200.0 / conv.pixels() as f64))
        }
        Op::Linear(l) => Tolerance::sum(eps, l.inputs, 1.0 + 2500.0 / l.inputs as f64),
        Op::LinearGradInput(LinearGradInput(l)) => {
            Tolerance::sum(eps, l.outputs, 1.0 + 2500.0 / l.outputs as f64)
        }
        Op::LinearGradWeight(LinearGradWeight(l)) => Tolerance::sum(eps, l.n, 1.0 + 2500.0 / l.n as f64),
        // The gradient, of up to some 2500, as above. Of its error the first moment has a tenth, the second 0.001 times twice
        // the gradient; the parameter's step is 0.0019 times the first over a root of at least 2.6, and where the gradient
        // rules the root, its relative error is that of the gradient, of a step of at most 0.0005.
        Op::LinearUpdate(LinearUpdate { linear: l, .. }) => {
            let gradient = Tolerance::sum(eps, l.n, 1.0 + 2500.0 / l.n as f64);
            let error = gradient.absolute + gradient.relative * 3000.0;
            let step = relative(8.0, 1.0);
            let share = match operand.name {
                "m" => 0.1,
                "v" => 0.001 * 2.0 * 3000.0,
                _ => 0.001,
            };
            Tolerance { absolute: step.absolute + share * error, ..step }
        }
        Op::GradBias(bias) => Tolerance::sum(eps, bias.rows, 1.0 + 50.0 / bias.rows as f64),
        // Means near 1000 and an outlier of 500: each value is exact, each merged mean rounded a few times; the
        // variance sees the mean's error times the deviation.
        Op::BatchNormStatistics(_) if operand.name == "batch_mean" => relative(16.0, 10.0),
        Op::BatchNormStatistics(_) => relative(64.0, 1000.0),
        Op::BatchNormRunning(_) | Op::BatchNormAffine(_) => relative(4.0, 1.0),
        // x - mean is exact to eps * 1000, the scale at most 3 / sqrt(0.05), the outlier 500 times that.
        Op::BatchNormNormalize(_) => relative(8.0, 14.0 * 50.0),
        Op::BatchNormGradStatistics(norm) => {
            Tolerance::sum(eps, norm.rows, 10.0 + 100_000.0 / norm.rows as f64)
        }
        // One product more than in `affine`, and the scale up to 4.
        Op::BatchNormGradAffine(_) => relative(8.0, 4.0),
        // The distance from the mean is exact; scale, slope and shift are at most 4, the outlier 500.
        Op::BatchNormGradInput(_) => relative(4.0, 4.0 * 500.0 + 4.0 * 50.0),
        // exp of a difference of up to 600 has a relative error of 600 eps where it is not 0.
        Op::CrossEntropy(_) => Tolerance { absolute: 600.0 * eps * 4.0, relative: 64.0 * eps },
        Op::CrossEntropyGrad(_) => relative(4.0, 1.0),
        Op::Metrics(metrics) => Tolerance::sum(eps, metrics.n, 2.0),
        // The parameter moves by learning_rate / sqrt(correction2) at most some tens of times.
        Op::Adam(_) => relative(8.0, 1.0),
        // Sums of at most four terms, the largest the outlier of 50.
        Op::Sgd(_) => relative(8.0, 50.0),
        // Both weights are quotients, of which WGSL allows an error of 2.5 units in the last place each; then two products
        // and their sum.
        Op::Average(_) => relative(8.0, 50.0),
        // All terms are positive.
        Op::SquareSum(_) => relative(32.0, 0.0),
        // A root, a quotient and a product.
        Op::ClipGradient(_) => relative(6.0, 0.0),
        // Nothing is rounded here to anything but f16.
        Op::Cast(_) | Op::ScaleGradient(_) => Tolerance::EXACT,
        Op::LossScaleUpdate(_) => relative(2.0, 0.0),
        Op::FiniteCheck(_) | Op::Half(_) => unreachable!("it writes integers; it is no plain operation"),
    }
}
