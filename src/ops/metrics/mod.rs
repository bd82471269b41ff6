//! Loss and accuracy, summed on the device.

mod check;
mod cpu;
mod kernels;

use super::{ControlBlock, Each, Extent, F32, Family, Operation, Read, U32, Update, operand::operands};

/// Adds `[sum of loss, correct answers, images, 0]` of the batch's valid images to `metrics`.
///
/// An answer is correct if the first maximum of `probs` is at the label. The counts are exact in f32 up to 2^24 images;
/// the host reads and clears them long before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Metrics {
    /// Images in the batch.
    pub n: usize,
    /// Classes.
    pub classes: usize,
}

operands! {
    /// The operands of [`Metrics`].
    MetricsOperands {
        control: Read<ControlBlock>,
        loss: Read<F32>,
        probs: Read<F32>,
        labels: Read<U32>,
        metrics: Update<F32>,
    }
}

impl Metrics {
    /// The number of sums.
    pub const LEN: usize = 4;
}

impl Operation for Metrics {
    const NAME: &'static str = "metrics.accumulate";
    type Operands<F: Family> = MetricsOperands<F>;

    fn operands(&self) -> MetricsOperands<Each<Extent>> {
        MetricsOperands {
            control: Extent::control(),
            loss: [self.n].into(),
            probs: [self.n, self.classes].into(),
            labels: [self.n].into(),
            metrics: [Self::LEN].into(),
        }
    }

    fn flops(&self) -> u64 {
        (self.n * self.classes) as u64
    }
}
