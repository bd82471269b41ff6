//! The rectifier.

use rayon::prelude::*;

use super::{Relu, ReluGrad, ReluGradOperands, ReluOperands};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Twin, simd::wide},
    ops::Slices,
};

impl Twin for Relu {
    /// `output = max(input, 0)`; not-a-number stays.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let ReluOperands { input, output } = operands;
        output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(output, input)| {
            wide(|| {
                for (y, &x) in output.iter_mut().zip(input) {
                    *y = if x <= S::ZERO { S::ZERO } else { x };
                }
            });
        });
    }
}

impl Twin for ReluGrad {
    /// `grad_input = grad_output` where `input > 0`, `at_zero * grad_output` where `input == 0`, else 0.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let ReluGradOperands { input, grad_output, grad_input } = operands;
        let at_zero = S::of(f64::from(self.at_zero));
        let chunks = input.par_chunks(CHUNK).zip(grad_output.par_chunks(CHUNK));
        grad_input.par_chunks_mut(CHUNK).zip(chunks).for_each(|(grad_input, (input, grad_output))| {
            wide(|| {
                for ((dx, &x), &dy) in grad_input.iter_mut().zip(input).zip(grad_output) {
                    let part = at_zero * dy;
                    let not_above = if x == S::ZERO { part } else { S::ZERO };
                    *dx = if x > S::ZERO { dy } else { not_above };
                }
            });
        });
    }
}
