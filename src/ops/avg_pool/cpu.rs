//! Adaptive average pooling.

use rayon::prelude::*;

use super::{AvgPool, AvgPoolGrad, AvgPoolGradOperands, AvgPoolOperands};
use crate::{
    cpu::{Scalar, Scratch, Twin},
    ops::Slices,
};

impl Twin for AvgPool {
    /// `input[n, h, w, c]` to `output[n, p, q, c]`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let AvgPoolOperands { input, output } = operands;
        let op = self;
        let [p, q] = self.output;
        let images = input.par_chunks(self.h * self.w * self.c);
        output.par_chunks_mut(p * q * self.c).zip(images).for_each(|(output, input)| {
            output.fill(S::ZERO);
            for_each_pair(op, |pixel, window, share: S| {
                let pixel = &input[pixel * self.c..][..self.c];
                for (y, &x) in output[window * self.c..][..self.c].iter_mut().zip(pixel) {
                    *y += share * x;
                }
            });
        });
    }
}

impl Twin for AvgPoolGrad {
    /// `grad_output[n, p, q, c]` to `grad_input[n, h, w, c]`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let AvgPoolGradOperands { grad_output, grad_input } = operands;
        let Self(op) = self;
        let [p, q] = op.output;
        let images = grad_output.par_chunks(p * q * op.c);
        grad_input.par_chunks_mut(op.h * op.w * op.c).zip(images).for_each(|(grad_input, grad_output)| {
            grad_input.fill(S::ZERO);
            for_each_pair(op, |pixel, window, share: S| {
                let window = &grad_output[window * op.c..][..op.c];
                for (dx, &dy) in grad_input[pixel * op.c..][..op.c].iter_mut().zip(window) {
                    *dx += share * dy;
                }
            });
        });
    }
}

/// Calls `f` with every pixel of every window of an image, and the pixel's share in the mean.
fn for_each_pair<S: Scalar>(op: &AvgPool, mut f: impl FnMut(usize, usize, S)) {
    let [p, q] = op.output;
    for y in 0..p {
        let rows = AvgPool::window(y, op.h, p);
        for x in 0..q {
            let columns = AvgPool::window(x, op.w, q);
            let share = S::of(1.0 / (rows.len() * columns.len()) as f64);
            for row in rows.clone() {
                for column in columns.clone() {
                    f(row * op.w + column, y * q + x, share);
                }
            }
        }
    }
}
