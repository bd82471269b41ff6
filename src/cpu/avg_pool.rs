//! Adaptive average pooling.

use rayon::prelude::*;

use super::Scalar;
use crate::ops::AvgPool;

/// `input[n, h, w, c]` to `output[n, p, q, c]`.
pub(super) fn forward<S: Scalar>(op: &AvgPool, input: &[S], output: &mut [S]) {
    let [p, q] = op.output;
    let images = input.par_chunks(op.h * op.w * op.c);
    output.par_chunks_mut(p * q * op.c).zip(images).for_each(|(output, input)| {
        output.fill(S::ZERO);
        for_each_pair(op, |pixel, window, share: S| {
            let pixel = &input[pixel * op.c..][..op.c];
            for (y, &x) in output[window * op.c..][..op.c].iter_mut().zip(pixel) {
                *y += share * x;
            }
        });
    });
}

/// `grad_output[n, p, q, c]` to `grad_input[n, h, w, c]`.
pub(super) fn grad_input<S: Scalar>(op: &AvgPool, grad_output: &[S], grad_input: &mut [S]) {
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
