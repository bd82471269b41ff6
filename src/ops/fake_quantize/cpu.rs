//! Fake quantisation.

use rayon::prelude::*;

use super::{
    ACTIVATION_STEPS, FakeQuantize, FakeQuantizeGrad, FakeQuantizeGradOperands, FakeQuantizeOperands,
    FakeQuantizeWeight, FakeQuantizeWeightOperands, ObserveRange, ObserveRangeOperands, WEIGHT_STEPS,
};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Twin},
    ops::Slices,
};

/// 2^52 + 2^51 in f64, or 2^23 + 2^22 in f32: a sum with it has no digits after the point, and is rounded to even.
fn rounding<S: Scalar>() -> S {
    S::of(if size_of::<S>() == 4 { 12_582_912.0 } else { 6_755_399_441_055_744.0 })
}

/// The nearest whole number, of halves the even one, of a value of at most a few hundred.
#[inline(always)]
fn rne<S: Scalar>(x: S) -> S {
    (x + rounding()) - rounding()
}

fn larger<S: Scalar>(a: S, b: S) -> S {
    if b > a { b } else { a }
}

impl Twin for ObserveRange {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let ObserveRangeOperands { control, input, range } = operands;
        if control.range_momentum == 0.0 {
            return;
        }
        let chunks = input.par_chunks(CHUNK).map(|chunk| chunk.iter().copied().fold(S::ZERO, larger));
        let largest = chunks.reduce(|| S::ZERO, larger);
        let momentum = S::of(control.range_momentum.into());
        range[0] = if range[0] == S::ZERO { largest } else { range[0] + momentum * (largest - range[0]) };
    }
}

/// The steps of an activation by the end of its range, at most one beyond the last.
#[inline(always)]
fn steps<S: Scalar>(x: S, inverse: S) -> S {
    let (steps, beyond) = (x * inverse, S::of(f64::from(ACTIVATION_STEPS) + 1.0));
    let steps = if steps > -S::ONE { steps } else { -S::ONE };
    rne(if steps < beyond { steps } else { beyond })
}

/// The steps per unit, and the size of a step.
fn scales<S: Scalar>(range: S, all: f32) -> [S; 2] {
    let all = S::of(all.into());
    if range > S::ZERO { [all / range, range / all] } else { [S::ZERO; 2] }
}

impl Twin for FakeQuantize {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let FakeQuantizeOperands { range, input, output } = operands;
        let [inverse, scale] = scales(range[0], ACTIVATION_STEPS);
        let last = S::of(ACTIVATION_STEPS.into());
        output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(output, input)| {
            for (y, &x) in output.iter_mut().zip(input) {
                let step = larger(steps(x, inverse), S::ZERO);
                *y = scale * if step > last { last } else { step };
            }
        });
    }
}

impl Twin for FakeQuantizeGrad {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let FakeQuantizeGradOperands { range, input, grad_output, grad_input } = operands;
        let [inverse, _] = scales(range[0], ACTIVATION_STEPS);
        let last = S::of(ACTIVATION_STEPS.into());
        let chunks = input.par_chunks(CHUNK).zip(grad_output.par_chunks(CHUNK));
        grad_input.par_chunks_mut(CHUNK).zip(chunks).for_each(|(grad_input, (input, grad_output))| {
            for ((dx, &x), &dy) in grad_input.iter_mut().zip(input).zip(grad_output) {
                let step = steps(x, inverse);
                *dx = if step >= S::ZERO && step <= last { dy } else { S::ZERO };
            }
        });
    }
}

impl Twin for FakeQuantizeWeight {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let FakeQuantizeWeightOperands { weight, output } = operands;
        let magnitude = |x: S| if x < S::ZERO { -x } else { x };
        if !self.columns {
            let rows = output.par_chunks_mut(self.inputs).zip(weight.par_chunks(self.inputs));
            return rows.for_each(|(output, weight)| {
                let largest = weight.iter().copied().map(magnitude).fold(S::ZERO, larger);
                let [inverse, scale] = scales(largest, WEIGHT_STEPS);
                for (y, &w) in output.iter_mut().zip(weight) {
                    *y = scale * rne(w * inverse);
                }
            });
        }
        let mut largest = vec![S::ZERO; self.outputs];
        for row in weight.chunks_exact(self.outputs) {
            for (largest, &w) in largest.iter_mut().zip(row) {
                *largest = larger(*largest, magnitude(w));
            }
        }
        let scales: Vec<[S; 2]> = largest.into_iter().map(|largest| scales(largest, WEIGHT_STEPS)).collect();
        let rows = output.par_chunks_mut(self.outputs).zip(weight.par_chunks(self.outputs));
        rows.for_each(|(output, weight)| {
            for ((y, &w), [inverse, scale]) in output.iter_mut().zip(weight).zip(&scales) {
                *y = *scale * rne(w * *inverse);
            }
        });
    }
}
