//! Stochastic gradient descent, with momentum.

use super::{LossScale, Operand};

/// One step: `g = gradient + weight_decay * parameter`, `velocity = momentum * velocity + g`,
/// `parameter -= learning_rate * velocity`; with Nesterov's momentum `learning_rate * (g + momentum * velocity)`, and without
/// momentum `learning_rate * g`, where there is no operand `velocity`.
///
/// A velocity of 0 before the first step makes it `g` there, as in PyTorch, whose `dampening` of 0 this is. The learning rate
/// comes from the control block; `scaled`, `gradient * unscale` of [`LossScale`] stands for `gradient`, and nothing changes
/// where `skip` is 1.
///
/// # Source
/// Sutskever et al.: "On the importance of initialization and momentum in deep learning" (2013), in PyTorch's form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Elements.
    pub len: usize,
    /// Decay of the velocity; 0: none.
    pub momentum: f32,
    /// Whether the step looks ahead along the velocity.
    pub nesterov: bool,
    /// L2 penalty added to the gradient.
    pub weight_decay: f32,
    /// Whether gradients carry the loss's scale.
    pub scaled: bool,
}

impl Sgd {
    /// Whether there is a velocity.
    pub fn has_velocity(&self) -> bool {
        self.momentum != 0.0
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![Operand::control()];
        operands.extend(self.scaled.then(LossScale::operand));
        operands.extend([Operand::read("gradient", [self.len]), Operand::update("parameter", [self.len])]);
        operands.extend(self.has_velocity().then(|| Operand::update("velocity", [self.len])));
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        8 * self.len as u64
    }
}
