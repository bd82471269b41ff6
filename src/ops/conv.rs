//! 3x3 convolution, padding 1, stride 1.

use super::Operand;

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

    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", self.input()),
            Operand::read("weight", self.weight()),
            Operand::read("bias", [self.k]),
            Operand::write("output", self.output()),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        2 * 9 * self.pixels() as u64 * self.c as u64 * self.k as u64
    }
}

/// `grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] * weight[r, s, c, k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGradInput(pub Conv);

impl ConvGradInput {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("grad_output", self.0.output()),
            Operand::read("weight", self.0.weight()),
            Operand::write("grad_input", self.0.input()),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        self.0.flops()
    }
}

/// `grad_weight[r, s, c, k] = sum over n, h, w of input[n, h + r - 1, w + s - 1, c] * grad_output[n, h, w, k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGradWeight {
    /// The convolution.
    pub conv: Conv,
    /// Adds to what `grad_weight` holds instead of replacing it (a batch that is worked in slices).
    pub accumulate: bool,
}

impl ConvGradWeight {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", self.conv.input()),
            Operand::read("grad_output", self.conv.output()),
            Operand::result("grad_weight", self.conv.weight(), self.accumulate),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        self.conv.flops()
    }
}
