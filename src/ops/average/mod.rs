//! The average of a parameter over the steps.

mod check;
mod cpu;
mod kernels;

use super::{Control, ControlBlock, Each, Extent, F32, Family, Operation, Read, Update, operand::operands};

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

operands! {
    /// The operands of [`Average`].
    AverageOperands { control: Read<ControlBlock>, value: Read<F32>, average: Update<F32> }
}

impl Operation for Average {
    const NAME: &'static str = "average.update";
    type Operands<F: Family> = AverageOperands<F>;

    fn operands(&self) -> AverageOperands<Each<Extent>> {
        AverageOperands { control: Control::extent(), value: [self.len].into(), average: [self.len].into() }
    }

    fn flops(&self) -> u64 {
        3 * self.len as u64
    }
}
