//! Max-pooling with argmax, for the CPU device.

use rayon::prelude::*;

use super::{MaxPool, MaxPoolForward, MaxPoolForwardOperands, MaxPoolGrad, MaxPoolGradOperands, reference};
use crate::{
    cpu::{
        Scalar, Scratch, Sizes, Twin,
        prologue::{activate_grad, input_through, vectors},
        simd::{Simd, Vector, WithSimd, wide},
    },
    ops::{Activation, GradStatistics, Slices, batch_norm::cpu::gradients_of_sums},
};

impl Twin for MaxPoolForward {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        if !S::FAST {
            return reference::forward(self, operands);
        }
        let MaxPoolForwardOperands { input, affine, output } = operands;
        let prologue = affine.zip(self.normalized);
        forward(&self.pool, input, prologue, output);
    }
}

impl Twin for MaxPoolGrad {
    /// Room for the sums of each image.
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { sums: 2 * self.pool.n * self.pool.c, ..Sizes::default() }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            grad_input(self, operands, &mut scratch.sums)
        } else {
            reference::grad_input(self, operands)
        }
    }
}

/// The vectors `affine[4, c]` of a norm, and the activation after it.
type Affine<'a, S> = (&'a [S], Activation);

/// Those of image `n`; `affine` may be those of the batch.
fn of_image<'a, S>(op: &MaxPool, (affine, activation): Affine<'a, S>, n: usize) -> Affine<'a, S> {
    (&affine[n % (affine.len() / (4 * op.c)) * 4 * op.c..][..4 * op.c], activation)
}

/// `input[n, h, w, c]`, perhaps through batch norm and an activation, to `output[n, p, q, c]`.
///
/// As in PyTorch, NaN is larger than everything.
fn forward<S: Scalar>(op: &MaxPool, input: &[S], prologue: Option<Affine<'_, S>>, output: &mut [S]) {
    let [p, q] = op.output_size();
    let (image, row) = (op.h * op.w * op.c, q * op.c);
    output.par_chunks_mut(row).enumerate().for_each(|(index, output)| {
        let (n, y) = (index / p, index % p);
        let prologue = prologue.map(|all| of_image(op, all, n));
        wide(Row { op, input: &input[n * image..][..image], prologue, y, output });
    });
}

/// One row of an image of the output.
struct Row<'a, S> {
    op: &'a MaxPool,
    input: &'a [S],
    prologue: Option<Affine<'a, S>>,
    y: usize,
    output: &'a mut [S],
}

impl<S: Scalar> WithSimd for Row<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { op, input, prologue, y, output } = self;
        for (x, output) in output.chunks_exact_mut(op.c).enumerate() {
            for c in (0..op.c).step_by(S::lanes::<V>()) {
                choose(simd, op, input, prologue, [y, x], c)[0].store(&mut output[c..]);
            }
        }
    }
}

/// The maximum of the window `[y, x]`, its tap and the input there, for a register of channels from `c` on.
/// The first maximum in row-major order wins.
#[inline(always)]
fn choose<V: Simd, S: Scalar>(
    simd: V,
    op: &MaxPool,
    input: &[S],
    prologue: Option<Affine<'_, S>>,
    [y, x]: [usize; 2],
    c: usize,
) -> [Vector<V, S>; 3] {
    let mut best = [Vector::splat(simd, S::ZERO); 3];
    let corner = y * op.stride[0] * op.w + x * op.stride[1];
    for tap in 0..op.kernel * op.kernel {
        let at = corner + tap / op.kernel * op.w + tap % op.kernel;
        let read = Vector::load(simd, &input[at * op.c + c..(at + 1) * op.c]);
        let value = match prologue {
            Some((affine, activation)) => {
                input_through(simd, Some(activation), read, vectors(simd, affine, op.c, c))
            }
            None => read,
        };
        let new = [value, Vector::splat(simd, S::of(tap as f64)), read];
        if tap == 0 {
            best = new;
            continue;
        }
        let most = best[0];
        for (best, new) in best.iter_mut().zip(new) {
            // Only NaN differs from itself.
            let best_or_nan = value.equals(value, [*best, new]);
            *best = value.above(most, [new, best_or_nan]);
        }
    }
    best
}

/// `grad_input[n, h, w, c]`: for each pixel the sum of `grad_output[n, p, q, c]` over the windows that chose it. And
/// `[grad_gamma, grad_beta]`, `[channels]` each, if the operation computes statistics.
///
/// # Numerics
/// The statistics are summed in `S` along a row of windows, then down the rows of an image, and in f64 over the images: with
/// the unit roundoff `u` of `S`, the error of an image's sum is at most `(p + q) u` times the sum of its terms' magnitudes.
fn grad_input<S: Scalar>(op: &MaxPoolGrad, operands: MaxPoolGradOperands<Slices<'_, S>>, sums: &mut [S]) {
    let MaxPoolGradOperands { input, affine, grad_output, grad_input, grad_gamma, grad_beta } = operands;
    let MaxPoolGrad { pool, normalized, statistics, .. } = op;
    let [p, q] = pool.output_size();
    let (image, pooled) = (pool.h * pool.w * pool.c, p * q * pool.c);
    let (prologue, activation) = (affine.zip(*normalized), statistics.map(|s| s.activation));
    let sums = &mut sums[..2 * pool.n * pool.c];
    let images = input.par_chunks(image).zip(grad_output.par_chunks(pooled));
    let written = grad_input.par_chunks_mut(image).zip(sums.par_chunks_mut(2 * pool.c));
    written.zip(images).enumerate().for_each(|(n, ((grad_input, sums), (input, grad_output)))| {
        let prologue = prologue.map(|all| of_image(pool, all, n));
        wide(Image { op: pool, input, prologue, grad_output, grad_input, activation, sums });
    });
    if let (Some(affine), Some(GradStatistics { accumulate, .. }), Some(gamma), Some(beta)) =
        (affine, *statistics, grad_gamma, grad_beta)
    {
        let total = |[field, c]: [usize; 2]| {
            sums[field * pool.c + c..].iter().step_by(2 * pool.c).map(|sum| sum.f64()).sum()
        };
        gradients_of_sums(affine, accumulate, total, [gamma, beta]);
    }
}

/// The gradient of one image.
struct Image<'a, S> {
    op: &'a MaxPool,
    input: &'a [S],
    prologue: Option<Affine<'a, S>>,
    grad_output: &'a [S],
    grad_input: &'a mut [S],
    /// The activation before the pooling, if the sums are computed.
    activation: Option<Activation>,
    /// The sums for `grad_gamma / inv_std` and `grad_beta`.
    sums: &'a mut [S],
}

impl<S: Scalar> WithSimd for Image<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { op, input, prologue, grad_output, grad_input, activation, sums } = self;
        let ([_, q], zero) = (op.output_size(), Vector::splat(simd, S::ZERO));
        grad_input.fill(S::ZERO);
        sums.fill(S::ZERO);
        let (sum_gamma, sum_beta) = sums.split_at_mut(op.c);
        for (y, grad_output) in grad_output.chunks_exact(q * op.c).enumerate() {
            for c in (0..op.c).step_by(S::lanes::<V>()) {
                let mut row = [zero; 2];
                for (x, grad_output) in grad_output.chunks_exact(op.c).enumerate() {
                    let corner = y * op.stride[0] * op.w + x * op.stride[1];
                    let [_, chosen, read] = choose(simd, op, input, prologue, [y, x], c);
                    let dy = Vector::load(simd, &grad_output[c..]);
                    for tap in 0..op.kernel * op.kernel {
                        let at = corner + tap / op.kernel * op.w + tap % op.kernel;
                        let pixel = &mut grad_input[at * op.c + c..(at + 1) * op.c];
                        let part = chosen.equals(Vector::splat(simd, S::of(tap as f64)), [dy, zero]);
                        (Vector::load(simd, pixel) + part).store(pixel);
                    }
                    if let (Some((affine, _)), Some(_)) = (prologue, activation) {
                        let [mean, scale, shift] = vectors(simd, affine, op.c, c);
                        let distance = read - mean;
                        let g = activate_grad(simd, activation, distance * scale + shift, dy);
                        row = [row[0] + distance * g, row[1] + g];
                    }
                }
                for (sum, row) in [&mut *sum_gamma, &mut *sum_beta].into_iter().zip(row) {
                    let sum = &mut sum[c..];
                    (Vector::load(simd, sum) + row).store(sum);
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
            let grad = MaxPoolGrad { pool: op, normalized: None, by_image: false, statistics: None };
            let operands = MaxPoolGradOperands::<Slices<'_, f32>> {
                input,
                affine: None,
                grad_output: &[1.0, 2.0],
                grad_input: &mut gradient,
                grad_gamma: None,
                grad_beta: None,
            };
            grad_input(&grad, operands, &mut [0.0; 2]);
            (output, gradient)
        };
        let (output, gradient) = pooled(&[f32::NAN, 5.0, 3.0, 3.0, 1.0, 2.0, 3.0, 3.0]);
        assert!(output[0].is_nan());
        assert_eq!((output[1], gradient), (3.0, [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
        let (output, gradient) = pooled(&[f32::NEG_INFINITY; 8]);
        assert_eq!((output, gradient), ([f32::NEG_INFINITY; 2], [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    }
}
