//! Group normalisation by definition: the reference for the CPU device and the GPU.

use super::{
    GroupNorm, GroupNormAffine, GroupNormAffineOperands, GroupNormGrad, GroupNormGradOperands,
    GroupNormOperands,
};
use crate::{cpu::Scalar, ops::Slices};

impl GroupNorm {
    /// The positions of a set's values.
    fn set(self, image: usize, group: usize) -> impl Iterator<Item = usize> + Clone {
        let channels = group * self.group()..(group + 1) * self.group();
        let pixels = image * self.pixels..(image + 1) * self.pixels;
        pixels.flat_map(move |pixel| channels.clone().map(move |c| pixel * self.channels + c))
    }
}

/// The mean and the inverse standard deviation of a set.
///
/// # Numerics
/// In f64: the mean, then the squared distances from it.
fn moments_of<S: Scalar>(op: &GroupNorm, input: &[S], set: usize) -> [f64; 2] {
    let positions = op.set(set / op.groups, set % op.groups);
    let count = op.count() as f64;
    let mean = positions.clone().map(|at| input[at].f64()).sum::<f64>() / count;
    let variance = positions.map(|at| (input[at].f64() - mean).powi(2)).sum::<f64>() / count;
    [mean, 1.0 / (variance + f64::from(op.eps)).sqrt()]
}

pub(super) fn affine<S: Scalar>(
    GroupNormAffine(op): &GroupNormAffine,
    operands: GroupNormAffineOperands<Slices<'_, S>>,
) {
    let GroupNormAffineOperands { input, gamma, beta, affine, moments } = operands;
    for (set, moments) in moments.chunks_exact_mut(2).enumerate() {
        moments.copy_from_slice(&moments_of(op, input, set).map(S::of));
    }
    fill_affine(op, [gamma, beta], moments, affine);
}

/// `affine[images, 4, channels]` from gamma, beta and the moments of the sets.
pub(super) fn fill_affine<S: Scalar>(
    op: &GroupNorm,
    [gamma, beta]: [&[S]; 2],
    moments: &[S],
    affine: &mut [S],
) {
    for (image, affine) in affine.chunks_exact_mut(4 * op.channels).enumerate() {
        for c in 0..op.channels {
            let set = image * op.groups + c / op.group();
            let (mean, inv_std) = (moments[2 * set], moments[2 * set + 1]);
            for (field, value) in [mean, inv_std * gamma[c], beta[c], inv_std].into_iter().enumerate() {
                affine[field * op.channels + c] = value;
            }
        }
    }
}

pub(super) fn forward<S: Scalar>(op: &GroupNorm, operands: GroupNormOperands<Slices<'_, S>>) {
    let GroupNormOperands { input, gamma, beta, output, moments } = operands;
    for (set, moments) in moments.chunks_exact_mut(2).enumerate() {
        let positions = op.set(set / op.groups, set % op.groups);
        let [mean, inv_std] = moments_of(op, input, set);
        for at in positions {
            let c = at % op.channels;
            let y = (input[at].f64() - mean) * inv_std * gamma[c].f64() + beta[c].f64();
            output[at] = S::of(op.activation.map_or(y, |activation| activation.value(y)));
        }
        moments.copy_from_slice(&[S::of(mean), S::of(inv_std)]);
    }
}

/// # Numerics
/// In f64.
pub(super) fn grad<S: Scalar>(op: &GroupNormGrad, operands: GroupNormGradOperands<Slices<'_, S>>) {
    let GroupNormGradOperands { input, gamma, beta, moments, grad_output, grad_input, .. } = operands;
    let norm = op.norm;
    let mut sums = vec![[0.0; 2]; norm.channels];
    for (set, moments) in moments.chunks_exact(2).enumerate() {
        let (mean, inv_std) = (moments[0].f64(), moments[1].f64());
        // The normalised value at a position, and the gradient of gamma times it plus beta.
        let at = |at: usize| {
            let c = at % norm.channels;
            let x = (input[at].f64() - mean) * inv_std;
            let y = x * gamma[c].f64() + beta[c].f64();
            (c, x, grad_output[at].f64() * norm.activation.map_or(1.0, |activation| activation.slope(y)))
        };
        let positions = norm.set(set / norm.groups, set % norm.groups);
        let (mut plain, mut weighted) = (0.0, 0.0);
        for (c, x, g) in positions.clone().map(at) {
            plain += gamma[c].f64() * g / norm.count() as f64;
            weighted += gamma[c].f64() * g * x / norm.count() as f64;
            sums[c] = [sums[c][0] + g * x, sums[c][1] + g];
        }
        for position in positions {
            let (c, x, g) = at(position);
            grad_input[position] = S::of(inv_std * (gamma[c].f64() * g - plain - x * weighted));
        }
    }
    for (grads, which) in [(operands.grad_gamma, 0), (operands.grad_beta, 1)] {
        for (grad, sums) in grads.into_iter().flatten().zip(&sums) {
            let before = if op.accumulate { grad.f64() } else { 0.0 };
            *grad = S::of(before + sums[which]);
        }
    }
}
