//! Loss and accuracy, summed on the device.

use super::{DType, Operand};

/// Adds `[sum of loss, correct answers, images, 0]` of the batch's valid images to `metrics`.
///
/// An answer is correct when the first largest of `probs` is the label. The counts are exact in f32 up to 2^24
/// images; the host reads and clears them long before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Metrics {
    /// Images in the batch.
    pub n: usize,
    /// Classes.
    pub classes: usize,
}

impl Metrics {
    /// The number of sums.
    pub const LEN: usize = 4;

    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::control(),
            Operand::read("loss", [self.n]),
            Operand::read("probs", [self.n, self.classes]),
            Operand::read("labels", [self.n]).of(DType::U32),
            Operand::update("metrics", [Self::LEN]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        (self.n * self.classes) as u64
    }
}
