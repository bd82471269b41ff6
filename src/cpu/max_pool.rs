//! Max-pooling with argmax.

use rayon::prelude::*;

use super::{
    Scalar,
    batch_norm::activated_vector,
    simd::{Simd, Vector, WithSimd, wide},
    source::vectors,
};
use crate::ops::MaxPool;

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
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { op, input, affine, y, output } = self;
        for (x, output) in output.chunks_exact_mut(op.c).enumerate() {
            for c in (0..op.c).step_by(S::lanes::<V>()) {
                choose(simd, op, input, affine, [y, x], c)[0].store(&mut output[c..]);
            }
        }
    }
}

/// The maximum of the window `[y, x]` and the tap that has it, for a register of channels from `c` on. The first maximum in
/// row-major order wins.
#[inline(always)]
fn choose<V: Simd, S: Scalar>(
    simd: V,
    op: &MaxPool,
    input: &[S],
    affine: Option<&[S]>,
    [y, x]: [usize; 2],
    c: usize,
) -> [Vector<V, S>; 2] {
    let mut best = [Vector::splat(simd, S::ZERO); 2];
    let corner = y * op.stride[0] * op.w + x * op.stride[1];
    for tap in 0..op.kernel * op.kernel {
        let at = corner + tap / op.kernel * op.w + tap % op.kernel;
        let mut value = Vector::load(simd, &input[at * op.c + c..(at + 1) * op.c]);
        if let Some(affine) = affine {
            value = activated_vector(simd, value, vectors(simd, affine, op.c, c));
        }
        let new = [value, Vector::splat(simd, S::of(tap as f64))];
        if tap == 0 {
            best = new;
            continue;
        }
        let [most, chosen] = best;
        // Not-a-number is the one value that differs from itself.
        let most_or_nan = value.equals(value, [most, value]);
        let chosen_or_nan = value.equals(value, [chosen, new[1]]);
        best = [value.above(most, [value, most_or_nan]), value.above(most, [new[1], chosen_or_nan])];
    }
    best
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
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { op, input, affine, grad_output, grad_input } = self;
        let [_, q] = op.output_size();
        grad_input.fill(S::ZERO);
        for (window, grad_output) in grad_output.chunks_exact(op.c).enumerate() {
            let (y, x) = (window / q, window % q);
            let corner = y * op.stride[0] * op.w + x * op.stride[1];
            for c in (0..op.c).step_by(S::lanes::<V>()) {
                let [_, chosen] = choose(simd, op, input, affine, [y, x], c);
                let (dy, zero) = (Vector::load(simd, &grad_output[c..]), Vector::splat(simd, S::ZERO));
                for tap in 0..op.kernel * op.kernel {
                    let at = corner + tap / op.kernel * op.w + tap % op.kernel;
                    let pixel = &mut grad_input[at * op.c + c..(at + 1) * op.c];
                    let part = chosen.equals(Vector::splat(simd, S::of(tap as f64)), [dy, zero]);
                    (Vector::load(simd, pixel) + part).store(pixel);
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
