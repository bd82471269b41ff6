//! Stochastic gradient descent, with momentum.

mod check;
mod cpu;
mod kernels;

use super::{ControlBlock, Each, Extent, F32, Family, LossScale, Operation, Read, Update, operand::operands};

/// One step: `g = gradient + weight_decay * parameter`, `velocity = momentum * velocity + g`,
/// `parameter -= learning_rate * velocity`; with Nesterov's momentum `learning_rate * (g + momentum * velocity)`, and without
/// momentum `learning_rate * g`, without the operand `velocity`.
///
/// With a velocity of 0 before the first step, the first velocity is `g`, as in PyTorch with `dampening` 0. The learning rate
/// comes from the control block. If `scaled`, `gradient * unscale` of [`LossScale`] replaces `gradient`, and nothing changes
/// if `skip` is 1.
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
    /// Whether gradients are multiplied by the loss scale.
    pub scaled: bool,
    /// Whether a parameter that is exactly 0 stays 0, as pruned weights do.
    pub sparse: bool,
}

operands! {
    /// The operands of [`Sgd`].
    SgdOperands {
        control: Read<ControlBlock>,
        loss_scale: Option<Read<F32>>,
        gradient: Read<F32>,
        parameter: Update<F32>,
        velocity: Option<Update<F32>>,
    }
}

impl Sgd {
    /// Whether there is a velocity.
    pub fn has_velocity(&self) -> bool {
        self.momentum != 0.0
    }
}

impl Operation for Sgd {
    const NAME: &'static str = "sgd.update";
    type Operands<F: Family> = SgdOperands<F>;

    fn operands(&self) -> SgdOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        SgdOperands {
            control: Extent::control(),
            loss_scale: self.scaled.then(LossScale::extent),
            gradient: len.clone(),
            parameter: len.clone(),
            velocity: self.has_velocity().then_some(len),
        }
    }

    fn flops(&self) -> u64 {
        8 * self.len as u64
    }
}
