//! The average of a parameter over the steps.

use super::Operand;

/// `average = decay * average + (1 - decay) * value`, and `average = value` in step 1: an exponential moving average.
///
/// # Source
/// Polyak and Juditsky (1992); the form and the first step are those of PyTorch's `AveragedModel`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Average {
    /// Elements.
    pub len: usize,
    /// What stays of the average in a step.
    pub decay: f32,
}

impl Average {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![Operand::control(), Operand::read("value", [self.len]), Operand::update("average", [self.len])]
    }

    pub(super) fn flops(&self) -> u64 {
        3 * self.len as u64
    }
}
