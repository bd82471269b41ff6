//! Image preparation.

use rayon::prelude::*;

use super::{PrepareImages, PrepareImagesOperands};
use crate::{
    cpu::{
        Scalar, Scratch, Twin,
        simd::{Simd, WithSimd, wide},
    },
    ops::Slices,
};

impl Twin for PrepareImages {
    /// `images[n, h, w, c]` in bytes, moved by `transforms[n, 6]`, to `output[n, oh, ow, c]`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let PrepareImagesOperands { images, transforms, output } = operands;
        let op = self;
        let channels = self.channels();
        let [oh, ow] = self.output;
        let image = self.source[0] * self.source[1] * channels;
        output.par_chunks_mut(ow * channels).enumerate().for_each(|(index, output)| {
            let (n, oy) = (index / oh, index % oh);
            let source = &images[n * image..][..image];
            let transform = &transforms[n * 6..][..6];
            wide(Row { op, source, transform, y: source_position(oy, self.source[0], oh), output });
        });
    }
}

/// One row of an image of the output; `y` is its position in the source.
struct Row<'a, S> {
    op: &'a PrepareImages,
    source: &'a [u8],
    transform: &'a [S],
    y: S,
    output: &'a mut [S],
}

impl<S: Scalar> WithSimd for Row<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Self { op, source, transform, y, output } = self;
        let channels = op.channels();
        for (ox, output) in output.chunks_exact_mut(channels).enumerate() {
            let x = source_position(ox, op.source[1], op.output[1]);
            let [sx, sy] = [&transform[..3], &transform[3..]].map(|t| t[0] * x + t[1] * y + t[2]);
            for (c, out) in output.iter_mut().enumerate() {
                let value = match op.reflect {
                    true => bilinear::<S, true>(source, op, c, sy, sx),
                    false => bilinear::<S, false>(source, op, c, sy, sx),
                };
                let (mean, std) = (S::of(op.mean[c].into()), S::of(op.std[c].into()));
                *out = (value / S::of(255.0) - mean) / std;
            }
        }
    }
}

/// The position of the centre of output pixel `at` of `output`, in pixel centres of `source`.
#[inline(always)]
fn source_position<S: Scalar>(at: usize, source: usize, output: usize) -> S {
    let [at, source, output] = [at, source, output].map(|v| S::of(v as f64));
    let half = S::of(0.5);
    let position = (at + half) * source / output - half;
    let last = source - S::ONE;
    let position = if position > S::ZERO { position } else { S::ZERO };
    if position < last { position } else { last }
}

/// Channel `c` of an image at a position between four pixels; outside it is 0 or mirrored.
#[inline(always)]
fn bilinear<S: Scalar, const REFLECT: bool>(image: &[u8], op: &PrepareImages, c: usize, y: S, x: S) -> S {
    let ([h, w], channels) = (op.source, op.channels());
    let mirrored = |at: f64, side: usize| {
        let last = side as f64 - 1.0;
        let at = if at > last { 2.0 * last - at } else { at.abs() };
        at.clamp(0.0, last)
    };
    let pixel = |y: f64, x: f64| {
        let (y, x) = if REFLECT { (mirrored(y, h), mirrored(x, w)) } else { (y, x) };
        let inside = y >= 0.0 && x >= 0.0 && y < h as f64 && x < w as f64;
        let byte = if inside { image[(y as usize * w + x as usize) * channels + c] } else { 0 };
        S::of(f64::from(byte))
    };
    let (top, left) = (y.f64().floor(), x.f64().floor());
    let (down, right) = (y - S::of(top), x - S::of(left));
    let (up, back) = (S::ONE - down, S::ONE - right);
    up * (back * pixel(top, left) + right * pixel(top, left + 1.0))
        + down * (back * pixel(top + 1.0, left) + right * pixel(top + 1.0, left + 1.0))
}
