//! 3x3 convolution, padding 1, stride 1.

mod check;
mod cpu;
mod kernels;
pub(crate) mod reference;

use super::{
    Activation, BatchNormAffine, BatchNormGradAffine, BatchNormNormalize, Each, Extent, F32, Family,
    GradStatistics, Operation, Read, Stored, Write, operand::operands,
};

/// `output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] * weight[r, s, c, k]`.
///
/// As a matrix product: `M = N H W` (pixels), `N = K`, `K = R S C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// Images in the batch.
    pub n: usize,
    /// Height of input and output.
    pub h: usize,
    /// Width of input and output.
    pub w: usize,
    /// Input channels.
    pub c: usize,
    /// Output channels.
    pub k: usize,
}

impl Conv {
    /// Rows of the matrix product: the pixels of the batch.
    pub fn pixels(&self) -> usize {
        self.n * self.h * self.w
    }

    fn input(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }

    fn output(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.k]
    }

    fn weight(&self) -> [usize; 4] {
        [3, 3, self.c, self.k]
    }

    /// Floating-point operations of each of the three passes.
    fn flops(&self) -> u64 {
        2 * 9 * self.pixels() as u64 * self.c as u64 * self.k as u64
    }
}

/// The forward pass, with what comes before and after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvForward {
    /// The convolution.
    pub conv: Conv,
    /// Reads `activation((input - mean) * scale + shift)` by the vectors of `affine` in place of `input`; the padding is 0
    /// after that.
    pub normalized: Option<Activation>,
    /// Whether the vectors of `affine` are those of each image, `[N, 4, C]`, and not of the batch.
    pub by_image: bool,
    /// Also computes the mean and the biased variance of each channel of `output`, as [`super::BatchNormStatistics`].
    pub statistics: bool,
}

operands! {
    /// The operands of [`ConvForward`].
    ConvForwardOperands {
        input: Read<Stored>,
        affine: Option<Read<F32>>,
        weight: Read<Stored>,
        bias: Read<F32>,
        output: Write<Stored>,
        batch_mean: Option<Write<F32>>,
        batch_var: Option<Write<F32>>,
    }
}

impl ConvForward {
    /// Only the convolution.
    pub fn plain(conv: Conv) -> Self {
        Self { conv, normalized: None, by_image: false, statistics: false }
    }

    /// The operation that applies the input's prologue by itself.
    pub(super) fn normalize(&self) -> Option<BatchNormNormalize> {
        let Conv { n, h, w, c, .. } = self.conv;
        BatchNormNormalize::prologue(self.normalized, self.by_image, [n, h * w, c])
    }
}

impl Operation for ConvForward {
    const NAME: &'static str = "conv.forward";
    type Operands<F: Family> = ConvForwardOperands<F>;

    fn operands(&self) -> ConvForwardOperands<Each<Extent>> {
        let conv = &self.conv;
        let moments: Option<Extent> = self.statistics.then(|| [conv.k].into());
        ConvForwardOperands {
            input: conv.input().into(),
            affine: self.normalized.map(|_| BatchNormAffine::of(self.by_image.then_some(conv.n), conv.c)),
            weight: conv.weight().into(),
            bias: [conv.k].into(),
            output: conv.output().into(),
            batch_mean: moments.clone(),
            batch_var: moments,
        }
    }

    fn flops(&self) -> u64 {
        self.conv.flops()
    }
}

/// `grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] * weight[r, s, c, k]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvGradInput {
    /// The convolution.
    pub conv: Conv,
    /// The activation after the convolution's batch norm. `grad_output` is then the gradient of the activation's result, and
    /// [`super::BatchNormGradInput`] of `output`, the convolution's result, is applied to it by the vectors of `grad_affine`.
    pub through: Option<Activation>,
    /// Also computes the gradients of gamma and beta of the batch norm through which the convolution reads `input`
    /// ([`ConvForward::normalized`]).
    pub statistics: Option<GradStatistics>,
}

operands! {
    /// The operands of [`ConvGradInput`].
    ConvGradInputOperands {
        grad_output: Read<Stored>,
        output: Option<Read<Stored>>,
        grad_affine: Option<Read<F32>>,
        weight: Read<Stored>,
        input: Option<Read<Stored>>,
        affine: Option<Read<F32>>,
        grad_input: Write<Stored>,
        grad_gamma: Option<Write<F32>>,
        grad_beta: Option<Write<F32>>,
    }
}

impl ConvGradInput {
    /// Only the gradient.
    pub fn plain(conv: Conv) -> Self {
        Self { conv, through: None, statistics: None }
    }
}

impl Operation for ConvGradInput {
    const NAME: &'static str = "conv.grad_input";
    type Operands<F: Family> = ConvGradInputOperands<F>;

    fn operands(&self) -> ConvGradInputOperands<Each<Extent>> {
        let conv = &self.conv;
        let sums = self.statistics.map(|statistics| statistics.extent(conv.c));
        ConvGradInputOperands {
            grad_output: conv.output().into(),
            output: self.through.map(|_| conv.output().into()),
            grad_affine: self.through.map(|_| BatchNormGradAffine::extent(conv.k)),
            weight: conv.weight().into(),
            input: self.statistics.map(|_| conv.input().into()),
            affine: self.statistics.map(|_| BatchNormAffine::extent(conv.c)),
            grad_input: conv.input().into(),
            grad_gamma: sums.clone(),
            grad_beta: sums,
        }
    }

    fn flops(&self) -> u64 {
        let sums =
            if self.statistics.is_some() { 5 * self.conv.input().iter().product::<usize>() } else { 0 };
        self.conv.flops() + sums as u64
    }
}

/// `grad_weight[r, s, c, k] = sum over n, h, w of input[n, h + r - 1, w + s - 1, c] * grad_output[n, h, w, k]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvGradWeight {
    /// The convolution.
    pub conv: Conv,
    /// Reads the input as [`ConvForward::normalized`] does.
    pub normalized: Option<Activation>,
    /// As [`ConvForward::by_image`].
    pub by_image: bool,
    /// Reads `grad_output` as [`ConvGradInput::through`] does.
    pub through: Option<Activation>,
    /// Adds to `grad_weight` instead of overwriting it (a batch in slices).
    pub accumulate: bool,
}

operands! {
    /// The operands of [`ConvGradWeight`].
    ConvGradWeightOperands {
        input: Read<Stored>,
        affine: Option<Read<F32>>,
        grad_output: Read<Stored>,
        output: Option<Read<Stored>>,
        grad_affine: Option<Read<F32>>,
        grad_weight: Write<F32>,
    }
}

impl ConvGradWeight {
    /// Only the gradient.
    pub fn plain(conv: Conv) -> Self {
        Self { conv, normalized: None, by_image: false, through: None, accumulate: false }
    }

    /// The operation that applies the input's prologue by itself.
    pub(super) fn normalize(&self) -> Option<BatchNormNormalize> {
        let Conv { n, h, w, c, .. } = self.conv;
        BatchNormNormalize::prologue(self.normalized, self.by_image, [n, h * w, c])
    }
}

impl Operation for ConvGradWeight {
    const NAME: &'static str = "conv.grad_weight";
    type Operands<F: Family> = ConvGradWeightOperands<F>;

    fn operands(&self) -> ConvGradWeightOperands<Each<Extent>> {
        let conv = &self.conv;
        ConvGradWeightOperands {
            input: conv.input().into(),
            affine: self.normalized.map(|_| BatchNormAffine::of(self.by_image.then_some(conv.n), conv.c)),
            grad_output: conv.output().into(),
            output: self.through.map(|_| conv.output().into()),
            grad_affine: self.through.map(|_| BatchNormGradAffine::extent(conv.k)),
            grad_weight: Extent::result(conv.weight(), self.accumulate),
        }
    }

    fn flops(&self) -> u64 {
        self.conv.flops()
    }
}
