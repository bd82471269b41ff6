//! The VGG table.
//!
//! # Source
//! Simonyan and Zisserman: "Very deep convolutional networks for large-scale image recognition" (2014),
//! configurations A, B, D and E; with and without batch normalisation after every convolution, as in torchvision.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Norm, Widths};
use crate::ops::Activation;

/// Output channels of the five blocks, each of which ends with a pooling layer.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

/// A network of the family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 11 layers with weights.
    Vgg11,
    /// 11 layers, batch norm after each convolution.
    Vgg11Bn,
    /// 13 layers.
    Vgg13,
    /// 13 layers, batch norm after each convolution.
    Vgg13Bn,
    /// 16 layers.
    Vgg16,
    /// 16 layers, batch norm after each convolution: the paper's.
    #[default]
    Vgg16Bn,
    /// 19 layers.
    Vgg19,
    /// 19 layers, batch norm after each convolution.
    Vgg19Bn,
}

/// Name on the command line and in files, 3x3 convolutions in each block, batch norm.
const TABLE: [(Architecture, &str, [usize; 5], bool); 8] = [
    (Architecture::Vgg11, "vgg11", [1, 1, 2, 2, 2], false),
    (Architecture::Vgg11Bn, "vgg11_bn", [1, 1, 2, 2, 2], true),
    (Architecture::Vgg13, "vgg13", [2, 2, 2, 2, 2], false),
    (Architecture::Vgg13Bn, "vgg13_bn", [2, 2, 2, 2, 2], true),
    (Architecture::Vgg16, "vgg16", [2, 2, 3, 3, 3], false),
    (Architecture::Vgg16Bn, "vgg16_bn", [2, 2, 3, 3, 3], true),
    (Architecture::Vgg19, "vgg19", [2, 2, 4, 4, 4], false),
    (Architecture::Vgg19Bn, "vgg19_bn", [2, 2, 4, 4, 4], true),
];

impl Architecture {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, [usize; 5], bool) {
        &TABLE[self as usize]
    }

    /// The network of the same depth, with or without batch norm.
    pub fn with_batch_norm(self, batch_norm: bool) -> Self {
        let fits = |row: &&(Self, _, [usize; 5], bool)| row.2 == self.convolutions() && row.3 == batch_norm;
        TABLE.iter().find(fits).map_or(self, |row| row.0)
    }

    /// torchvision's name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The number of 3x3 convolutions in each of the five blocks.
    pub fn convolutions(self) -> [usize; 5] {
        self.row().2
    }

    /// Whether batch norm follows each convolution.
    pub fn batch_norm(self) -> bool {
        self.row().3
    }
}

impl fmt::Display for Architecture {
    /// `VGG16 with batch norm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} batch norm",
            depth(self.convolutions(), 3),
            if self.batch_norm() { "with" } else { "without" }
        )
    }
}

/// `VGG16`, for the number of convolutions in each block and of linear layers.
fn depth(convolutions: impl IntoIterator<Item = usize>, linear: usize) -> String {
    format!("VGG{}", convolutions.into_iter().sum::<usize>() + linear)
}

/// Output features of the two hidden linear layers.
const HIDDEN: usize = 4096;

/// The conventions to follow where the paper's code and PyTorch differ.
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

/// The activation after each convolution and each hidden linear layer, by its word in recipes and flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationKind {
    /// [`Activation::Relu`].
    #[default]
    Relu,
    /// [`Activation::LeakyRelu`].
    LeakyRelu,
    /// [`Activation::Gelu`].
    Gelu,
    /// [`Activation::Silu`].
    Silu,
    /// [`Activation::Celu`].
    Celu,
}

impl ActivationKind {
    /// The activation, with ReLU's slope at exactly 0, a leaky ReLU's below 0 and CELU's alpha.
    fn with(self, at_zero: f32, negative_slope: f32, alpha: f32) -> Activation {
        match self {
            Self::Relu => Activation::Relu { at_zero },
            Self::LeakyRelu => Activation::LeakyRelu { negative_slope },
            Self::Gelu => Activation::Gelu,
            Self::Silu => Activation::Silu,
            Self::Celu => Activation::Celu { alpha },
        }
    }

    /// The word.
    pub fn word(self) -> &'static str {
        self.with(0.0, 0.0, 1.0).word()
    }
}

/// Layers that training leaves as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    /// None.
    #[default]
    None,
    /// All layers before the classifier. Their batch norms use the running statistics without updating them, and no
    /// gradients are computed for them.
    Features,
}

/// The configuration of a VGG.
#[derive(Clone, Debug, PartialEq)]
pub struct VggConfig {
    /// The network of the family.
    pub model: Architecture,
    /// Height and width of the input.
    pub image_size: [usize; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Classes.
    pub classes: usize,
    /// Factor on every layer's width; the results are rounded to multiples of 8.
    pub width: f64,
    /// The output channels of each convolution, instead of the model's times `width`.
    pub widths: Option<Widths>,
    /// The normalisation after each convolution; `None` is the model's own: batch norm or none.
    pub norm: Option<Norm>,
    /// Features of the two hidden linear layers; `None` scales the paper's 4096 by `width`, 0 leaves both out.
    pub hidden: Option<usize>,
    /// Dropout rate of the classifier.
    pub dropout: f32,
    /// The activation.
    pub activation: ActivationKind,
    /// The slope of a leaky ReLU at and below 0.
    pub negative_slope: f32,
    /// The alpha of a CELU.
    pub celu_alpha: f32,
    /// The factor on the logits in softmax and loss.
    pub logit_scale: f32,
    /// Added to the variance in batch normalisation.
    pub batch_norm_eps: f32,
    /// The weight of a new batch in the running statistics (PyTorch's sense of momentum).
    pub batch_norm_momentum: f32,
    /// The framework whose conventions apply.
    pub semantics: Semantics,
    /// The stride of the pooling layers.
    pub pool_stride: PoolStride,
    /// Side of the output of adaptive average pooling; 0 omits the layer. torchvision's is 7.
    pub avgpool: usize,
    /// Layers that are not trained.
    pub freeze: Freeze,
    /// Whether activations and weights are rounded to 8 bits, as in quantisation-aware training. Such a network has ReLU and no norm.
    pub qat: bool,
}

impl Default for VggConfig {
    /// The paper's network.
    fn default() -> Self {
        Self {
            model: Architecture::Vgg16Bn,
            image_size: [224, 224],
            channels: 1,
            classes: 10,
            width: 1.0,
            widths: None,
            norm: None,
            hidden: None,
            dropout: 0.5,
            activation: ActivationKind::Relu,
            negative_slope: 0.01,
            celu_alpha: 1.0,
            logit_scale: 1.0,
            batch_norm_eps: 1e-5,
            batch_norm_momentum: 0.1,
            semantics: Semantics::Paper,
            pool_stride: PoolStride::Adaptive,
            avgpool: 0,
            freeze: Freeze::None,
            qat: false,
        }
    }
}

impl fmt::Display for VggConfig {
    /// `VGG16 with batch norm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let linear = if self.hidden() == 0 { 1 } else { 3 };
        f.write_str(&depth(self.blocks().iter().map(Vec::len), linear))?;
        match self.norm() {
            Norm::None => f.write_str(" without batch norm")?,
            norm => write!(f, " with {}", norm.title())?,
        }
        f.write_str(if self.widths.is_some() { " and its own widths" } else { "" })?;
        f.write_str(if self.qat { ", rounded to 8 bits" } else { "" })
    }
}

impl VggConfig {
    /// torchvision's network: ImageNet's images and classes, fixed strides, adaptive average pooling.
    pub fn torchvision(model: Architecture) -> Self {
        Self {
            model,
            channels: 3,
            classes: 1000,
            semantics: Semantics::Pytorch,
            pool_stride: PoolStride::Fixed,
            avgpool: 7,
            ..Self::default()
        }
    }

    /// The channels of a layer that has `base` channels at full width.
    fn scaled(&self, base: usize) -> usize {
        // Full widths are multiples of 8 already, so a width of 1 changes nothing.
        ((base as f64 * self.width / 8.0).round() as usize).max(1) * 8
    }

    /// The output channels of the convolutions of each block; a pooling layer ends a block.
    pub fn blocks(&self) -> Vec<Vec<usize>> {
        self.widths.as_ref().map_or_else(|| self.table(), |widths| widths.blocks().to_vec())
    }

    /// The blocks of the model at its `width`.
    fn table(&self) -> Vec<Vec<usize>> {
        let blocks = self.model.convolutions().into_iter().zip(WIDTHS);
        blocks.map(|(convolutions, width)| vec![self.scaled(width); convolutions]).collect()
    }

    /// Features of the hidden linear layers.
    pub fn hidden(&self) -> usize {
        self.hidden.unwrap_or_else(|| self.scaled(HIDDEN))
    }

    /// The normalisation after each convolution.
    pub fn norm(&self) -> Norm {
        self.norm.unwrap_or(if self.model.batch_norm() { Norm::Batch } else { Norm::None })
    }

    /// The same network with `model` and `norm` in agreement: the model has `_bn` if and only if the norm is batch norm, and
    /// `norm` is set only for the other normalisations. With `widths` the model is the one with as many convolutions in each block,
    /// if there is one, and `widths` that are the model's are left out.
    pub(crate) fn agreed(mut self) -> Self {
        let norm = if self.qat { Norm::None } else { self.norm() };
        let blocks = self.blocks();
        let depth = blocks.iter().map(Vec::len);
        let same = Architecture::all().find(|model| model.convolutions().into_iter().eq(depth.clone()));
        self.model = same.unwrap_or(self.model).with_batch_norm(norm == Norm::Batch);
        self.norm = Some(norm).filter(|norm| norm.groups().is_some());
        self.widths = self.widths.take().filter(|widths| widths.blocks() != self.table());
        self
    }

    /// The activation as an operation has it.
    pub fn activation(&self) -> Activation {
        let at_zero = if self.semantics == Semantics::Paper { 0.5 } else { 0.0 };
        self.activation.with(at_zero, self.negative_slope, self.celu_alpha)
    }
}
