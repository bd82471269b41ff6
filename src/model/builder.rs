//! Builds a network layer by layer.

use super::{
    Freeze, GroupNormLayer, Init, Layer, LayerKind, Layout, Network, NetworkError, Norm, NormParameters,
    Parameter, Training, VggConfig, WeightBias, vgg::PoolStride,
};
use crate::shape::Shape;

impl VggConfig {
    /// The layers and parameters.
    ///
    /// # Errors
    /// [`NetworkError`] if a value is out of range or the image is too small for the pooling layers.
    pub fn network(&self) -> Result<Network, NetworkError> {
        Network::vgg(self.clone().agreed())
    }
}

impl Network {
    /// Builds a network from the table.
    fn vgg(config: VggConfig) -> Result<Self, NetworkError> {
        check(&config)?;
        let mut b = Builder::new(&config);
        for (block, widths) in config.blocks().into_iter().enumerate() {
            for (index, channels) in widths.into_iter().enumerate() {
                let name = format!("{}_{}", block + 1, index + 1);
                b.conv(&name, channels);
                match (config.norm(), config.norm().groups()) {
                    (norm, Some(groups)) => b.group_norm(&name, norm, groups)?,
                    (Norm::Batch, _) => b.batch_norm(&name),
                    _ => {}
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
        let hidden = if config.hidden() == 0 { 0 } else { 2 };
        (1..=hidden).for_each(|index| b.hidden_linear(index, config.hidden()));
        b.linear(hidden + 1, config.classes);
        let Builder { layers, parameters, .. } = b;
        Ok(Self { layers, parameters, config })
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
    range("hidden", c.hidden().to_string(), c.hidden() <= 65_536, "0 to 65536")?;
    range("avgpool", c.avgpool.to_string(), c.avgpool <= 64, "0 to 64")?;
    range("dropout", c.dropout.to_string(), (0.0..1.0).contains(&c.dropout), "at least 0, below 1")?;
    let slope = c.negative_slope;
    range("negative_slope", slope.to_string(), (0.0..=1.0).contains(&slope), "0 to 1")?;
    let alpha = c.celu_alpha;
    range("celu_alpha", alpha.to_string(), (0.001..=100.0).contains(&alpha), "0.001 to 100")?;
    let scale = c.logit_scale;
    range("logit_scale", scale.to_string(), (0.001..=1000.0).contains(&scale), "0.001 to 1000")?;
    let (eps, momentum) = (c.batch_norm_eps, c.batch_norm_momentum);
    range("batch_norm_eps", eps.to_string(), eps > 0.0 && eps <= 1.0, "above 0, at most 1")?;
    range("batch_norm_momentum", momentum.to_string(), (0.0..=1.0).contains(&momentum), "0 to 1")
}

/// The smallest side that leaves every pooling layer at least its 2x2 window.
fn smallest_side(stride: PoolStride, pools: usize) -> usize {
    let passes = |side: &usize| {
        let mut side = *side;
        (0..pools).all(|_| {
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

    fn group_norm(&mut self, name: &str, norm: Norm, groups: usize) -> Result<(), NetworkError> {
        let [.., k] = self.image();
        if !k.is_multiple_of(groups) {
            return Err(NetworkError::Groups { groups, layer: name.to_owned(), channels: k });
        }
        let at = format!("features.{}", self.position);
        let mut vector = |field: &str, value| {
            self.parameter(format!("{at}.{field}"), [k], Layout::Same, Init::Constant(value))
        };
        let (gamma, beta) = (vector("weight", 1.0), vector("bias", 0.0));
        let layer = GroupNormLayer { gamma, beta, groups, by_pixel: norm == Norm::Layer2d, eps: norm.eps() };
        self.push(format!("norm{name}"), LayerKind::GroupNorm(layer), self.shape.clone());
        Ok(())
    }

    /// `name` follows the activation's word in the layer's name.
    fn activation(&mut self, name: &str) {
        let name = format!("{}{name}", self.config.activation.word());
        self.push(name.clone(), LayerKind::Activation(self.config.activation()), self.shape.clone());
        if self.config.qat {
            self.fake_quantize(&name);
        }
    }

    /// The roundings of the activation before it, whose place in torchvision's network it shares.
    fn fake_quantize(&mut self, activation: &str) {
        self.position -= 1;
        let part = if self.parameters.iter().any(Parameter::is_matrix) { "classifier" } else { "features" };
        let name = format!("{part}.{}.range", self.position);
        let range = self.parameter(name, [1], Layout::Same, Init::Constant(0.0));
        self.parameters[range].training = Training::Statistic;
        self.push(format!("quantize_{activation}"), LayerKind::FakeQuantize { range }, self.shape.clone());
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
            let smallest = smallest_side(self.config.pool_stride, self.config.blocks().len());
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
