//! 3x3 convolution, padding 1, stride 1.

use super::{GradStatistics, Operand};

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

    /// The gradient of the output, and what it is read through.
    fn grad_output(&self, through: Option<f32>) -> Vec<Operand> {
        let mut operands = vec![Operand::read("grad_output", self.output())];
        if through.is_some() {
            operands.push(Operand::read("output", self.output()));
            operands.push(Operand::grad_affine(self.k));
        }
        operands
    }

    /// Floating-point operations of each of the three passes.
    fn flops(&self) -> u64 {
        2 * 9 * self.pixels() as u64 * self.c as u64 * self.k as u64
    }
}

/// The forward pass, with what comes before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvForward {
    /// The convolution.
    pub conv: Conv,
    /// Reads `relu((input - mean) * scale + shift)` by the vectors of `affine` in place of `input`; the padding is 0
    /// after that.
    pub normalized: bool,
    /// Gives the mean and the biased variance of each channel of `output`, as [`super::BatchNormStatistics`].
    pub statistics: bool,
}

impl ConvForward {
    /// The convolution by itself.
    pub fn plain(conv: Conv) -> Self {
        Self { conv, normalized: false, statistics: false }
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        let conv = &self.conv;
        let mut operands = vec![Operand::read("input", conv.input())];
        operands.extend(self.normalized.then(|| Operand::affine(conv.c)));
        operands.push(Operand::read("weight", conv.weight()));
        operands.push(Operand::read("bias", [conv.k]));
        operands.push(Operand::write("output", conv.output()));
        if self.statistics {
            operands.extend(["batch_mean", "batch_var"].map(|name| Operand::write(name, [conv.k])));
        }
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        self.conv.flops()
    }
}

/// `grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] * weight[r, s, c, k]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvGradInput {
    /// The convolution.
    pub conv: Conv,
    /// `grad_output` is the gradient behind a batch norm and a ReLU that follow the convolution, and is read back
    /// through both: in its place stands [`super::BatchNormGradInput`] of `output`, what the convolution gave, by the
    /// vectors of `grad_affine`. The value is ReLU's slope at exactly 0.
    pub through: Option<f32>,
    /// Gives the gradients of the gamma and beta of the batch norm in front, too: that which the convolution reads `input`
    /// through, as [`ConvForward::normalized`] does.
    pub statistics: Option<GradStatistics>,
}

impl ConvGradInput {
    /// The gradient by itself.
    pub fn plain(conv: Conv) -> Self {
        Self { conv, through: None, statistics: None }
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        let mut operands = self.conv.grad_output(self.through);
        operands.push(Operand::read("weight", self.conv.weight()));
        if self.statistics.is_some() {
            operands.extend([Operand::read("input", self.conv.input()), Operand::affine(self.conv.c)]);
        }
        operands.push(Operand::write("grad_input", self.conv.input()));
        operands.extend(self.statistics.iter().flat_map(|statistics| statistics.operands(self.conv.c)));
        operands
    }

    pub(super) fn flops(&self) -> u64 {
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
    pub normalized: bool,
    /// Reads `grad_output` as [`ConvGradInput::through`] does.
    pub through: Option<f32>,
    /// Adds to what `grad_weight` holds instead of replacing it (a batch that is worked in slices).
    pub accumulate: bool,
}

impl ConvGradWeight {
    /// The gradient by itself.
    pub fn plain(conv: Conv) -> Self {
        Self { conv, normalized: false, through: None, accumulate: false }
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![Operand::read("input", self.conv.input())];
        operands.extend(self.normalized.then(|| Operand::affine(self.conv.c)));
        operands.extend(self.conv.grad_output(self.through));
        operands.push(Operand::result("grad_weight", self.conv.weight(), self.accumulate));
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        self.conv.flops()
    }
}
