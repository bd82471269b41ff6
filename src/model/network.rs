//! A network as a chain of layers.

use thiserror::Error;

use super::{
    Freeze, Init, Layout, Parameter, Semantics, Training, VggConfig,
    vgg::{PoolStride, WIDTHS},
};
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

/// The kind of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerKind {
    /// 3x3 convolution.
    Conv(WeightBias),
    /// Batch normalisation.
    BatchNorm(NormParameters),
    /// A pointwise nonlinearity.
    Activation(Activation),
    /// 2x2 max-pooling.
    MaxPool {
        /// Strides along height and width.
        stride: [usize; 2],
    },
    /// Average pooling to the output's size, whatever the input's is.
    AvgPool,
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
    /// Builds a network from the table.
    pub(super) fn vgg(config: VggConfig) -> Result<Self, NetworkError> {
        check(&config)?;
        let mut b = Builder::new(&config);
        for (block, (convolutions, width)) in config.model.convolutions().into_iter().zip(WIDTHS).enumerate()
        {
            for index in 0..convolutions {
                let name = format!("{}_{}", block + 1, index + 1);
                b.conv(&name, config.scaled(width));
                if config.model.batch_norm() {
                    b.batch_norm(&name);
                }
                b.activation(&name);
            }
            b.max_pool(block + 1)?;
        }
        if config.avgpool > 0 {
            let [.., channels] = b.image();
            b.push(
                "avgpool".to_owned(),
                LayerKind::AvgPool,
                [config.avgpool, config.avgpool, channels].into(),
            );
        }
        if config.freeze == Freeze::Features {
            b.freeze();
        }
        b.hidden_linear(1, config.hidden());
        b.hidden_linear(2, config.hidden());
        b.linear(3, config.classes);
        let Builder { layers, parameters, .. } = b;
        Ok(Self { layers, parameters, config })
    }

    /// The number of learnable values, including frozen ones but not running statistics.
    pub fn values(&self) -> usize {
        let values = self.parameters.iter().filter(|p| p.training != Training::Statistic);
        values.map(|p| p.shape.elements()).sum()
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

fn check(config: &VggConfig) -> Result<(), NetworkError> {
    let range = |name, value: String, ok: bool, range| {
        if ok { Ok(()) } else { Err(NetworkError::Range { name, value, range }) }
    };
    let c = config;
    for side in c.image_size {
        range("image size", side.to_string(), side <= 4096, "at most 4096")?;
    }
    range("channels", c.channels.to_string(), matches!(c.channels, 1 | 3), "1 or 3")?;
    range("classes", c.classes.to_string(), (2..=65_536).contains(&c.classes), "2 to 65536")?;
    range("width", c.width.to_string(), c.width > 0.0 && c.width <= 8.0, "above 0, at most 8")?;
    range("hidden", c.hidden().to_string(), (1..=65_536).contains(&c.hidden()), "1 to 65536")?;
    range("avgpool", c.avgpool.to_string(), c.avgpool <= 64, "0 to 64")?;
    range("dropout", c.dropout.to_string(), (0.0..1.0).contains(&c.dropout), "at least 0, below 1")?;
    let slope = c.negative_slope;
    range("negative_slope", slope.to_string(), (0.0..=1.0).contains(&slope), "0 to 1")?;
    let (eps, momentum) = (c.batch_norm_eps, c.batch_norm_momentum);
    range("batch_norm_eps", eps.to_string(), eps > 0.0 && eps <= 1.0, "above 0, at most 1")?;
    range("batch_norm_momentum", momentum.to_string(), (0.0..=1.0).contains(&momentum), "0 to 1")
}

/// The smallest side that leaves every pooling layer at least its 2x2 window.
fn smallest_side(stride: PoolStride) -> usize {
    let passes = |side: &usize| {
        let mut side = *side;
        WIDTHS.iter().all(|_| {
            let ok = side >= 2;
            side = if ok { (side - 2) / stride.along(side) + 1 } else { side };
            ok
        })
    };
    (1..).find(passes).expect("a large enough side passes")
}

struct Builder<'a> {
    config: &'a VggConfig,
    layers: Vec<Layer>,
    parameters: Vec<Parameter>,
    /// The output shape of the last layer.
    shape: Shape,
    /// Position in torchvision's `features` or `classifier`.
    position: usize,
}

impl<'a> Builder<'a> {
    fn new(config: &'a VggConfig) -> Self {
        let [h, w] = config.image_size;
        let shape = [h, w, config.channels].into();
        Self { config, layers: Vec::new(), parameters: Vec::new(), shape, position: 0 }
    }

    fn push(&mut self, name: String, kind: LayerKind, output: Shape) {
        let input = std::mem::replace(&mut self.shape, output.clone());
        self.layers.push(Layer { name, kind, input, output });
        self.position += 1;
    }

    fn parameter(&mut self, name: String, shape: impl Into<Shape>, layout: Layout, init: Init) -> usize {
        let shape = shape.into();
        self.parameters.push(Parameter { name, shape, layout, init, training: Training::Trained });
        self.parameters.len() - 1
    }

    fn image(&self) -> [usize; 3] {
        self.shape.dims().try_into().expect("convolutions and pooling come before the classifier")
    }

    fn conv(&mut self, name: &str, k: usize) {
        let [h, w, c] = self.image();
        let at = format!("features.{}", self.position);
        let weight = self.parameter(
            format!("{at}.weight"),
            [k, c, 3, 3],
            Layout::Conv,
            Init::he(9 * k, self.config.activation()),
        );
        let bias = self.parameter(format!("{at}.bias"), [k], Layout::Same, Init::Constant(0.0));
        self.push(format!("conv{name}"), LayerKind::Conv(WeightBias { weight, bias }), [h, w, k].into());
    }

    fn batch_norm(&mut self, name: &str) {
        let [.., k] = self.image();
        let at = format!("features.{}", self.position);
        let vector = |this: &mut Self, field: &str, value, training| {
            let index = this.parameter(format!("{at}.{field}"), [k], Layout::Same, Init::Constant(value));
            this.parameters[index].training = training;
            index
        };
        let parameters = NormParameters {
            gamma: vector(self, "weight", 1.0, Training::Trained),
            beta: vector(self, "bias", 0.0, Training::Trained),
            running_mean: vector(self, "running_mean", 0.0, Training::Statistic),
            running_var: vector(self, "running_var", 1.0, Training::Statistic),
        };
        self.push(format!("bn{name}"), LayerKind::BatchNorm(parameters), self.shape.clone());
    }

    /// `name` follows the activation's word in the layer's name.
    fn activation(&mut self, name: &str) {
        let name = format!("{}{name}", self.config.activation.word());
        self.push(name, LayerKind::Activation(self.config.activation()), self.shape.clone());
    }

    /// Freezes all parameters added so far.
    fn freeze(&mut self) {
        for parameter in self.parameters.iter_mut().filter(|p| p.trained()) {
            parameter.training = Training::Frozen;
        }
    }

    fn max_pool(&mut self, pool: usize) -> Result<(), NetworkError> {
        let [h, w, c] = self.image();
        if h < 2 || w < 2 {
            let [height, width] = self.config.image_size;
            let smallest = smallest_side(self.config.pool_stride);
            let fixed = self.config.pool_stride == PoolStride::Fixed;
            return Err(NetworkError::TooSmall {
                height,
                width,
                pool,
                at_height: h,
                at_width: w,
                smallest,
                fixed,
            });
        }
        let stride = [h, w].map(|side| self.config.pool_stride.along(side));
        let output = [(h - 2) / stride[0] + 1, (w - 2) / stride[1] + 1, c];
        self.push(format!("pool{pool}"), LayerKind::MaxPool { stride }, output.into());
        Ok(())
    }

    fn linear(&mut self, index: usize, features: usize) {
        let layout = match *self.shape.dims() {
            [h, w, c] => {
                self.position = 0;
                Layout::Flattened { c, pixels: h * w }
            }
            _ => Layout::Same,
        };
        let at = format!("classifier.{}", self.position);
        let shape = [features, self.shape.elements()];
        let weight = self.parameter(format!("{at}.weight"), shape, layout, Init::Normal(0.01));
        let bias = self.parameter(format!("{at}.bias"), [features], Layout::Same, Init::Constant(0.0));
        self.push(format!("fc{index}"), LayerKind::Linear(WeightBias { weight, bias }), [features].into());
    }

    fn hidden_linear(&mut self, index: usize, features: usize) {
        self.linear(index, features);
        self.activation(&format!("_fc{index}"));
        let kind = LayerKind::Dropout { index: index as u32 };
        self.push(format!("dropout{index}"), kind, self.shape.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Architecture;

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
            (VggConfig { hidden: Some(0), ..base.clone() }, "hidden"),
            (VggConfig { avgpool: 65, ..base.clone() }, "avgpool"),
        ] {
            let error = bad.network().unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
