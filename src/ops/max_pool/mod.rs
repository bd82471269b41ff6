//! Max-pooling with argmax, without padding.

mod check;
mod cpu;
mod kernels;
mod reference;

use super::{
    Activation, BatchNormAffine, BatchNormNormalize, Each, Extent, F32, Family, GradStatistics, Operation,
    Read, Stored, Write, operand::operands,
};

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

    /// Whether the windows are disjoint, so that each pixel belongs to at most one.
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

    /// The operation that applies the input's prologue by itself.
    fn normalize(&self, normalized: Option<Activation>, by_image: bool) -> Option<BatchNormNormalize> {
        BatchNormNormalize::prologue(normalized, by_image, [self.n, self.h * self.w, self.c])
    }

    fn flops(&self) -> u64 {
        (self.output().iter().product::<usize>() * self.kernel * self.kernel) as u64
    }
}

/// The forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPoolForward {
    /// The pooling.
    pub pool: MaxPool,
    /// Reads the input as [`super::ConvForward::normalized`] does.
    pub normalized: Option<Activation>,
    /// As [`super::ConvForward::by_image`].
    pub by_image: bool,
}

operands! {
    /// The operands of [`MaxPoolForward`].
    MaxPoolForwardOperands { input: Read<Stored>, affine: Option<Read<F32>>, output: Write<Stored> }
}

impl Operation for MaxPoolForward {
    const NAME: &'static str = "max_pool.forward";
    type Operands<F: Family> = MaxPoolForwardOperands<F>;

    fn operands(&self) -> MaxPoolForwardOperands<Each<Extent>> {
        MaxPoolForwardOperands {
            input: self.pool.input().into(),
            affine: self
                .normalized
                .map(|_| BatchNormAffine::of(self.by_image.then_some(self.pool.n), self.pool.c)),
            output: self.pool.output().into(),
        }
    }

    fn flops(&self) -> u64 {
        self.pool.flops()
    }
}

/// `grad_input` of a pixel is the sum of `grad_output` over the windows that cover it and chose it.
///
/// The pixel that a window chose is recomputed rather than stored. With `normalized` this is the gradient of the pooled
/// values, not of `input`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPoolGrad {
    /// The pooling.
    pub pool: MaxPool,
    /// Reads the input as [`super::ConvForward::normalized`] does.
    pub normalized: Option<Activation>,
    /// As [`super::ConvForward::by_image`]. Excludes `statistics`.
    pub by_image: bool,
    /// Also computes the gradients of gamma and beta of the preceding batch norm. Needs `normalized` and windows that are
    /// [`MaxPool::disjoint`].
    pub statistics: Option<GradStatistics>,
}

operands! {
    /// The operands of [`MaxPoolGrad`].
    MaxPoolGradOperands {
        input: Read<Stored>,
        affine: Option<Read<F32>>,
        grad_output: Read<Stored>,
        grad_input: Write<Stored>,
        grad_gamma: Option<Write<F32>>,
        grad_beta: Option<Write<F32>>,
    }
}

impl Operation for MaxPoolGrad {
    const NAME: &'static str = "max_pool.grad_input";
    type Operands<F: Family> = MaxPoolGradOperands<F>;

    fn operands(&self) -> MaxPoolGradOperands<Each<Extent>> {
        let sums = self.statistics.map(|statistics| statistics.extent(self.pool.c));
        MaxPoolGradOperands {
            input: self.pool.input().into(),
            affine: self
                .normalized
                .map(|_| BatchNormAffine::of(self.by_image.then_some(self.pool.n), self.pool.c)),
            grad_output: self.pool.output().into(),
            grad_input: self.pool.input().into(),
            grad_gamma: sums.clone(),
            grad_beta: sums,
        }
    }

    fn flops(&self) -> u64 {
        let sums =
            if self.statistics.is_some() { 5 * self.pool.output().iter().product::<usize>() } else { 0 };
        self.pool.flops() + sums as u64
    }
}
