//! The Adam optimiser.

use super::Operand;

/// One bias-corrected step: `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
/// `parameter -= learning_rate * (m / correction1) / (sqrt(v / correction2) + eps)`,
/// where `g = gradient + weight_decay * parameter`.
///
/// The learning rate and the corrections `1 - beta^step` come from the control block.
///
/// # Source
/// Kingma and Ba (2015), with `eps` outside the square root as in PyTorch.
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
    /// L2 penalty added to the gradient.
    pub weight_decay: f32,
}

impl Adam {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::control(),
            Operand::read("gradient", [self.len]),
            Operand::update("parameter", [self.len]),
            Operand::update("m", [self.len]),
            Operand::update("v", [self.len]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        12 * self.len as u64
    }
}
