//! The mean gradient of several batches.

mod check;
mod cpu;
mod kernels;

use super::{ControlBlock, Each, Extent, F32, Family, Operation, Read, Update, operand::operands};

/// `mean = share * gradient` for the first batch of an optimiser step, `mean += share * gradient` for the others, with `share` and
/// `first` of [`Control`](super::Control): 1 / K for K batches.
///
/// # Source
/// What PyTorch's users do when they divide the loss by K and call `backward` K times before `optimizer.step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accumulate {
    /// Elements.
    pub len: usize,
}

operands! {
    /// The operands of [`Accumulate`].
    AccumulateOperands { control: Read<ControlBlock>, gradient: Read<F32>, mean: Update<F32> }
}

impl Operation for Accumulate {
    const NAME: &'static str = "accumulate.add";
    type Operands<F: Family> = AccumulateOperands<F>;

    fn operands(&self) -> AccumulateOperands<Each<Extent>> {
        AccumulateOperands {
            control: Extent::control(),
            gradient: [self.len].into(),
            mean: [self.len].into(),
        }
    }

    fn flops(&self) -> u64 {
        2 * self.len as u64
    }
}
