//! Max-pooling with argmax, without padding.

use super::{GradStatistics, Operand};

/// `output[n, p, q, c]` is the maximum of the window at `(p * stride, q * stride)`. The first maximum in row-major
/// order wins, and a NaN is larger than everything.
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

    /// Whether the windows lie side by side, so that each pixel belongs to at most one.
    pub fn disjoint(&self) -> bool {
        self.stride == [self.kernel; 2]
    }

    fn input(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }

    fn output(&self) -> [usize; 4] {
        let [p, q] = self.output_size();
        [self.n, p, q, self.c]
    }

    fn flops(&self) -> u64 {
        (self.output().iter().product::<usize>() * self.kernel * self.kernel) as u64
    }
}

/// The forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaxPoolForward {
    /// The pooling.
    pub pool: MaxPool,
    /// Reads the input as [`super::ConvForward::normalized`] does.
    pub normalized: bool,
}

impl MaxPoolForward {
    pub(super) fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![Operand::read("input", self.pool.input())];
        operands.extend(self.normalized.then(|| Operand::affine(self.pool.c)));
        operands.push(Operand::write("output", self.pool.output()));
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        self.pool.flops()
    }
}

/// `grad_input` of a pixel is the sum of `grad_output` over the windows that cover it and chose it.
///
/// Which pixel a window chose is found again rather than stored. With `normalized` it is the gradient for what was
/// pooled, not for `input`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPoolGrad {
    /// The pooling.
    pub pool: MaxPool,
    /// Reads the input as [`super::ConvForward::normalized`] does.
    pub normalized: bool,
    /// Gives the gradients of the gamma and beta of the batch norm in front, too. Needs `normalized` and windows that are
    /// [`MaxPool::disjoint`].
    pub statistics: Option<GradStatistics>,
}

impl MaxPoolGrad {
    pub(super) fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![Operand::read("input", self.pool.input())];
        operands.extend(self.normalized.then(|| Operand::affine(self.pool.c)));
        operands.push(Operand::read("grad_output", self.pool.output()));
        operands.push(Operand::write("grad_input", self.pool.input()));
        operands.extend(self.statistics.iter().flat_map(|statistics| statistics.operands(self.pool.c)));
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        let sums =
            if self.statistics.is_some() { 5 * self.pool.output().iter().product::<usize>() } else { 0 };
        self.pool.flops() + sums as u64
    }
}
