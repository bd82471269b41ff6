//! The gradient of a bias.

mod check;
mod cpu;
pub(crate) mod kernels;

use super::{Each, Extent, F32, Family, Operation, Read, Stored, Write, operand::operands};

/// `grad_bias[c] = sum over rows of grad_output[row, c]`, for convolutions and linear layers alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GradBias {
    /// Rows of `grad_output`: pixels of the batch, or images.
    pub rows: usize,
    /// Columns: the output channels or features.
    pub channels: usize,
    /// Adds to `grad_bias` instead of overwriting it.
    pub accumulate: bool,
}

operands! {
    /// The operands of [`GradBias`].
    GradBiasOperands { grad_output: Read<Stored>, grad_bias: Write<F32> }
}

impl Operation for GradBias {
    const NAME: &'static str = "bias.grad";
    type Operands<F: Family> = GradBiasOperands<F>;

    fn operands(&self) -> GradBiasOperands<Each<Extent>> {
        GradBiasOperands {
            grad_output: [self.rows, self.channels].into(),
            grad_bias: Extent::result([self.channels], self.accumulate),
        }
    }

    fn flops(&self) -> u64 {
        (self.rows * self.channels) as u64
    }
}
