//! Batch normalisation over `[rows, channels]`, where the rows are the pixels of the batch.
//!
//! # Source
//! Ioffe and Szegedy: "Batch normalization" (2015). The batch variance is biased (divided by the rows).

use super::{Access, Operand};

/// `batch_mean` and biased `batch_var` of each channel.
///
/// # Numerics
/// Partial (mean, M2) pairs are merged by Chan's formula; `E[x^2] - mean^2` would cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchNormStatistics {
    /// Rows of this slice.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// Rows whose statistics `batch_mean` and `batch_var` hold already; 0 overwrites them.
    pub rows_before: usize,
}

impl BatchNormStatistics {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", [self.rows, self.channels]),
            Operand::result("batch_mean", [self.channels], self.rows_before > 0),
            Operand::result("batch_var", [self.channels], self.rows_before > 0),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        4 * (self.rows * self.channels) as u64
    }
}

/// `running = (1 - momentum) * running + momentum * batch`, momentum in PyTorch's sense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormRunning {
    /// Rows of the whole batch.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// The weight of the new value.
    pub momentum: f32,
    /// Multiplies the variance by `rows / (rows - 1)`, as PyTorch does; the paper keeps it biased.
    /// With one row the variance stays biased.
    pub unbiased: bool,
}

impl BatchNormRunning {
    /// The factor from the biased variance to the one that enters the running estimate.
    pub fn variance_factor(&self) -> f64 {
        if self.unbiased && self.rows > 1 { self.rows as f64 / (self.rows - 1) as f64 } else { 1.0 }
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        let shape = [self.channels];
        vec![
            Operand::read("batch_mean", shape),
            Operand::read("batch_var", shape),
            Operand::update("running_mean", shape),
            Operand::update("running_var", shape),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        6 * self.channels as u64
    }
}

/// What normalises, as four vectors: `affine[0] = mean`, `affine[1] = scale = gamma * inv_std`,
/// `affine[2] = shift = beta`, `affine[3] = inv_std = 1 / sqrt(variance + eps)`.
///
/// In training `mean` and `variance` are the batch's, in evaluation the running ones. The mean stays apart from the
/// shift, so that a mean that is large beside the deviation does not cancel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormAffine {
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f32,
}

impl BatchNormAffine {
    pub(super) fn operands(&self) -> Vec<Operand> {
        let vector = |name| Operand::read(name, [self.channels]);
        let mut operands = ["mean", "variance", "gamma", "beta"].map(vector).to_vec();
        operands.push(Operand::write("affine", [4, self.channels]));
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        4 * self.channels as u64
    }
}

/// `output = (input - mean) * scale + shift` by the vectors of [`BatchNormAffine`], and `max(., 0)` of that.
///
/// Convolutions and pooling read through it ([`super::ConvForward::normalized`]), so that it is only needed where
/// another operation comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchNormNormalize {
    /// Rows.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// Applies ReLU.
    pub relu: bool,
}

impl BatchNormNormalize {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", [self.rows, self.channels]),
            Operand::affine(self.channels),
            Operand::write("output", [self.rows, self.channels]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        2 * (self.rows * self.channels) as u64
    }
}

/// `grad_beta = sum of g` and `grad_gamma = sum of g * (input - mean) * inv_std`, where `g` is `grad_output`, times
/// ReLU's slope at what the normalisation gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormGradStatistics {
    /// Rows of this slice.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// A ReLU behind the normalisation: its slope at exactly 0, as [`super::ReluGrad::at_zero`].
    pub relu: Option<f32>,
    /// Adds to what the results hold instead of replacing it.
    pub accumulate: bool,
}

impl BatchNormGradStatistics {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", [self.rows, self.channels]),
            Operand::affine(self.channels),
            Operand::read("grad_output", [self.rows, self.channels]),
            Operand::result("grad_gamma", [self.channels], self.accumulate),
            Operand::result("grad_beta", [self.channels], self.accumulate),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        5 * (self.rows * self.channels) as u64
    }
}

/// The results of [`BatchNormGradStatistics`] beside the gradient that they are the sums of, where that is the gradient behind
/// a batch norm and a ReLU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradStatistics {
    /// ReLU's slope at exactly 0, as [`super::ReluGrad::at_zero`].
    pub at_zero: f32,
    /// Adds to what the results hold instead of replacing it.
    pub accumulate: bool,
}

impl GradStatistics {
    pub(super) fn operands(self, channels: usize) -> [Operand; 2] {
        ["grad_gamma", "grad_beta"].map(|name| Operand::result(name, [channels], self.accumulate))
    }

    /// The sums of `rows` rows.
    pub(crate) fn of_rows(self, rows: usize, channels: usize) -> BatchNormGradStatistics {
        let Self { at_zero, accumulate } = self;
        BatchNormGradStatistics { rows, channels, relu: Some(at_zero), accumulate }
    }
}

/// What a gradient goes back through, as five vectors: the `mean`, `scale` and `shift` of [`BatchNormAffine`], then
/// `offset = scale * grad_beta / total_rows` and `slope = scale * inv_std * grad_gamma / total_rows`.
///
/// Then the gradient of an input is `scale * g - (offset + slope * (input - mean))`, where `g` is that of
/// [`BatchNormGradStatistics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchNormGradAffine {
    /// Channels.
    pub channels: usize,
    /// Rows of the whole batch.
    pub total_rows: usize,
    /// Gives the gradient of a bias in front of the normalisation, which is 0: the batch's mean takes a shift of the
    /// input away again. The sum over the rows would be its rounding errors.
    pub bias: bool,
}

impl BatchNormGradAffine {
    pub(super) fn operands(&self) -> Vec<Operand> {
        let shape = [self.channels];
        let mut operands = vec![
            Operand::affine(self.channels),
            Operand::read("grad_gamma", shape),
            Operand::read("grad_beta", shape),
            Operand { access: Access::Write, ..Operand::grad_affine(self.channels) },
        ];
        operands.extend(self.bias.then(|| Operand::write("grad_bias", shape)));
        operands
    }

    pub(super) fn flops(&self) -> u64 {
        5 * self.channels as u64
    }
}

/// `grad_input = scale * g - (offset + slope * (input - mean))` by the vectors of [`BatchNormGradAffine`], where `g` is
/// that of [`BatchNormGradStatistics`].
///
/// Convolutions read through it ([`super::ConvGradInput::through`]), so that it is only needed where another operation
/// comes before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormGradInput {
    /// Rows of this slice.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// A ReLU behind the normalisation: its slope at exactly 0.
    pub relu: Option<f32>,
}

impl BatchNormGradInput {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", [self.rows, self.channels]),
            Operand::grad_affine(self.channels),
            Operand::read("grad_output", [self.rows, self.channels]),
            Operand::write("grad_input", [self.rows, self.channels]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        6 * (self.rows * self.channels) as u64
    }
}
