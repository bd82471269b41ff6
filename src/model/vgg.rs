//! The VGG table.
//!
//! # Source
//! Simonyan and Zisserman: "Very deep convolutional networks for large-scale image recognition" (2014),
//! configuration D, with batch normalisation behind every convolution.

use serde::{Deserialize, Serialize};

use super::{Network, NetworkError};

/// Output channels of the 3x3 convolutions; a pooling layer closes each row.
pub(super) const VGG16: [&[usize]; 5] =
    [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];

/// Output features of the two hidden linear layers.
pub(super) const HIDDEN: usize = 4096;

/// Whose rule decides where the paper's code and PyTorch differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Semantics {
    /// The paper's: biased running variance, and a slope of 1/2 for the ReLU at exactly 0.
    #[default]
    Paper,
    /// PyTorch's: unbiased running variance, slope 0.
    Pytorch,
}

/// The stride of the pooling layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolStride {
    /// The paper's: 2, but 1 along an axis whose side is at most 3.
    #[default]
    Adaptive,
    /// Always 2.
    Fixed,
}

impl PoolStride {
    /// The stride along an axis of the given side.
    pub fn along(self, side: usize) -> usize {
        if self == Self::Adaptive && side <= 3 { 1 } else { 2 }
    }
}

/// What a VGG16 is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct VggConfig {
    /// Height and width of the input.
    pub image_size: [usize; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Classes.
    pub classes: usize,
    /// Factor on every layer's width; the results are rounded to multiples of 8.
    pub width: f64,
    /// Features of the two hidden linear layers; `None` scales the paper's 4096 by `width`.
    pub hidden: Option<usize>,
    /// Dropout rate of the classifier.
    pub dropout: f32,
    /// Added to the variance in batch normalisation.
    pub batch_norm_eps: f32,
    /// The weight of a new batch in the running statistics (PyTorch's sense of momentum).
    pub batch_norm_momentum: f32,
    /// Whose rule decides the details.
    pub semantics: Semantics,
    /// The stride of the pooling layers.
    pub pool_stride: PoolStride,
}

impl Default for VggConfig {
    /// The paper's network.
    fn default() -> Self {
        Self {
            image_size: [224, 224],
            channels: 1,
            classes: 10,
            width: 1.0,
            hidden: None,
            dropout: 0.5,
            batch_norm_eps: 1e-5,
            batch_norm_momentum: 0.1,
            semantics: Semantics::Paper,
            pool_stride: PoolStride::Adaptive,
        }
    }
}

impl VggConfig {
    /// The channels of a layer that has `base` channels at full width.
    pub(super) fn scaled(&self, base: usize) -> usize {
        // Full widths are multiples of 8 already, so a width of 1 changes nothing.
        ((base as f64 * self.width / 8.0).round() as usize).max(1) * 8
    }

    /// Features of the hidden linear layers.
    pub fn hidden(&self) -> usize {
        self.hidden.unwrap_or_else(|| self.scaled(HIDDEN))
    }

    /// The layers and parameters.
    ///
    /// # Errors
    /// [`NetworkError`] where a value is out of range or the image too small for the pooling layers.
    pub fn network(&self) -> Result<Network, NetworkError> {
        Network::vgg(self.clone())
    }
}
