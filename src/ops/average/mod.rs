//! The average of a parameter over the steps.

mod check;
mod cpu;
mod kernels;

use super::{ControlBlock, Each, Extent, F32, Family, Operation, Read, Update, operand::operands};

/// An exponential moving average whose decay is warmed up: `average = decay_t average + (1 - decay_t) value` in step `t`,
/// counted from 1, with `decay_t = min(decay, (1 + t) / (10 + t))`; in step 1 `average = value`.
///
/// Until `decay` is reached, the average covers about the last ninth of the steps, so it forgets the random initial weights
/// even in a short run.
///
/// # Source
/// The warm-up is that of TensorFlow's `ExponentialMovingAverage` with `num_updates`; the first step is that of PyTorch's
/// `AveragedModel`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Average {
    /// Elements.
    pub len: usize,
    /// The decay after warm-up.
    pub decay: f32,
}

impl Average {
    /// The weights of the average and of the value in a step, counted from 1: `[decay_t, 1 - decay_t]`.
    pub fn weights(&self, step: u32) -> [f64; 2] {
        let (decay, t) = (f64::from(self.decay), f64::from(step));
        [decay.min((1.0 + t) / (10.0 + t)), (1.0 - decay).max(9.0 / (10.0 + t))]
    }
}

operands! {
    /// The operands of [`Average`].
    AverageOperands { control: Read<ControlBlock>, value: Read<F32>, average: Update<F32> }
}

impl Operation for Average {
    const NAME: &'static str = "average.update";
    type Operands<F: Family> = AverageOperands<F>;

    fn operands(&self) -> AverageOperands<Each<Extent>> {
        AverageOperands { control: Extent::control(), value: [self.len].into(), average: [self.len].into() }
    }

    fn flops(&self) -> u64 {
        3 * self.len as u64
    }
}
