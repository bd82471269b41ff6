//! The Adam optimiser, and AdamW.

mod check;
pub(crate) mod cpu;
pub(crate) mod kernels;

use super::{ControlBlock, Each, Extent, F32, Family, LossScale, Operation, Read, Update, operand::operands};

/// One bias-corrected step: `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
/// `parameter -= learning_rate * ((m / correction1) / (sqrt(v / correction2) + eps) + d)`.
///
/// Weight decay is part of the gradient, `g = gradient + weight_decay * parameter` and `d = 0`; or, if `decoupled`, separate,
/// `g = gradient` and `d = weight_decay * parameter`: AdamW.
///
/// The learning rate and the corrections `1 - beta^step` come from the control block. If `scaled`, the corrections come from
/// [`LossScale`], `gradient * unscale` replaces `gradient`, and nothing changes if `skip` is 1.
///
/// # Source
/// Kingma and Ba (2015), with `eps` outside the square root as in PyTorch; Loshchilov and Hutter: "Decoupled weight decay
/// regularization" (2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Elements.
    pub len: usize,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the denominator.
    pub eps: f32,
    /// Factor of the weight decay.
    pub weight_decay: f32,
    /// Whether weight decay is kept out of the moments: AdamW.
    pub decoupled: bool,
    /// Whether gradients are multiplied by the loss scale.
    pub scaled: bool,
    /// Whether a parameter that is exactly 0 stays 0, as pruned weights do.
    pub sparse: bool,
}

operands! {
    /// The operands of [`Adam`].
    AdamOperands {
        control: Read<ControlBlock>,
        loss_scale: Option<Read<F32>>,
        gradient: Read<F32>,
        parameter: Update<F32>,
        m: Update<F32>,
        v: Update<F32>,
    }
}

impl Adam {
    /// PyTorch's constants, without weight decay, for no elements.
    pub const DEFAULT: Self = Self {
        len: 0,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
        decoupled: false,
        scaled: false,
        sparse: false,
    };

    /// The factors of coupled and decoupled weight decay.
    pub fn decays(&self) -> [f32; 2] {
        if self.decoupled { [0.0, self.weight_decay] } else { [self.weight_decay, 0.0] }
    }
}

impl Operation for Adam {
    const NAME: &'static str = "adam.update";
    type Operands<F: Family> = AdamOperands<F>;

    fn operands(&self) -> AdamOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        AdamOperands {
            control: Extent::control(),
            loss_scale: self.scaled.then(LossScale::extent),
            gradient: len.clone(),
            parameter: len.clone(),
            m: len.clone(),
            v: len,
        }
    }

    fn flops(&self) -> u64 {
        12 * self.len as u64
    }
}
