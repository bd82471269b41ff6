//! What a convolution reads where batch norm and ReLU are applied on the way.

use super::{
    Scalar,
    batch_norm::{activated_vector, passed_back_vector},
    simd::{Simd, Vector, WithSimd, wide},
};

/// A tensor `[n, h, w, channels]`, and what its values go through when they are read.
#[derive(Clone, Copy)]
pub(super) enum Source<'a, S> {
    /// Nothing.
    Plain(&'a [S]),
    /// Batch norm and ReLU by the vectors of `affine[4, channels]`.
    Normalized { input: &'a [S], affine: &'a [S] },
    /// Back through ReLU, with this slope at exactly 0, and batch norm by the vectors of `grad_affine[5, channels]`.
    Through { grad_output: &'a [S], output: &'a [S], grad_affine: &'a [S], at_zero: f32 },
}

impl<'a, S: Scalar> Source<'a, S> {
    /// An input, with an `affine` that may be empty.
    pub fn input(input: &'a [S], affine: &'a [S]) -> Self {
        if affine.is_empty() { Self::Plain(input) } else { Self::Normalized { input, affine } }
    }

    /// The gradient of an output, perhaps back through batch norm and ReLU.
    pub fn gradient([grad_output, output, grad_affine]: [&'a [S]; 3], through: Option<f32>) -> Self {
        match through {
            Some(at_zero) => Self::Through { grad_output, output, grad_affine, at_zero },
            None => Self::Plain(grad_output),
        }
    }

    /// Fills `to[pixels, stride]` with the pixels from `first` on; behind the channels of each come zeros.
    #[inline(always)]
    pub fn read<V: Simd>(self, simd: V, channels: usize, first: usize, stride: usize, to: &mut [S]) {
        let first = first * channels;
        if stride > channels {
            to.chunks_exact_mut(stride).for_each(|to| to[channels..].fill(S::ZERO));
        }
        // Channels outside, so that the vectors of batch norm are loaded once for all pixels.
        match self {
            Self::Plain(values) => {
                for (pixel, to) in to.chunks_exact_mut(stride).enumerate() {
                    to[..channels].copy_from_slice(&values[first + pixel * channels..][..channels]);
                }
            }
            Self::Normalized { input, affine } => {
                for c in (0..channels).step_by(S::lanes::<V>()) {
                    let lanes = S::lanes::<V>().min(channels - c);
                    let fields = vectors(simd, affine, channels, c);
                    for (pixel, to) in to.chunks_exact_mut(stride).enumerate() {
                        let x = &input[first + pixel * channels + c..][..lanes];
                        activated_vector(simd, Vector::load(simd, x), fields).store(&mut to[c..][..lanes]);
                    }
                }
            }
            Self::Through { grad_output, output, grad_affine, at_zero } => {
                for c in (0..channels).step_by(S::lanes::<V>()) {
                    let lanes = S::lanes::<V>().min(channels - c);
                    let fields = vectors(simd, grad_affine, channels, c);
                    for (pixel, to) in to.chunks_exact_mut(stride).enumerate() {
                        let at = first + pixel * channels + c;
                        let dy = Vector::load(simd, &grad_output[at..][..lanes]);
                        let x = Vector::load(simd, &output[at..][..lanes]);
                        passed_back_vector(simd, at_zero, x, dy, fields).store(&mut to[c..][..lanes]);
                    }
                }
            }
        }
    }
}

/// Lines of pixels, each followed by zeros for the pixels of a frame.
pub(super) struct Lines<'a, S> {
    pub source: Source<'a, S>,
    /// The first line's first pixel.
    pub first: usize,
    /// Of a line, without and with its frame.
    pub pixels: [usize; 2],
    pub channels: usize,
}

impl<S: Scalar> Lines<'_, S> {
    /// Fills `to[lines, framed pixels, channels]`.
    pub fn read(self, to: &mut [S]) {
        wide(ReadLines(self, to));
    }
}

struct ReadLines<'a, S>(Lines<'a, S>, &'a mut [S]);

impl<S: Scalar> WithSimd for ReadLines<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self(Lines { source, first, pixels: [width, framed], channels }, to) = self;
        for (index, line) in to.chunks_exact_mut(framed * channels).enumerate() {
            let (line, frame) = line.split_at_mut(width * channels);
            source.read(simd, channels, first + index * width, channels, line);
            frame.fill(S::ZERO);
        }
    }
}

/// Vectors of `[fields, channels]` from channel `c` on.
#[inline(always)]
pub(super) fn vectors<V: Simd, S: Scalar, const N: usize>(
    simd: V,
    all: &[S],
    channels: usize,
    c: usize,
) -> [Vector<V, S>; N] {
    let mut vectors = [Vector::splat(simd, S::ZERO); N];
    for (field, vector) in vectors.iter_mut().enumerate() {
        *vector = Vector::load(simd, &all[field * channels + c..(field + 1) * channels]);
    }
    vectors
}
