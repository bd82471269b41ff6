//! Max-pooling with argmax.

use rayon::prelude::*;

use super::{
    Scalar,
    simd::{Simd, WithSimd, wide},
};
use crate::ops::{MaxPool, MaxPoolGrad};

/// `input[n, h, w, c]` to `output[n, p, q, c]` and `argmax[n, p, q, c]`.
///
/// As PyTorch does: the first maximum in row-major order wins, and not-a-number beats everything.
pub(super) fn forward<S: Scalar>(op: &MaxPool, input: &[S], output: &mut [S], argmax: &mut [u32]) {
    let [p, q] = op.output_size();
    let (image, row) = (op.h * op.w * op.c, q * op.c);
    let rows = output.par_chunks_mut(row).zip(argmax.par_chunks_mut(row));
    rows.enumerate().for_each(|(index, (output, argmax))| {
        let (n, y) = (index / p, index % p);
        wide(Row { op, input: &input[n * image..][..image], y, output, argmax });
    });
}

/// One row of an image of the output.
struct Row<'a, S> {
    op: &'a MaxPool,
    input: &'a [S],
    y: usize,
    output: &'a mut [S],
    argmax: &'a mut [u32],
}

impl<S: Scalar> WithSimd for Row<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { op, input, y, output, argmax } = self;
        let pixels = output.chunks_exact_mut(op.c).zip(argmax.chunks_exact_mut(op.c));
        for (x, (output, argmax)) in pixels.enumerate() {
            let first = y * op.stride[0] * op.w + x * op.stride[1];
            output.copy_from_slice(&input[first * op.c..][..op.c]);
            argmax.fill(first as u32);
            for tap in 1..op.kernel * op.kernel {
                let at = first + tap / op.kernel * op.w + tap % op.kernel;
                take_larger(&input[at * op.c..][..op.c], at as u32, output, argmax);
            }
        }
    }
}

/// Where a value beats the best so far, it and its position take their place.
#[inline(always)]
fn take_larger<S: Scalar>(values: &[S], at: u32, best: &mut [S], position: &mut [u32]) {
    for ((best, position), &value) in best.iter_mut().zip(position).zip(values) {
        // With `||` instead of `|` the compiler finds no vectors.
        let wins = (value > *best) | value.is_nan();
        *best = if wins { value } else { *best };
        *position = if wins { at } else { *position };
    }
}

/// `grad_input[n, h, w, c]`: for each pixel the sum of `grad_output[n, p, q, c]` over the windows that chose it.
pub(super) fn grad_input<S: Scalar>(
    op: &MaxPoolGrad,
    argmax: &[u32],
    grad_output: &[S],
    grad_input: &mut [S],
) {
    let op = &op.0;
    let [p, q] = op.output_size();
    let (image, row) = (p * q * op.c, op.w * op.c);
    grad_input.par_chunks_mut(row).enumerate().for_each(|(index, grad_input)| {
        let (n, h) = (index / op.h, index % op.h);
        let (argmax, grad_output) = (&argmax[n * image..][..image], &grad_output[n * image..][..image]);
        wide(|| {
            for (w, grad_input) in grad_input.chunks_exact_mut(op.c).enumerate() {
                let pixel = (h * op.w + w) as u32;
                grad_input.fill(S::ZERO);
                for y in windows(h, op.kernel, op.stride[0], p) {
                    for x in windows(w, op.kernel, op.stride[1], q) {
                        let at = (y * q + x) * op.c;
                        let chosen = argmax[at..][..op.c].iter().zip(&grad_output[at..][..op.c]);
                        for (dx, (&position, &dy)) in grad_input.iter_mut().zip(chosen) {
                            *dx += if position == pixel { dy } else { S::ZERO };
                        }
                    }
                }
            }
        });
    });
}

/// The windows along an axis of `count` that cover position `at`.
fn windows(at: usize, kernel: usize, stride: usize, count: usize) -> std::ops::Range<usize> {
    let first = (at + 1).saturating_sub(kernel).div_ceil(stride);
    first..(at / stride + 1).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_that_cover() {
        for (side, kernel, stride) in [(7, 2, 2), (3, 2, 1), (9, 3, 2), (5, 2, 3)] {
            let count = (side - kernel) / stride + 1;
            for at in 0..side {
                let expected: Vec<usize> =
                    (0..count).filter(|y| (y * stride..y * stride + kernel).contains(&at)).collect();
                assert_eq!(windows(at, kernel, stride, count).collect::<Vec<_>>(), expected);
            }
        }
    }

    /// PyTorch 2: max_pool2d([[nan, 5], [1, 2]], 2) is nan, and of four -inf the first is chosen.
    #[test]
    fn not_a_number_wins_and_the_first_of_equals() {
        let op = MaxPool { n: 1, h: 2, w: 4, c: 1, kernel: 2, stride: [2, 2] };
        let (mut output, mut argmax) = ([0.0f32; 2], [9; 2]);
        forward(&op, &[f32::NAN, 5.0, 3.0, 3.0, 1.0, 2.0, 3.0, 3.0], &mut output, &mut argmax);
        assert!(output[0].is_nan());
        assert_eq!((output[1], argmax), (3.0, [0, 2]));
        forward(&op, &[f32::NEG_INFINITY; 8], &mut output, &mut argmax);
        assert_eq!((output, argmax), ([f32::NEG_INFINITY; 2], [0, 2]));
    }
}
