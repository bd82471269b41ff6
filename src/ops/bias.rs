//! The gradient of a bias.

use super::Operand;

/// `grad_bias[c] = sum over rows of grad_output[row, c]`, for convolutions and linear layers alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GradBias {
    /// Rows of `grad_output`: pixels of the batch, or images.
    pub rows: usize,
    /// Columns: the output channels or features.
    pub channels: usize,
    /// Adds to what `grad_bias` holds instead of replacing it.
    pub accumulate: bool,
}

impl GradBias {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("grad_output", [self.rows, self.channels]),
            Operand::result("grad_bias", [self.channels], self.accumulate),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        (self.rows * self.channels) as u64
    }
}
