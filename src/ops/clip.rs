//! Clipping of all gradients by their common norm.

use super::{LossScale, Operand};

/// `squares = sum of gradient^2`, or added to what is there, so that one sum goes over many tensors in a fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SquareSum {
    /// Elements.
    pub len: usize,
    /// Whether to add to `squares`.
    pub accumulate: bool,
}

impl SquareSum {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![Operand::read("gradient", [self.len]), Operand::result("squares", [1], self.accumulate)]
    }

    pub(super) fn flops(&self) -> u64 {
        2 * self.len as u64
    }
}

/// `gradient *= min(1, max_norm / (norm + 1e-6))`, where `norm = sqrt(squares)`; `scaled`, `norm = sqrt(squares) * unscale`
/// of [`LossScale`]: that of the gradients without the loss's scale.
///
/// # Source
/// Pascanu et al.: "On the difficulty of training recurrent neural networks" (2013), as PyTorch's `clip_grad_norm_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipGradient {
    /// Elements.
    pub len: usize,
    /// The norm that is not exceeded.
    pub max_norm: f32,
    /// Whether gradients carry the loss's scale.
    pub scaled: bool,
}

impl ClipGradient {
    /// Added to the norm.
    pub const EPS: f64 = 1e-6;

    pub(super) fn operands(&self) -> Vec<Operand> {
        let mut operands = Vec::new();
        operands.extend(self.scaled.then(LossScale::operand));
        operands.extend([Operand::read("squares", [1]), Operand::update("gradient", [self.len])]);
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        self.len as u64
    }
}
