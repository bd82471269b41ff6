//! What a convolution reads where batch norm and ReLU are applied on the way.

use super::{
    Scalar,
    batch_norm::{activated, passed_back},
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
    pub fn read(self, channels: usize, first: usize, stride: usize, to: &mut [S]) {
        let first = first * channels;
        match self {
            Self::Plain(values) if stride == channels => to.copy_from_slice(&values[first..][..to.len()]),
            Self::Plain(values) => {
                for (to, pixel) in to.chunks_exact_mut(stride).zip(values[first..].chunks_exact(channels)) {
                    to[..channels].copy_from_slice(pixel);
                    to[channels..].fill(S::ZERO);
                }
            }
            Self::Normalized { input, affine } => {
                let [mean, scale, shift] = vectors(affine, channels, [0, 1, 2]);
                for (to, pixel) in to.chunks_exact_mut(stride).zip(input[first..].chunks_exact(channels)) {
                    let vectors = mean.iter().zip(scale).zip(shift);
                    for ((to, &x), ((&mean, &scale), &shift)) in to.iter_mut().zip(pixel).zip(vectors) {
                        *to = activated(x, mean, scale, shift);
                    }
                    to[channels..].fill(S::ZERO);
                }
            }
            Self::Through { grad_output, output, grad_affine, at_zero } => {
                let fields = vectors(grad_affine, channels, [0, 1, 2, 3, 4]);
                let [mean, scale, shift, offset, slope] = fields;
                let pixels =
                    grad_output[first..].chunks_exact(channels).zip(output[first..].chunks_exact(channels));
                for (to, (gradient, pixel)) in to.chunks_exact_mut(stride).zip(pixels) {
                    let vectors = mean.iter().zip(scale.iter().zip(shift)).zip(offset.iter().zip(slope));
                    let values = to.iter_mut().zip(gradient.iter().zip(pixel)).zip(vectors);
                    for ((to, (&dy, &x)), ((&mean, (&scale, &shift)), (&offset, &slope))) in values {
                        *to = passed_back(Some(at_zero), x, dy, [mean, scale, shift, offset, slope]);
                    }
                    to[channels..].fill(S::ZERO);
                }
            }
        }
    }
}

#[inline(always)]
fn vectors<S, const N: usize>(all: &[S], channels: usize, fields: [usize; N]) -> [&[S]; N] {
    fields.map(|field| &all[field * channels..][..channels])
}
