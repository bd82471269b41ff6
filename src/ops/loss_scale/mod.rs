//! Dynamic loss scaling, entirely on the device.
//!
//! Activation gradients stored as f16 would underflow, so the loss's gradient is multiplied by a scale, which the update
//! divides out again. A step whose gradients overflow is skipped and the scale is halved; after a number of good steps it is
//! doubled.
//!
//! # Source
//! Micikevicius et al.: "Mixed precision training" (2018).

mod check;
mod cpu;
mod kernels;

use bytemuck::{Pod, Zeroable};

use super::{Each, Extent, F32, Family, Operation, Read, U32, Update, operand::operands};

/// The loss-scaling state, as one small tensor of f32.
///
/// `shaders/shared/loss_scale.wgsl` declares the same struct; a test compares the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct LossScale {
    /// The factor of the next step's loss gradient: a power of two.
    pub scale: f32,
    /// Good steps since the scale last changed.
    pub good: f32,
    /// The factor that removes the scale from this step's gradients.
    pub unscale: f32,
    /// 1 if this step is skipped, else 0.
    pub skip: f32,
    /// Adam's `1 - beta1^t`, where `t` counts the steps that were taken.
    pub bias_correction1: f32,
    /// Adam's `1 - beta2^t`.
    pub bias_correction2: f32,
    /// The number of skipped steps.
    pub skipped: f32,
    /// Padding.
    pub reserved: f32,
}

impl LossScale {
    /// The number of values.
    pub const LEN: usize = size_of::<Self>() / 4;
    /// Good steps after which the scale is doubled.
    pub const GROWTH_INTERVAL: u32 = 2000;
    /// The range of the scale.
    pub const RANGE: [f32; 2] = [1.0 / 16_384.0, 16_777_216.0];

    /// The state before the first step.
    pub fn initial() -> Self {
        Self { scale: 65_536.0, ..Self::zeroed() }
    }

    pub(super) fn extent() -> Extent {
        [Self::LEN].into()
    }
}

/// `gradient *= scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScaleGradient {
    /// Elements.
    pub len: usize,
}

operands! {
    /// The operands of [`ScaleGradient`].
    ScaleGradientOperands { loss_scale: Read<F32>, gradient: Update<F32> }
}

impl Operation for ScaleGradient {
    const NAME: &'static str = "loss_scale.apply";
    type Operands<F: Family> = ScaleGradientOperands<F>;

    fn operands(&self) -> ScaleGradientOperands<Each<Extent>> {
        ScaleGradientOperands { loss_scale: LossScale::extent(), gradient: [self.len].into() }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}

/// `overflow = 1` if any element of `gradient` is infinite or NaN; else it is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiniteCheck {
    /// Elements.
    pub len: usize,
}

operands! {
    /// The operands of [`FiniteCheck`].
    FiniteCheckOperands { gradient: Read<F32>, overflow: Update<U32> }
}

impl Operation for FiniteCheck {
    const NAME: &'static str = "loss_scale.check";
    type Operands<F: Family> = FiniteCheckOperands<F>;

    fn operands(&self) -> FiniteCheckOperands<Each<Extent>> {
        FiniteCheckOperands { gradient: [self.len].into(), overflow: [1].into() }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}

/// Decides whether the step is taken, and the scale of the next one; clears `overflow`.
///
/// `unscale = 1 / scale` of this step. On overflow: `skip = 1`, `scale /= 2`, `good = 0`. Else `skip = 0`,
/// `correction = 1 - beta + beta * correction`, which is `1 - beta^t` without cancellation, and `scale *= 2` after
/// `growth_interval` good steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScaleUpdate {
    /// Adam's decay of the first moment.
    pub beta1: f32,
    /// Adam's decay of the second moment.
    pub beta2: f32,
    /// Good steps after which the scale is doubled.
    pub growth_interval: u32,
}

operands! {
    /// The operands of [`LossScaleUpdate`].
    LossScaleUpdateOperands { overflow: Update<U32>, loss_scale: Update<F32> }
}

impl Operation for LossScaleUpdate {
    const NAME: &'static str = "loss_scale.update";
    type Operands<F: Family> = LossScaleUpdateOperands<F>;

    fn operands(&self) -> LossScaleUpdateOperands<Each<Extent>> {
        LossScaleUpdateOperands { overflow: [1].into(), loss_scale: LossScale::extent() }
    }

    fn flops(&self) -> u64 {
        8
    }
}
