//! The Lion optimiser.

mod check;
mod cpu;
mod kernels;

use super::{ControlBlock, Each, Extent, F32, Family, LossScale, Operation, Read, Update, operand::operands};

/// One step: `parameter -= learning_rate * (sign(beta1 m + (1 - beta1) g) + weight_decay * parameter)`, then
/// `m = beta2 m + (1 - beta2) g`, where `g` is `gradient`; `sign(0) = 0`.
///
/// The learning rate comes from the control block. If `scaled`, `gradient * unscale` of [`LossScale`] replaces `gradient`, and
/// nothing changes if `skip` is 1.
///
/// # Source
/// Chen et al.: "Symbolic discovery of optimization algorithms" (2023), algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// Elements.
    pub len: usize,
    /// The weight of the momentum in the direction of the step.
    pub beta1: f32,
    /// Decay of the momentum.
    pub beta2: f32,
    /// Factor of the decoupled weight decay.
    pub weight_decay: f32,
    /// Whether gradients are multiplied by the loss scale.
    pub scaled: bool,
    /// Whether a parameter that is exactly 0 stays 0, as pruned weights do.
    pub sparse: bool,
}

operands! {
    /// The operands of [`Lion`].
    LionOperands {
        control: Read<ControlBlock>,
        loss_scale: Option<Read<F32>>,
        gradient: Read<F32>,
        parameter: Update<F32>,
        m: Update<F32>,
    }
}

impl Operation for Lion {
    const NAME: &'static str = "lion.update";
    type Operands<F: Family> = LionOperands<F>;

    fn operands(&self) -> LionOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        LionOperands {
            control: Extent::control(),
            loss_scale: self.scaled.then(LossScale::extent),
            gradient: len.clone(),
            parameter: len.clone(),
            m: len,
        }
    }

    fn flops(&self) -> u64 {
        10 * self.len as u64
    }
}
