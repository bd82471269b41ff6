//! Group normalisation: each set of values, a group of the channels of one image at all its pixels, is normalised by its own
//! mean and variance.
//!
//! One group is layer normalisation over `[H, W, C]`; one group with every pixel taken for an image of its own is layer
//! normalisation over the channels.
//!
//! # Source
//! Wu and He: "Group normalization" (2018); Ba, Kiros and Hinton: "Layer normalization" (2016). The variance is biased.

mod check;
mod cpu;
mod kernels;
mod reference;

use super::{Activation, Each, Extent, F32, Family, Operation, Read, Stored, Write, operand::operands};

/// `output = activation((input - mean) * inv_std * gamma + beta)`, and `moments = [mean, inv_std]` of each set for the backward
/// pass, where `inv_std = 1 / sqrt(variance + eps)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// Images.
    pub images: usize,
    /// Pixels of an image.
    pub pixels: usize,
    /// Channels.
    pub channels: usize,
    /// Groups of adjacent channels; their number divides the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
    /// The activation, if there is one.
    pub activation: Option<Activation>,
}

operands! {
    /// The operands of [`GroupNorm`].
    GroupNormOperands {
        input: Read<Stored>,
        gamma: Read<F32>,
        beta: Read<F32>,
        output: Write<Stored>,
        moments: Write<F32>,
    }
}

impl GroupNorm {
    /// The number of sets.
    pub(crate) fn sets(&self) -> usize {
        self.images * self.groups
    }

    /// The channels of a group.
    pub(crate) fn group(&self) -> usize {
        self.channels / self.groups
    }

    /// The values of a set.
    pub(crate) fn count(&self) -> usize {
        self.pixels * self.group()
    }

    fn len(&self) -> usize {
        self.images * self.pixels * self.channels
    }

    fn values(&self) -> Extent {
        [self.images, self.pixels, self.channels].into()
    }

    fn moments(&self) -> Extent {
        [self.images, self.groups, 2].into()
    }
}

impl Operation for GroupNorm {
    const NAME: &'static str = "group_norm.forward";
    type Operands<F: Family> = GroupNormOperands<F>;

    fn operands(&self) -> GroupNormOperands<Each<Extent>> {
        let vector: Extent = [self.channels].into();
        GroupNormOperands {
            input: self.values(),
            gamma: vector.clone(),
            beta: vector,
            output: self.values(),
            moments: self.moments(),
        }
    }

    fn flops(&self) -> u64 {
        8 * self.len() as u64
    }
}

/// The vectors by which the next operation reads `input` normalised: `affine = [mean, inv_std * gamma, beta, inv_std]` of each image
/// and channel ([`super::ConvForward::by_image`]), and `moments = [mean, inv_std]` of each set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormAffine(
    /// The norm, without an activation.
    pub GroupNorm,
);

operands! {
    /// The operands of [`GroupNormAffine`].
    GroupNormAffineOperands {
        input: Read<Stored>,
        gamma: Read<F32>,
        beta: Read<F32>,
        affine: Write<F32>,
        moments: Write<F32>,
    }
}

impl Operation for GroupNormAffine {
    const NAME: &'static str = "group_norm.affine";
    type Operands<F: Family> = GroupNormAffineOperands<F>;

    fn operands(&self) -> GroupNormAffineOperands<Each<Extent>> {
        let GroupNormOperands { input, gamma, beta, moments, .. } = self.0.operands();
        let affine = [self.0.images, 4, self.0.channels].into();
        GroupNormAffineOperands { input, gamma, beta, affine, moments }
    }

    fn flops(&self) -> u64 {
        4 * self.0.len() as u64
    }
}

/// `grad_input = inv_std * (gamma * g - mean of (gamma * g) - x * mean of (gamma * g * x))`, where `x = (input - mean) * inv_std`,
/// `g` is `grad_output` times the slope of the activation at `x * gamma + beta`, and the means are those of the set.
///
/// Also `grad_gamma = sum of g * x` and `grad_beta = sum of g` over images and pixels, unless the layer is not trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormGrad {
    /// The forward pass.
    pub norm: GroupNorm,
    /// Whether the gradients of gamma and beta are computed.
    pub parameters: bool,
    /// Adds to these gradients instead of overwriting them.
    pub accumulate: bool,
}

operands! {
    /// The operands of [`GroupNormGrad`].
    GroupNormGradOperands {
        input: Read<Stored>,
        gamma: Read<F32>,
        beta: Read<F32>,
        moments: Read<F32>,
        grad_output: Read<Stored>,
        grad_input: Write<Stored>,
        grad_gamma: Option<Write<F32>>,
        grad_beta: Option<Write<F32>>,
    }
}

impl Operation for GroupNormGrad {
    const NAME: &'static str = "group_norm.grad_input";
    type Operands<F: Family> = GroupNormGradOperands<F>;

    fn operands(&self) -> GroupNormGradOperands<Each<Extent>> {
        let vector: Extent = [self.norm.channels].into();
        let sums = || self.parameters.then(|| Extent::result([self.norm.channels], self.accumulate));
        GroupNormGradOperands {
            input: self.norm.values(),
            gamma: vector.clone(),
            beta: vector,
            moments: self.norm.moments(),
            grad_output: self.norm.values(),
            grad_input: self.norm.values(),
            grad_gamma: sums(),
            grad_beta: sums(),
        }
    }

    fn flops(&self) -> u64 {
        14 * self.norm.len() as u64
    }
}
