//! Max-pooling with argmax, without padding.

use super::{DType, Operand};

/// `output[n, p, q, c]` is the maximum of the window at `(p * stride, q * stride)`, and `argmax` its flat
/// position `h * W + w` in the input plane. The first maximum in row-major order wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaxPool {
    /// Images in the batch.
    pub n: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// Side of the square window.
    pub kernel: usize,
    /// Strides along height and width; smaller than the kernel makes windows overlap.
    pub stride: [usize; 2],
}

impl MaxPool {
    /// Output height and width: `(side - kernel) / stride + 1`.
    pub fn output_size(&self) -> [usize; 2] {
        [(self.h - self.kernel) / self.stride[0] + 1, (self.w - self.kernel) / self.stride[1] + 1]
    }

    fn input(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }

    fn output(&self) -> [usize; 4] {
        let [p, q] = self.output_size();
        [self.n, p, q, self.c]
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", self.input()),
            Operand::write("output", self.output()),
            Operand::write("argmax", self.output()).of(DType::U32),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        (self.output().iter().product::<usize>() * self.kernel * self.kernel) as u64
    }
}

/// `grad_input` of a pixel is the sum of `grad_output` over the windows that cover it and chose it.
///
/// Gathered per input pixel, so that overlapping windows need no atomics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaxPoolGrad(pub MaxPool);

impl MaxPoolGrad {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("argmax", self.0.output()).of(DType::U32),
            Operand::read("grad_output", self.0.output()),
            Operand::write("grad_input", self.0.input()),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        self.0.flops()
    }
}
