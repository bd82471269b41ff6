//! The description of a network in a file of weights, or inferred from the shapes of its tensors.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{error::WeightsError, store::TensorFile};
use crate::{
    data::{Dataset, Normalization},
    model::{
        ActivationKind, Architecture, Freeze, Layout, Network, Norm, PoolStride, Semantics, VggConfig, Widths,
    },
};

/// Height and width of MNIST's images.
const MNIST_SIZE: [usize; 2] = [28, 28];

/// The names of ImageNet's classes, one a line after two lines about their source.
const IMAGENET: &str = include_str!("../../assets/imagenet/classes.txt");

/// The names of classes that a file does not name: ImageNet's if there are as many, else the numbers from 0.
fn usual_names(classes: usize) -> Vec<String> {
    let imagenet = || IMAGENET.lines().filter(|line| !line.starts_with('#'));
    match imagenet().count() == classes {
        true => imagenet().map(str::to_owned).collect(),
        false => (0..classes).map(|class| class.to_string()).collect(),
    }
}

/// The description of its network that a file of weights contains, so that reading the weights needs no flags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The network of the family.
    #[serde(default)]
    pub model: Architecture,
    /// The normalisation after each convolution, if the model does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<Norm>,
    /// Height and width of the input.
    pub image_size: [usize; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Factor on every layer's width.
    pub width: f64,
    /// The output channels of each convolution, if they are not the model's times `width`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widths: Option<Widths>,
    /// Features of the two hidden linear layers; 0 without.
    pub hidden: usize,
    /// Dropout rate in training.
    pub dropout: f32,
    /// The activation.
    #[serde(default)]
    pub activation: ActivationKind,
    /// The slope of a leaky ReLU at and below 0.
    #[serde(default)]
    pub negative_slope: f32,
    /// The alpha of a CELU.
    #[serde(default = "one")]
    pub celu_alpha: f32,
    /// The factor on the logits in softmax and loss.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub logit_scale: f32,
    /// Added to the variance in batch normalisation.
    pub batch_norm_eps: f32,
    /// The weight of a new batch in the running statistics.
    pub batch_norm_momentum: f32,
    /// The framework whose conventions apply.
    pub semantics: Semantics,
    /// The stride of the pooling layers.
    pub pool_stride: PoolStride,
    /// Side of the output of adaptive average pooling; 0 without that layer.
    #[serde(default)]
    pub avgpool: usize,
    /// Layers that are not trained.
    #[serde(default)]
    pub freeze: Freeze,
    /// Whether activations and weights are rounded to 8 bits: a network of quantisation-aware training.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub qat: bool,
    /// Mean of each channel, for normalisation.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// The name of each class.
    pub class_names: Vec<String>,
    /// The length to which the shorter side of a picture is resized before the centre crop; without it, nothing is cropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_size: Option<usize>,
    /// Height and width of the data set's images, if [`ModelInfo::source_size`] would differ without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<[usize; 2]>,
    /// The temperature by which logits are divided before the softmax, found after training; without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

fn one() -> f32 {
    1.0
}

fn is_one(value: &f32) -> bool {
    *value == 1.0
}

impl ModelInfo {
    /// The description to store with the weights of a network that was trained on a data set.
    pub fn new(network: &Network, dataset: &dyn Dataset) -> Self {
        let (c, normalization) = (&network.config, dataset.normalization());
        Self {
            model: c.model,
            norm: c.norm,
            image_size: c.image_size,
            channels: c.channels,
            width: c.width,
            widths: c.widths.clone(),
            hidden: c.hidden(),
            dropout: c.dropout,
            activation: c.activation,
            negative_slope: c.negative_slope,
            celu_alpha: c.celu_alpha,
            logit_scale: c.logit_scale,
            batch_norm_eps: c.batch_norm_eps,
            batch_norm_momentum: c.batch_norm_momentum,
            semantics: c.semantics,
            pool_stride: c.pool_stride,
            avgpool: c.avgpool,
            freeze: c.freeze,
            qat: c.qat,
            mean: normalization.mean.clone(),
            std: normalization.std.clone(),
            class_names: dataset.class_names().to_vec(),
            resize_size: None,
            source: Some([dataset.height(), dataset.width()])
                .filter(|&source| c.channels == 1 && source != MNIST_SIZE),
            temperature: None,
        }
    }

    /// The size in which pictures are uploaded to the device, which resizes them to the network's input. With one channel it is
    /// that of the data set's images (MNIST's if the file has none), so that pictures are resized like the training images; with
    /// colour it is the input's.
    pub fn source_size(&self) -> [usize; 2] {
        let usual = if self.channels == 1 { MNIST_SIZE } else { self.image_size };
        self.source.unwrap_or(usual)
    }

    /// Whether the classes are characters, as those of MNIST and EMNIST are: all names have one or two letters or digits. Pictures
    /// of characters are framed, others only resized ([`crate::data::picture`]).
    pub fn has_characters(&self) -> bool {
        let character = |name: &String| {
            (1..=2).contains(&name.chars().count()) && name.chars().all(char::is_alphanumeric)
        };
        self.class_names.iter().all(character)
    }

    /// The temperature of the network's probabilities.
    pub fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(1.0)
    }

    /// The names to show for the classes of a data set of as many classes: its own, or those of the weights if its own are WordNet's
    /// identifiers (`n02099601`), as folders of ImageNet's pictures are called.
    pub fn names_for<'a>(&'a self, data: &'a [String]) -> &'a [String] {
        let identifier = |name: &String| {
            name.len() == 9 && name.strip_prefix('n').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        };
        if data.iter().all(identifier) { &self.class_names } else { data }
    }

    /// The title of pictures and reports about the network on a data set of this name.
    pub fn title(&self, set: &str) -> String {
        let [h, w] = self.image_size;
        let width = match self.width {
            1.0 => String::new(),
            width => format!(", width {width}"),
        };
        format!("{} on {set}, {h} x {w} px{width}", self.vgg())
    }

    /// The configuration of the network.
    pub fn vgg(&self) -> VggConfig {
        VggConfig {
            model: self.model,
            norm: self.norm,
            image_size: self.image_size,
            channels: self.channels,
            classes: self.class_names.len(),
            width: self.width,
            widths: self.widths.clone(),
            hidden: Some(self.hidden),
            dropout: self.dropout,
            activation: self.activation,
            negative_slope: self.negative_slope,
            celu_alpha: self.celu_alpha,
            logit_scale: self.logit_scale,
            batch_norm_eps: self.batch_norm_eps,
            batch_norm_momentum: self.batch_norm_momentum,
            semantics: self.semantics,
            pool_stride: self.pool_stride,
            avgpool: self.avgpool,
            freeze: self.freeze,
            qat: self.qat,
        }
    }

    /// The flags of `vgg train` for a network of these widths.
    pub fn width_flags(&self) -> String {
        match &self.widths {
            Some(widths) => format!("--widths {widths} --hidden {}", self.hidden),
            None => format!(
                "--model {} --width {} --hidden {} without --widths",
                self.model.name(),
                self.width,
                self.hidden
            ),
        }
    }

    /// The normalisation of pixels that the network was trained with.
    pub fn normalization(&self) -> Normalization {
        Normalization { mean: self.mean.clone(), std: self.std.clone() }
    }

    /// Inferred from the shapes of a file that PyTorch wrote.
    ///
    /// The names determine the depth and the batch norms; the shapes determine channels, width, hidden features and classes.
    /// FC1's inputs determine the image size only up to the pooling's rounding: 224 for 7x7 pixels, the output of torchvision's
    /// adaptive average pooling for every size; 28 for one pixel, as in the paper's network for MNIST; else 32 times the side.
    /// Normalisation is MNIST's for one channel and ImageNet's for three. A thousand classes are ImageNet's.
    pub(super) fn inferred(file: &TensorFile, image_size: Option<[usize; 2]>) -> Result<Self, WeightsError> {
        let unknown = |message: String| WeightsError::Unknown { path: file.path().to_owned(), message };
        let shape = |name: &str, rank: usize| match file.shape(name) {
            Some(shape) if shape.len() == rank => Ok(shape),
            Some(shape) => Err(unknown(format!("{name} is {shape:?}, but should have {rank} extents"))),
            None => Err(unknown(format!("there is no {name}, so it is not one of torchvision's VGGs"))),
        };
        let channels = shape("features.0.weight", 4)?[1];
        let vector = |name: &str| file.shape(name).is_some_and(|shape| shape.len() == 1);
        if vector("features.1.weight") && !vector("features.1.running_mean") {
            return Err(unknown(
                "its norms have no running statistics, so that they are norms of images or pixels, and no tensor says in how many \
                 groups; start a run from it, whose files do: vgg train --weights FILE --norm layer, group:G or layer2d"
                    .to_owned(),
            ));
        }
        let (model, last) = likeliest(file);
        let last = shape(&last, 4)?[0];
        let (hidden, inputs) = match *shape("classifier.0.weight", 2)? {
            [hidden, inputs] => (hidden, inputs),
            _ => unreachable!("a shape of two extents"),
        };
        let classes = shape("classifier.6.weight", 2)?[0];
        let side = (inputs as f64 / last.max(1) as f64).sqrt().round() as usize;
        // With torchvision's adaptive average pooling FC1 sees 7x7 pixels at every image size.
        let pooled = side == 7 && side * side * last == inputs;
        let image_size = match (image_size, side) {
            (Some(size), _) => size,
            _ if side * side * last != inputs => {
                let message =
                    format!("FC1 takes {inputs} inputs, no square of {last} channels; give --image-size");
                return Err(unknown(message));
            }
            (None, 1) => [28, 28],
            (None, side) => [32 * side; 2],
        };
        let Normalization { mean, std } = Normalization::usual(channels);
        let defaults = VggConfig::default();
        Ok(Self {
            model,
            norm: None,
            avgpool: if pooled { 7 } else { 0 },
            freeze: Freeze::None,
            qat: false,
            image_size,
            channels,
            width: last as f64 / 512.0,
            widths: None,
            hidden,
            dropout: defaults.dropout,
            activation: defaults.activation,
            negative_slope: defaults.negative_slope,
            celu_alpha: defaults.celu_alpha,
            logit_scale: defaults.logit_scale,
            batch_norm_eps: defaults.batch_norm_eps,
            batch_norm_momentum: defaults.batch_norm_momentum,
            semantics: Semantics::Pytorch,
            pool_stride: if pooled { PoolStride::Fixed } else { PoolStride::Adaptive },
            mean,
            std,
            class_names: usual_names(classes),
            resize_size: None,
            source: None,
            temperature: None,
        })
    }
}

/// The network of the family whose names before the classifier differ least from a file's, and the name of its last
/// convolution's weight.
fn likeliest(file: &TensorFile) -> (Architecture, String) {
    let features = |name: &&str| name.starts_with("features.") && !name.ends_with(".num_batches_tracked");
    let found: BTreeSet<&str> = file.names().filter(features).collect();
    let candidates = Architecture::all().map(|model| {
        let network = VggConfig { model, ..VggConfig::default() }.network();
        let parameters = network.expect("all of the family can be built at 224 px").parameters;
        let last =
            parameters.iter().rfind(|p| p.layout == Layout::Conv).expect("it has convolutions").name.clone();
        let expected: BTreeSet<&str> = parameters.iter().map(|p| p.name.as_str()).filter(features).collect();
        (found.symmetric_difference(&expected).count(), model, last)
    });
    let (_, model, last) =
        candidates.min_by_key(|(differences, ..)| *differences).expect("a family of eight");
    (model, last)
}
