//! An L1 penalty on batch norm's gamma.

mod check;
mod cpu;
mod kernels;

use super::{Each, Extent, F32, Family, LossScale, Operation, Read, Update, operand::operands};

/// `gradient += strength * sign(parameter)`, the subgradient of `strength * |parameter|`, with `sign(0) = 0`; if `scaled`,
/// `strength * scale` of [`LossScale`] replaces `strength`.
///
/// `scale` is that of these gradients until [`super::LossScaleUpdate`] sets the next step's: this comes before it.
///
/// # Source
/// Liu et al.: "Learning efficient convolutional networks through network slimming" (2017).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1Penalty {
    /// Elements.
    pub len: usize,
    /// The factor of the penalty in the loss.
    pub strength: f32,
    /// Whether gradients are multiplied by the loss scale.
    pub scaled: bool,
}

operands! {
    /// The operands of [`L1Penalty`].
    L1PenaltyOperands { loss_scale: Option<Read<F32>>, parameter: Read<F32>, gradient: Update<F32> }
}

impl Operation for L1Penalty {
    const NAME: &'static str = "l1_penalty.apply";
    type Operands<F: Family> = L1PenaltyOperands<F>;

    fn operands(&self) -> L1PenaltyOperands<Each<Extent>> {
        L1PenaltyOperands {
            loss_scale: self.scaled.then(LossScale::extent),
            parameter: [self.len].into(),
            gradient: [self.len].into(),
        }
    }

    fn flops(&self) -> u64 {
        2 * self.len as u64
    }
}
