//! Adaptive average pooling: any input size to a given output size.

mod check;
mod cpu;
mod kernels;

use super::{Each, Extent, Family, Operation, Read, Stored, Write, operand::operands};

/// `output[n, p, q, c]` is the mean of `input` over the rows `floor(p H / P) .. ceil((p + 1) H / P)` and the columns
/// likewise. Windows overlap if the sizes do not divide, and repeat pixels if the output is larger.
///
/// # Source
/// PyTorch's `AdaptiveAvgPool2d`, which torchvision has before VGG's classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AvgPool {
    /// Images in the batch.
    pub n: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// Output height and width.
    pub output: [usize; 2],
}

operands! {
    /// The operands of [`AvgPool`].
    AvgPoolOperands { input: Read<Stored>, output: Write<Stored> }
}

impl AvgPool {
    /// The window of output `index` of `outputs` on an axis of `side` pixels.
    pub fn window(index: usize, side: usize, outputs: usize) -> std::ops::Range<usize> {
        index * side / outputs..((index + 1) * side).div_ceil(outputs)
    }

    fn input(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }

    fn pooled(&self) -> [usize; 4] {
        let [p, q] = self.output;
        [self.n, p, q, self.c]
    }
}

impl Operation for AvgPool {
    const NAME: &'static str = "avg_pool.forward";
    type Operands<F: Family> = AvgPoolOperands<F>;

    fn operands(&self) -> AvgPoolOperands<Each<Extent>> {
        AvgPoolOperands { input: self.input().into(), output: self.pooled().into() }
    }

    /// An addition for each pixel of each window.
    fn flops(&self) -> u64 {
        let along = |side, outputs| (0..outputs).map(|i| Self::window(i, side, outputs).len()).sum::<usize>();
        let [p, q] = self.output;
        (self.n * self.c * along(self.h, p) * along(self.w, q)) as u64
    }
}

/// `grad_input` of a pixel is the sum of `grad_output` over the windows that cover it, each divided by its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AvgPoolGrad(pub AvgPool);

operands! {
    /// The operands of [`AvgPoolGrad`].
    AvgPoolGradOperands { grad_output: Read<Stored>, grad_input: Write<Stored> }
}

impl Operation for AvgPoolGrad {
    const NAME: &'static str = "avg_pool.grad_input";
    type Operands<F: Family> = AvgPoolGradOperands<F>;

    fn operands(&self) -> AvgPoolGradOperands<Each<Extent>> {
        AvgPoolGradOperands { grad_output: self.0.pooled().into(), grad_input: self.0.input().into() }
    }

    fn flops(&self) -> u64 {
        self.0.flops()
    }
}
