//! The rectifier.

use rayon::prelude::*;

use super::{CHUNK, Scalar, simd::wide};
use crate::ops::{Relu, ReluGrad};

/// `output = max(input, 0)`; not-a-number stays.
pub(super) fn forward<S: Scalar>(_: &Relu, input: &[S], output: &mut [S]) {
    output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(output, input)| {
        wide(|| {
            for (y, &x) in output.iter_mut().zip(input) {
                *y = if x <= S::ZERO { S::ZERO } else { x };
            }
        });
    });
}

/// `grad_input = grad_output` where `input > 0`, `at_zero * grad_output` where `input == 0`, else 0.
pub(super) fn grad_input<S: Scalar>(op: &ReluGrad, input: &[S], grad_output: &[S], grad_input: &mut [S]) {
    let at_zero = S::of(f64::from(op.at_zero));
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
