//! Batch normalisation over `[rows, channels]`, where the rows are the pixels of the batch.
//!
//! # Source
//! Ioffe and Szegedy: "Batch normalization" (2015). The batch variance is biased (divided by the rows).

mod check;
pub(crate) mod cpu;
pub(crate) mod kernels;
pub(crate) mod reference;

use super::{
    Activation, Each, Extent, F32, Family, Operation, Read, Stored, Update, Write, operand::operands,
};

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
    /// Rows already included in `batch_mean` and `batch_var`; 0 overwrites them.
    pub rows_before: usize,
}

operands! {
    /// The operands of [`BatchNormStatistics`].
    BatchNormStatisticsOperands { input: Read<Stored>, batch_mean: Write<F32>, batch_var: Write<F32> }
}

impl Operation for BatchNormStatistics {
    const NAME: &'static str = "batch_norm.statistics";
    type Operands<F: Family> = BatchNormStatisticsOperands<F>;

    fn operands(&self) -> BatchNormStatisticsOperands<Each<Extent>> {
        let moments = Extent::result([self.channels], self.rows_before > 0);
        BatchNormStatisticsOperands {
            input: [self.rows, self.channels].into(),
            batch_mean: moments.clone(),
            batch_var: moments,
        }
    }

    fn flops(&self) -> u64 {
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

operands! {
    /// The operands of [`BatchNormRunning`].
    BatchNormRunningOperands {
        batch_mean: Read<F32>,
        batch_var: Read<F32>,
        running_mean: Update<F32>,
        running_var: Update<F32>,
    }
}

impl BatchNormRunning {
    /// The factor from the biased variance to the one that enters the running estimate.
    pub fn variance_factor(&self) -> f64 {
        if self.unbiased && self.rows > 1 { self.rows as f64 / (self.rows - 1) as f64 } else { 1.0 }
    }
}

impl Operation for BatchNormRunning {
    const NAME: &'static str = "batch_norm.running";
    type Operands<F: Family> = BatchNormRunningOperands<F>;

    fn operands(&self) -> BatchNormRunningOperands<Each<Extent>> {
        let vector: Extent = [self.channels].into();
        BatchNormRunningOperands {
            batch_mean: vector.clone(),
            batch_var: vector.clone(),
            running_mean: vector.clone(),
            running_var: vector,
        }
    }

    fn flops(&self) -> u64 {
        6 * self.channels as u64
    }
}

/// The vectors for the normalisation: `affine[0] = mean`, `affine[1] = scale = gamma * inv_std`,
/// `affine[2] = shift = beta`, `affine[3] = inv_std = 1 / sqrt(variance + eps)`.
///
/// In training `mean` and `variance` are the batch's, in evaluation the running ones. The mean is not folded into the shift,
/// because that would cancel if the mean is large compared with the standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormAffine {
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f32,
}

operands! {
    /// The operands of [`BatchNormAffine`].
    BatchNormAffineOperands {
        mean: Read<F32>,
        variance: Read<F32>,
        gamma: Read<F32>,
        beta: Read<F32>,
        affine: Write<F32>,
    }
}

impl BatchNormAffine {
    /// The extents of the vectors that it writes.
    pub(super) fn extent(channels: usize) -> Extent {
        [4, channels].into()
    }

    /// The extents of such vectors, of a batch or of each image.
    pub(super) fn of(images: Option<usize>, channels: usize) -> Extent {
        images.map_or_else(|| Self::extent(channels), |images| [images, 4, channels].into())
    }
}

impl Operation for BatchNormAffine {
    const NAME: &'static str = "batch_norm.affine";
    type Operands<F: Family> = BatchNormAffineOperands<F>;

    fn operands(&self) -> BatchNormAffineOperands<Each<Extent>> {
        let vector: Extent = [self.channels].into();
        BatchNormAffineOperands {
            mean: vector.clone(),
            variance: vector.clone(),
            gamma: vector.clone(),
            beta: vector,
            affine: Self::extent(self.channels),
        }
    }

    fn flops(&self) -> u64 {
        4 * self.channels as u64
    }
}

/// `output = activation((input - mean) * scale + shift)` by the vectors of [`BatchNormAffine`].
///
/// Convolutions and pooling read through it ([`super::ConvForward::normalized`]), so that it is only needed where
/// another operation comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormNormalize {
    /// Rows.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// The activation, if there is one.
    pub activation: Option<Activation>,
    /// The images among the rows, if each has vectors of its own: `affine[images, 4, channels]`.
    pub images: Option<usize>,
}

impl BatchNormNormalize {
    /// Applies the prologue of an input `[images, pixels, channels]` by itself, if the input has one.
    pub(super) fn prologue(
        activation: Option<Activation>,
        by_image: bool,
        [images, pixels, channels]: [usize; 3],
    ) -> Option<Self> {
        let images_of_vectors = by_image.then_some(images);
        activation.map(|_| Self { rows: images * pixels, channels, activation, images: images_of_vectors })
    }
}

operands! {
    /// The operands of [`BatchNormNormalize`].
    BatchNormNormalizeOperands { input: Read<Stored>, affine: Read<F32>, output: Write<Stored> }
}

impl Operation for BatchNormNormalize {
    const NAME: &'static str = "batch_norm.normalize";
    type Operands<F: Family> = BatchNormNormalizeOperands<F>;

    fn operands(&self) -> BatchNormNormalizeOperands<Each<Extent>> {
        let rows: Extent = [self.rows, self.channels].into();
        BatchNormNormalizeOperands {
            input: rows.clone(),
            affine: BatchNormAffine::of(self.images, self.channels),
            output: rows,
        }
    }

    fn flops(&self) -> u64 {
        2 * (self.rows * self.channels) as u64
    }
}

/// `grad_beta = sum of g` and `grad_gamma = sum of g * (input - mean) * inv_std`, where `g` is `grad_output` times
/// the slope of the activation at the normalised value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormGradStatistics {
    /// Rows of this slice.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// The activation after the normalisation, if there is one.
    pub activation: Option<Activation>,
    /// Adds to the results instead of overwriting them.
    pub accumulate: bool,
}

operands! {
    /// The operands of [`BatchNormGradStatistics`].
    BatchNormGradStatisticsOperands {
        input: Read<Stored>,
        affine: Read<F32>,
        grad_output: Read<Stored>,
        grad_gamma: Write<F32>,
        grad_beta: Write<F32>,
    }
}

impl Operation for BatchNormGradStatistics {
    const NAME: &'static str = "batch_norm.grad_statistics";
    type Operands<F: Family> = BatchNormGradStatisticsOperands<F>;

    fn operands(&self) -> BatchNormGradStatisticsOperands<Each<Extent>> {
        let rows: Extent = [self.rows, self.channels].into();
        let sums = Extent::result([self.channels], self.accumulate);
        BatchNormGradStatisticsOperands {
            input: rows.clone(),
            affine: BatchNormAffine::extent(self.channels),
            grad_output: rows,
            grad_gamma: sums.clone(),
            grad_beta: sums,
        }
    }

    fn flops(&self) -> u64 {
        5 * (self.rows * self.channels) as u64
    }
}

/// The sums of [`BatchNormGradStatistics`], reduced by the operation that computes the gradient after a batch norm and its
/// activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradStatistics {
    /// The activation.
    pub activation: Activation,
    /// Adds to the results instead of overwriting them.
    pub accumulate: bool,
}

impl GradStatistics {
    pub(super) fn extent(self, channels: usize) -> Extent {
        Extent::result([channels], self.accumulate)
    }

    /// The sums of `rows` rows.
    pub(crate) fn of_rows(self, rows: usize, channels: usize) -> BatchNormGradStatistics {
        let Self { activation, accumulate } = self;
        BatchNormGradStatistics { rows, channels, activation: Some(activation), accumulate }
    }
}

/// The vectors for the backward pass: the `mean`, `scale` and `shift` of [`BatchNormAffine`], then
/// `offset = scale * grad_beta / total_rows` and `slope = scale * inv_std * grad_gamma / total_rows`.
///
/// The gradient of an input is `scale * g - (offset + slope * (input - mean))`, with the `g` of
/// [`BatchNormGradStatistics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchNormGradAffine {
    /// Channels.
    pub channels: usize,
    /// Rows of the whole batch.
    pub total_rows: usize,
    /// Also writes the gradient of the bias before the normalisation, which is 0: subtracting the batch's mean cancels the
    /// bias. A sum over the rows would consist of rounding errors.
    pub bias: bool,
}

operands! {
    /// The operands of [`BatchNormGradAffine`].
    BatchNormGradAffineOperands {
        affine: Read<F32>,
        grad_gamma: Read<F32>,
        grad_beta: Read<F32>,
        grad_affine: Write<F32>,
        grad_bias: Option<Write<F32>>,
    }
}

impl BatchNormGradAffine {
    /// The extents of the vectors that it writes.
    pub(super) fn extent(channels: usize) -> Extent {
        [5, channels].into()
    }
}

impl Operation for BatchNormGradAffine {
    const NAME: &'static str = "batch_norm.grad_affine";
    type Operands<F: Family> = BatchNormGradAffineOperands<F>;

    fn operands(&self) -> BatchNormGradAffineOperands<Each<Extent>> {
        let vector: Extent = [self.channels].into();
        BatchNormGradAffineOperands {
            affine: BatchNormAffine::extent(self.channels),
            grad_gamma: vector.clone(),
            grad_beta: vector.clone(),
            grad_affine: Self::extent(self.channels),
            grad_bias: self.bias.then_some(vector),
        }
    }

    fn flops(&self) -> u64 {
        5 * self.channels as u64
    }
}

/// `grad_input = scale * g - (offset + slope * (input - mean))` by the vectors of [`BatchNormGradAffine`], with the `g` of
/// [`BatchNormGradStatistics`].
///
/// Convolutions apply it in their prologue ([`super::ConvGradInput::through`]), so it is only needed if the preceding
/// operation is another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormGradInput {
    /// Rows of this slice.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// The activation after the normalisation, if there is one.
    pub activation: Option<Activation>,
}

operands! {
    /// The operands of [`BatchNormGradInput`].
    BatchNormGradInputOperands {
        input: Read<Stored>,
        grad_affine: Read<F32>,
        grad_output: Read<Stored>,
        grad_input: Write<Stored>,
    }
}

impl Operation for BatchNormGradInput {
    const NAME: &'static str = "batch_norm.grad_input";
    type Operands<F: Family> = BatchNormGradInputOperands<F>;

    fn operands(&self) -> BatchNormGradInputOperands<Each<Extent>> {
        let rows: Extent = [self.rows, self.channels].into();
        BatchNormGradInputOperands {
            input: rows.clone(),
            grad_affine: BatchNormGradAffine::extent(self.channels),
            grad_output: rows.clone(),
            grad_input: rows,
        }
    }

    fn flops(&self) -> u64 {
        6 * (self.rows * self.channels) as u64
    }
}
