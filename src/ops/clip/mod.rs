//! Clipping of all gradients by their common norm.

mod check;
mod cpu;
mod kernels;

use super::{Each, Extent, F32, Family, LossScale, Operation, Read, Update, Write, operand::operands};

/// `squares = sum of gradient^2`, or `+=`, so that one sum covers many tensors in a fixed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SquareSum {
    /// Elements.
    pub len: usize,
    /// Whether to add to `squares`.
    pub accumulate: bool,
}

operands! {
    /// The operands of [`SquareSum`].
    SquareSumOperands { gradient: Read<F32>, squares: Write<F32> }
}

impl Operation for SquareSum {
    const NAME: &'static str = "clip.square_sum";
    type Operands<F: Family> = SquareSumOperands<F>;

    fn operands(&self) -> SquareSumOperands<Each<Extent>> {
        SquareSumOperands { gradient: [self.len].into(), squares: Extent::result([1], self.accumulate) }
    }

    fn flops(&self) -> u64 {
        2 * self.len as u64
    }
}

/// `gradient *= min(1, max_norm / (norm + 1e-6))` with `norm = sqrt(squares)`; if `scaled`, `norm = sqrt(squares) * unscale`
/// of [`LossScale`]: the norm of the gradients without the loss scale.
///
/// # Source
/// Pascanu et al.: "On the difficulty of training recurrent neural networks" (2013), as PyTorch's `clip_grad_norm_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipGradient {
    /// Elements.
    pub len: usize,
    /// The maximum norm.
    pub max_norm: f32,
    /// Whether gradients are multiplied by the loss scale.
    pub scaled: bool,
}

operands! {
    /// The operands of [`ClipGradient`].
    ClipGradientOperands { loss_scale: Option<Read<F32>>, squares: Read<F32>, gradient: Update<F32> }
}

impl ClipGradient {
    /// Added to the norm.
    pub const EPS: f64 = 1e-6;
}

impl Operation for ClipGradient {
    const NAME: &'static str = "clip.apply";
    type Operands<F: Family> = ClipGradientOperands<F>;

    fn operands(&self) -> ClipGradientOperands<Each<Extent>> {
        ClipGradientOperands {
            loss_scale: self.scaled.then(LossScale::extent),
            squares: [1].into(),
            gradient: [self.len].into(),
        }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}
