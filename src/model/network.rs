//! A network as a chain of layers.

use thiserror::Error;

use super::{Parameter, Semantics, Training, VggConfig};
use crate::{ops::Activation, shape::Shape};

/// The parameters of a convolution or a linear layer, as indices of [`Network::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightBias {
    /// The weight.
    pub weight: usize,
    /// The bias.
    pub bias: usize,
}

/// The parameters and statistics of a normalisation, as indices of [`Network::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormParameters {
    /// The factor on the normalised values.
    pub gamma: usize,
    /// The shift of the normalised values.
    pub beta: usize,
    /// The running mean.
    pub running_mean: usize,
    /// The running variance.
    pub running_var: usize,
}

/// A normalisation of each image or pixel by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormLayer {
    /// The factor on the normalised values, an index of [`Network::parameters`].
    pub gamma: usize,
    /// The shift of the normalised values, likewise.
    pub beta: usize,
    /// Groups of adjacent channels.
    pub groups: usize,
    /// Whether each pixel is normalised by itself, and not the image.
    pub by_pixel: bool,
    /// Added to the variance.
    pub eps: f32,
}

/// The kind of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerKind {
    /// 3x3 convolution.
    Conv(WeightBias),
    /// Batch normalisation.
    BatchNorm(NormParameters),
    /// Group or layer normalisation.
    GroupNorm(GroupNormLayer),
    /// A pointwise nonlinearity.
    Activation(Activation),
    /// 2x2 max-pooling.
    MaxPool {
        /// Strides along height and width.
        stride: [usize; 2],
    },
    /// Average pooling to the output's size, whatever the input's is.
    AvgPool,
    /// The roundings of 8-bit integers, in quantisation-aware training.
    FakeQuantize {
        /// The end of the activation's range, an index of [`Network::parameters`].
        range: usize,
    },
    /// Dropout.
    Dropout {
        /// The index of the dropout layer in the network.
        index: u32,
    },
    /// Fully connected; flattens its input.
    Linear(WeightBias),
}

impl LayerKind {
    /// The layer's parameters and statistics, as indices of [`Network::parameters`].
    pub fn parameters(self) -> Vec<usize> {
        match self {
            Self::Conv(WeightBias { weight, bias }) | Self::Linear(WeightBias { weight, bias }) => {
                vec![weight, bias]
            }
            Self::BatchNorm(NormParameters { gamma, beta, running_mean, running_var }) => {
                vec![gamma, beta, running_mean, running_var]
            }
            Self::GroupNorm(GroupNormLayer { gamma, beta, .. }) => vec![gamma, beta],
            Self::FakeQuantize { range } => vec![range],
            Self::Activation(_) | Self::MaxPool { .. } | Self::AvgPool | Self::Dropout { .. } => Vec::new(),
        }
    }
}

/// One layer with its shapes, without the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The name, as `conv3_2`: the prefix of the labels of steps and tensors.
    pub name: String,
    /// Its kind.
    pub kind: LayerKind,
    /// Input extents: `[H, W, C]` or `[features]`.
    pub input: Shape,
    /// Output extents.
    pub output: Shape,
}

impl Layer {
    /// Whether it is a convolution or a linear layer.
    pub fn is_product(&self) -> bool {
        matches!(self.kind, LayerKind::Conv(_) | LayerKind::Linear(_))
    }

    /// The channels of its output, or the features.
    pub fn channels(&self) -> usize {
        *self.output.dims().last().expect("a layer has outputs")
    }

    /// The multiply-adds of a convolution or a linear layer for one image; those of other layers do not count.
    pub fn multiply_adds(&self) -> u64 {
        let each = match (self.kind, self.input.dims()) {
            (LayerKind::Conv(_), &[.., channels]) => 9 * channels,
            (LayerKind::Linear(_), _) => self.input.elements(),
            _ => 0,
        };
        (each * self.output.elements()) as u64
    }
}

/// A chain of layers and their parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The configuration that it was built from.
    pub config: VggConfig,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
    /// All parameters in the order of torchvision's state dict (without `num_batches_tracked`).
    pub parameters: Vec<Parameter>,
}

/// A network that cannot be built.
#[derive(Debug, Error, PartialEq)]
pub enum NetworkError {
    /// The image shrinks to nothing.
    #[error(
        "image size {height}x{width}: pool{pool} would get a {at_height}x{at_width} image, but its window is 2x2; \
         the smallest side that works {} is {smallest}",
        if *.fixed { "with a pooling stride that is always 2 (pool_stride \"fixed\", torchvision's)" } else { "here" }
    )]
    TooSmall {
        /// Height of the input.
        height: usize,
        /// Width of the input.
        width: usize,
        /// The pooling layer, counted from 1.
        pool: usize,
        /// The height there.
        at_height: usize,
        /// The width there.
        at_width: usize,
        /// The smallest side that passes all pooling layers.
        smallest: usize,
        /// Whether the stride is always 2.
        fixed: bool,
    },
    /// Groups that do not divide the channels.
    #[error(
        "norm is group:{groups}, but {groups} does not divide the {channels} channels of conv{layer}; group:8, group:4 and group:2 \
         divide those of every network here"
    )]
    Groups {
        /// The groups.
        groups: usize,
        /// The convolution.
        layer: String,
        /// Its channels.
        channels: usize,
    },
    /// A value outside its range.
    #[error("{name} is {value}, but must be {range}")]
    Range {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
}

impl Network {
    /// The number of learnable values, including frozen ones but not running statistics.
    pub fn values(&self) -> usize {
        let values = self.parameters.iter().filter(|p| p.training != Training::Statistic);
        values.map(|p| p.shape.elements()).sum()
    }

    /// Whether a parameter is a norm's.
    pub fn is_norm(&self, parameter: usize) -> bool {
        let norm = |layer: &&Layer| matches!(layer.kind, LayerKind::BatchNorm(_) | LayerKind::GroupNorm(_));
        self.layers.iter().filter(norm).any(|layer| layer.kind.parameters().contains(&parameter))
    }

    /// The number of learnable values of a layer, as [`Network::values`] counts them.
    pub fn layer_values(&self, layer: &Layer) -> usize {
        let parameters = layer.kind.parameters().into_iter().map(|p| &self.parameters[p]);
        parameters.filter(|p| p.training != Training::Statistic).map(|p| p.shape.elements()).sum()
    }

    /// The multiply-adds of all layers for one image.
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().map(Layer::multiply_adds).sum()
    }

    /// The activation of all layers.
    pub fn activation(&self) -> Activation {
        self.config.activation()
    }

    /// Whether the running variance is unbiased.
    pub fn unbiased_running_variance(&self) -> bool {
        self.config.semantics == Semantics::Pytorch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Architecture, Freeze, Norm, PoolStride};

    fn trained(config: VggConfig) -> usize {
        config.network().unwrap().values()
    }

    /// The published counts, and those of the paper's table.
    #[test]
    fn parameter_counts() {
        let paper = VggConfig::default();
        let at28 = VggConfig { image_size: [28, 28], ..paper.clone() };
        assert_eq!(trained(paper.clone()), 134_308_810);
        assert_eq!(trained(at28.clone()), 33_645_514);
        assert_eq!(trained(VggConfig { width: 0.25, hidden: Some(512), ..at28 }), 1_256_442);
        assert_eq!(trained(VggConfig { channels: 3, ..paper.clone() }), 134_309_962);
        assert_eq!(trained(VggConfig { channels: 3, classes: 1000, ..paper.clone() }), 138_365_992);
        // torchvision's published counts.
        let published = [
            132_863_336,
            132_868_840,
            133_047_848,
            133_053_736,
            138_357_544,
            138_365_992,
            143_667_240,
            143_678_248,
        ];
        for (model, values) in Architecture::all().zip(published) {
            let at = |side| VggConfig { image_size: [side; 2], ..VggConfig::torchvision(model) };
            assert_eq!(trained(at(224)), values, "{model}");
            // Adaptive average pooling makes the classifier the same at every size.
            assert_eq!(trained(at(32)), values, "{model}");
        }
        let statistics: usize = paper
            .network()
            .unwrap()
            .parameters
            .iter()
            .filter(|p| p.training == Training::Statistic)
            .map(|p| p.shape.elements())
            .sum();
        assert_eq!(statistics, 8_448);
    }

    #[test]
    fn a_norm_takes_batch_norms_place() {
        let names = |config: VggConfig| -> Vec<(String, Shape)> {
            let parameters = config.network().unwrap().parameters;
            parameters.into_iter().map(|p| (p.name, p.shape)).collect()
        };
        let batch = VggConfig::default();
        let vectors = names(batch.clone()).into_iter().filter(|(name, _)| !name.contains("running"));
        let vectors: Vec<_> = vectors.collect();
        for norm in [Norm::Layer, Norm::Group(32), Norm::Layer2d] {
            assert_eq!(names(VggConfig { norm: Some(norm), ..batch.clone() }), vectors);
            // Over a model without batch norm, too.
            let model = Architecture::Vgg16;
            assert_eq!(names(VggConfig { model, norm: Some(norm), ..batch.clone() }), vectors);
        }
        let none = VggConfig { norm: Some(Norm::None), ..batch.clone() };
        assert_eq!(names(none), names(VggConfig { model: Architecture::Vgg16, ..batch.clone() }));
        let with = VggConfig { model: Architecture::Vgg16, norm: Some(Norm::Batch), ..batch.clone() };
        assert_eq!(with.network(), batch.network());

        let groups = VggConfig { norm: Some(Norm::Group(3)), ..batch };
        let error = groups.network().unwrap_err().to_string();
        assert!(error.contains("3 does not divide the 64 channels of conv1_1"), "{error}");
        for word in ["batch", "layer", "layer2d", "none", "group:8"] {
            assert_eq!(word.parse::<Norm>().unwrap().to_string(), word);
        }
        for wrong in ["", "Batch", "group", "group:", "group:0", "group:-1", "group:1.5", "instance"] {
            assert!(wrong.parse::<Norm>().is_err(), "{wrong}");
        }
    }

    /// Li et al. (2016), VGG16 on CIFAR-10 before and after pruning; theirs has one hidden layer of 512, and they
    /// count the weights of all layers and the multiply-adds of the convolutions.
    #[test]
    fn pruned_widths_have_the_published_counts() {
        let counts = |widths: &str, linear: usize| {
            let widths = Some(widths.parse().unwrap());
            let image = VggConfig {
                image_size: [32, 32],
                channels: 3,
                pool_stride: PoolStride::Fixed,
                ..VggConfig::default()
            };
            let network = VggConfig { widths, ..image }.network().unwrap();
            let convolutions = network.layers.iter().filter_map(|layer| match layer.kind {
                LayerKind::Conv(WeightBias { weight, .. }) => {
                    Some((network.parameters[weight].shape.elements(), layer.multiply_adds()))
                }
                _ => None,
            });
            let (weights, multiply_adds): (Vec<usize>, Vec<u64>) = convolutions.unzip();
            let multiply_adds: u64 = multiply_adds.iter().sum();
            (weights.iter().sum::<usize>() + linear, (multiply_adds as f64 / 1e5).round() / 10.0)
        };
        let whole = "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M";
        let pruned = "32,64,M,128,128,M,256,256,256,M,256,256,256,M,256,256,256,M";
        assert_eq!(counts(whole, 512 * 512 + 512 * 10), (14_977_728, 313.2));
        assert_eq!(counts(pruned, 256 * 512 + 512 * 10), (5_390_176, 206.1));
    }

    #[test]
    fn widths_of_the_table_are_the_model() {
        let network = |widths: &str| {
            let widths = Some(widths.parse().unwrap());
            VggConfig { widths, model: Architecture::Vgg19, ..VggConfig::default() }.network().unwrap().config
        };
        let table = network("64,M,128,M,256,256,M,512,512,M,512,512,M");
        assert_eq!((table.model, table.widths.is_none()), (Architecture::Vgg11, true));
        assert_eq!(table.to_string(), "VGG11 without batch norm");
        let own = network("8,M,128,M,256,256,M,512,512,M,512,512,M");
        assert_eq!((own.model, own.widths.is_some()), (Architecture::Vgg11, true));
        let other = network("8,8,8,M,16,M");
        assert_eq!(other.to_string(), "VGG7 without batch norm and its own widths");
    }

    #[test]
    fn names_are_torchvisions() {
        let network = VggConfig::default().network().unwrap();
        let weights: Vec<&str> = network
            .layers
            .iter()
            .filter_map(|l| match l.kind {
                LayerKind::Conv(WeightBias { weight, .. }) | LayerKind::Linear(WeightBias { weight, .. }) => {
                    Some(network.parameters[weight].name.as_str())
                }
                _ => None,
            })
            .collect();
        let features =
            [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40].map(|i| format!("features.{i}.weight"));
        let classifier = [0, 3, 6].map(|i| format!("classifier.{i}.weight"));
        assert_eq!(weights, features.iter().chain(&classifier).map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn the_table_is_in_the_order_of_its_names() {
        for model in Architecture::all() {
            let read: toml::Table = format!("model = {:?}", model.name()).parse().unwrap();
            assert_eq!(read["model"].clone().try_into::<Architecture>().unwrap(), model);
            assert_eq!(model.batch_norm(), model.name().ends_with("_bn"));
        }
        assert_eq!(Architecture::Vgg13.with_batch_norm(true), Architecture::Vgg13Bn);
        assert_eq!(Architecture::Vgg19Bn.with_batch_norm(false), Architecture::Vgg19);
        assert_eq!(Architecture::Vgg19.to_string(), "VGG19 without batch norm");
    }

    /// Without batch norm a convolution is two positions from the next one.
    #[test]
    fn names_without_batch_norm_are_torchvisions() {
        let network = VggConfig::torchvision(Architecture::Vgg16).network().unwrap();
        let weights: Vec<&str> = network.parameters.iter().map(|p| p.name.as_str()).step_by(2).collect();
        let features =
            [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28].map(|i| format!("features.{i}.weight"));
        let classifier = [0, 3, 6].map(|i| format!("classifier.{i}.weight"));
        assert_eq!(weights, features.iter().chain(&classifier).map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn frozen_features_are_all_but_the_classifier() {
        let config = VggConfig { freeze: Freeze::Features, ..VggConfig::default() };
        let network = config.network().unwrap();
        for p in &network.parameters {
            let expected = match p.name.split('.').next_back().unwrap() {
                "running_mean" | "running_var" => Training::Statistic,
                _ if p.name.starts_with("features") => Training::Frozen,
                _ => Training::Trained,
            };
            assert_eq!(p.training, expected, "{}", p.name);
        }
    }

    #[test]
    fn pooling_at_28_adapts_and_small_images_are_refused() {
        let at = |h, w, pool_stride| {
            VggConfig { image_size: [h, w], pool_stride, ..VggConfig::default() }.network()
        };
        let network = at(28, 40, PoolStride::Adaptive).unwrap();
        let pools: Vec<_> =
            network.layers.iter().filter(|l| matches!(l.kind, LayerKind::MaxPool { .. })).collect();
        let sides: Vec<_> = pools.iter().map(|l| (l.output.dims()[0], l.output.dims()[1])).collect();
        // 40 -> 20 -> 10 -> 5 -> 2 -> 1: stride 1 along an axis from 3 down.
        assert_eq!(sides, [(14, 20), (7, 10), (3, 5), (2, 2), (1, 1)]);
        assert_eq!(pools[3].kind, LayerKind::MaxPool { stride: [1, 2] });

        for (stride, smallest) in [(PoolStride::Adaptive, 24), (PoolStride::Fixed, 32)] {
            assert!(at(smallest, smallest, stride).is_ok());
            let error = at(smallest - 1, 64, stride).unwrap_err().to_string();
            assert!(error.ends_with(&format!(" is {smallest}")), "{error}");
            assert_eq!(error.contains("always 2"), stride == PoolStride::Fixed, "{error}");
        }
        assert!(at(0, 28, PoolStride::Adaptive).is_err());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let base = VggConfig { image_size: [28, 28], ..VggConfig::default() };
        for (bad, name) in [
            (VggConfig { width: f64::NAN, ..base.clone() }, "width"),
            (VggConfig { width: 0.0, ..base.clone() }, "width"),
            (VggConfig { classes: 1, ..base.clone() }, "classes"),
            (VggConfig { channels: 2, ..base.clone() }, "channels"),
            (VggConfig { dropout: 1.0, ..base.clone() }, "dropout"),
            (VggConfig { hidden: Some(65_537), ..base.clone() }, "hidden"),
            (VggConfig { avgpool: 65, ..base.clone() }, "avgpool"),
        ] {
            let error = bad.network().unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
