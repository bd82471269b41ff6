//! Prologues: transforms that an operation applies to a tensor's values as it reads them.

use super::{
    Scalar,
    simd::{Simd, Vector, WithSimd, wide},
};
use crate::ops::Activation;

/// A register of values after batch norm and an activation, if there is one; NaN is preserved.
#[inline(always)]
pub(crate) fn input_through<V: Simd, S: Scalar>(
    simd: V,
    activation: Option<Activation>,
    x: Vector<V, S>,
    [mean, scale, shift]: [Vector<V, S>; 3],
) -> Vector<V, S> {
    let y = (x - mean) * scale + shift;
    match activation {
        Some(activation) => activation.activate(simd, y),
        None => y,
    }
}

/// The gradient of the activation's input `y`, for a register of values; without an activation the gradient itself.
#[inline(always)]
pub(crate) fn activate_grad<V: Simd, S: Scalar>(
    simd: V,
    activation: Option<Activation>,
    y: Vector<V, S>,
    grad_output: Vector<V, S>,
) -> Vector<V, S> {
    match activation {
        Some(activation) => activation.activate_grad(simd, y, grad_output),
        None => grad_output,
    }
}

/// The gradient of batch norm's input `x`, back through the activation and batch norm, for a register of values.
#[inline(always)]
pub(crate) fn grad_through<V: Simd, S: Scalar>(
    simd: V,
    activation: Option<Activation>,
    x: Vector<V, S>,
    grad_output: Vector<V, S>,
    [mean, scale, shift, offset, slope]: [Vector<V, S>; 5],
) -> Vector<V, S> {
    let distance = x - mean;
    let g = activate_grad(simd, activation, distance * scale + shift, grad_output);
    scale * g - (offset + slope * distance)
}

/// A tensor `[n, h, w, channels]`, and the transform of its values when they are read.
#[derive(Clone, Copy)]
pub(crate) enum Prologue<'a, S> {
    /// No transform.
    Plain(&'a [S]),
    /// A norm by the vectors of `affine[images, 4, channels]` or those of the batch, `[4, channels]`, and the activation.
    Normalized { input: &'a [S], affine: &'a [S], activation: Activation },
    /// Back through the activation and batch norm.
    Through { grad_output: &'a [S], through: Through<'a, S> },
}

/// The backward pass applied to a gradient: of the activation, and of the batch norm of `output` by the vectors of
/// `grad_affine[5, channels]`.
#[derive(Clone, Copy)]
pub(crate) struct Through<'a, S> {
    pub activation: Activation,
    pub output: &'a [S],
    pub grad_affine: &'a [S],
}

impl<'a, S> Through<'a, S> {
    /// `None` unless all parts are given.
    pub fn of(
        activation: Option<Activation>,
        output: Option<&'a [S]>,
        grad_affine: Option<&'a [S]>,
    ) -> Option<Self> {
        Some(Self { activation: activation?, output: output?, grad_affine: grad_affine? })
    }
}

impl<'a, S: Scalar> Prologue<'a, S> {
    /// An input, through batch norm and the activation if both are given.
    pub fn input(input: &'a [S], affine: Option<&'a [S]>, activation: Option<Activation>) -> Self {
        affine.zip(activation).map_or(Self::Plain(input), |(affine, activation)| Self::Normalized {
            input,
            affine,
            activation,
        })
    }

    /// The gradient of an output, perhaps back through the activation and batch norm.
    pub fn gradient(grad_output: &'a [S], through: Option<Through<'a, S>>) -> Self {
        through.map_or(Self::Plain(grad_output), |through| Self::Through { grad_output, through })
    }

    /// Fills `to[pixels, stride]` with the pixels from `first` on, which are of one image; after the channels of each come zeros.
    #[inline(always)]
    pub fn read<V: Simd>(self, simd: V, channels: usize, first: usize, stride: usize, to: &mut [S]) {
        let first = first * channels;
        if stride > channels {
            to.chunks_exact_mut(stride).for_each(|to| to[channels..].fill(S::ZERO));
        }
        // Channels in the outer loop, so that the vectors of batch norm are loaded once for all pixels.
        match self {
            Self::Plain(values) => {
                for (pixel, to) in to.chunks_exact_mut(stride).enumerate() {
                    to[..channels].copy_from_slice(&values[first + pixel * channels..][..channels]);
                }
            }
            Self::Normalized { input, affine, activation } => {
                let affine = &affine[first / (4 * input.len() / affine.len() * channels) * 4 * channels..];
                for c in (0..channels).step_by(S::lanes::<V>()) {
                    let lanes = S::lanes::<V>().min(channels - c);
                    let fields = vectors(simd, affine, channels, c);
                    for (pixel, to) in to.chunks_exact_mut(stride).enumerate() {
                        let x = &input[first + pixel * channels + c..][..lanes];
                        let y = input_through(simd, Some(activation), Vector::load(simd, x), fields);
                        y.store(&mut to[c..][..lanes]);
                    }
                }
            }
            Self::Through { grad_output, through: Through { activation, output, grad_affine } } => {
                for c in (0..channels).step_by(S::lanes::<V>()) {
                    let lanes = S::lanes::<V>().min(channels - c);
                    let fields = vectors(simd, grad_affine, channels, c);
                    for (pixel, to) in to.chunks_exact_mut(stride).enumerate() {
                        let at = first + pixel * channels + c;
                        let dy = Vector::load(simd, &grad_output[at..][..lanes]);
                        let x = Vector::load(simd, &output[at..][..lanes]);
                        let dx = grad_through(simd, Some(activation), x, dy, fields);
                        dx.store(&mut to[c..][..lanes]);
                    }
                }
            }
        }
    }
}

/// Lines of pixels, each padded with zeros to the length of a frame's line.
pub(crate) struct Lines<'a, S> {
    pub source: Prologue<'a, S>,
    /// The first line's first pixel.
    pub first: usize,
    /// The pixels of a line, without and with the frame.
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
pub(crate) fn vectors<V: Simd, S: Scalar, const N: usize>(
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
