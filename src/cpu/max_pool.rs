//! Max-pooling with argmax.

use rayon::prelude::*;

use super::{
    Scalar,
    batch_norm::activated,
    simd::{Simd, WithSimd, wide},
};
use crate::ops::MaxPool;

/// Channels that are worked together.
const LANES: usize = 64;

/// `input[n, h, w, c]`, perhaps through batch norm and ReLU by `affine[4, c]`, to `output[n, p, q, c]`.
///
/// As PyTorch does: not-a-number beats everything.
pub(super) fn forward<S: Scalar>(op: &MaxPool, input: &[S], affine: Option<&mut [S]>, output: &mut [S]) {
    let [p, q] = op.output_size();
    let (image, row) = (op.h * op.w * op.c, q * op.c);
    let affine = affine.as_deref();
    output.par_chunks_mut(row).enumerate().for_each(|(index, output)| {
        let (n, y) = (index / p, index % p);
        wide(Row { op, input: &input[n * image..][..image], affine, y, output });
    });
}

/// One row of an image of the output.
struct Row<'a, S> {
    op: &'a MaxPool,
    input: &'a [S],
    affine: Option<&'a [S]>,
    y: usize,
    output: &'a mut [S],
}

impl<S: Scalar> WithSimd for Row<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { op, input, affine, y, output } = self;
        for (x, output) in output.chunks_exact_mut(op.c).enumerate() {
            for (block, output) in output.chunks_mut(LANES).enumerate() {
                let (best, _) = choose(op, input, affine, [y, x], block * LANES, output.len());
                output.copy_from_slice(&best[..output.len()]);
            }
        }
    }
}

/// The maximum of the window `[y, x]` and the tap that has it, for `lanes` channels from `first` on. The first maximum
/// in row-major order wins.
#[inline(always)]
fn choose<S: Scalar>(
    op: &MaxPool,
    input: &[S],
    affine: Option<&[S]>,
    [y, x]: [usize; 2],
    first: usize,
    lanes: usize,
) -> ([S; LANES], [u32; LANES]) {
    let (mut best, mut chosen) = ([S::ZERO; LANES], [0; LANES]);
    let corner = y * op.stride[0] * op.w + x * op.stride[1];
    for tap in 0..op.kernel * op.kernel {
        let at = corner + tap / op.kernel * op.w + tap % op.kernel;
        let mut values = [S::ZERO; LANES];
        values[..lanes].copy_from_slice(&input[at * op.c + first..][..lanes]);
        if let Some(affine) = affine {
            let vector = |field: usize| &affine[field * op.c + first..][..lanes];
            let vectors = vector(0).iter().zip(vector(1)).zip(vector(2));
            for (value, ((&mean, &scale), &shift)) in values.iter_mut().zip(vectors) {
                *value = activated(*value, mean, scale, shift);
            }
        }
        for ((best, chosen), &value) in best.iter_mut().zip(&mut chosen).zip(&values) {
            // With `||` instead of `|` the compiler finds no vectors.
            let wins = (tap == 0) | (value > *best) | value.is_nan();
            *best = if wins { value } else { *best };
            *chosen = if wins { tap as u32 } else { *chosen };
        }
    }
    (best, chosen)
}

/// `grad_input[n, h, w, c]`: for each pixel the sum of `grad_output[n, p, q, c]` over the windows that chose it.
pub(super) fn grad_input<S: Scalar>(
    op: &MaxPool,
    input: &[S],
    affine: Option<&mut [S]>,
    grad_output: &[S],
    grad_input: &mut [S],
) {
    let [p, q] = op.output_size();
    let (image, pooled) = (op.h * op.w * op.c, p * q * op.c);
    let affine = affine.as_deref();
    let images = input.par_chunks(image).zip(grad_output.par_chunks(pooled));
    grad_input.par_chunks_mut(image).zip(images).for_each(|(grad_input, (input, grad_output))| {
        wide(Image { op, input, affine, grad_output, grad_input });
    });
}

/// The gradient of one image.
struct Image<'a, S> {
    op: &'a MaxPool,
    input: &'a [S],
    affine: Option<&'a [S]>,
    grad_output: &'a [S],
    grad_input: &'a mut [S],
}

impl<S: Scalar> WithSimd for Image<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { op, input, affine, grad_output, grad_input } = self;
        let [_, q] = op.output_size();
        grad_input.fill(S::ZERO);
        for (window, grad_output) in grad_output.chunks_exact(op.c).enumerate() {
            let (y, x) = (window / q, window % q);
            let corner = y * op.stride[0] * op.w + x * op.stride[1];
            for (block, grad_output) in grad_output.chunks(LANES).enumerate() {
                let first = block * LANES;
                let (_, chosen) = choose(op, input, affine, [y, x], first, grad_output.len());
                for tap in 0..op.kernel * op.kernel {
                    let at = corner + tap / op.kernel * op.w + tap % op.kernel;
                    let pixel = &mut grad_input[at * op.c + first..][..grad_output.len()];
                    for ((dx, &chosen), &dy) in pixel.iter_mut().zip(&chosen).zip(grad_output) {
                        *dx += if chosen == tap as u32 { dy } else { S::ZERO };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2: max_pool2d([[nan, 5], [1, 2]], 2) is nan, and of four -inf the first is chosen.
    #[test]
    fn not_a_number_wins_and_the_first_of_equals() {
        let op = MaxPool { n: 1, h: 2, w: 4, c: 1, kernel: 2, stride: [2, 2] };
        let pooled = |input: &[f32]| {
            let (mut output, mut gradient) = ([0.0; 2], [9.0; 8]);
            forward(&op, input, None, &mut output);
            grad_input(&op, input, None, &[1.0, 2.0], &mut gradient);
            (output, gradient)
        };
        let (output, gradient) = pooled(&[f32::NAN, 5.0, 3.0, 3.0, 1.0, 2.0, 3.0, 3.0]);
        assert!(output[0].is_nan());
        assert_eq!((output[1], gradient), (3.0, [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
        let (output, gradient) = pooled(&[f32::NEG_INFINITY; 8]);
        assert_eq!((output, gradient), ([f32::NEG_INFINITY; 2], [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    }
}
