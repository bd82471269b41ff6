//! From a network to a program: forwards along the layers, backwards along the tape.

mod backward;
mod error;
mod explain;
mod forward;
mod mixed;
mod quantized;
mod rounding;
mod update;

use std::ops::Range;

pub use error::LowerError;
pub use explain::Explained;
pub use quantized::{QuantizedLayerTensors, QuantizedTensors, lower_quantized};

use serde::{Deserialize, Serialize};

use super::{DeviceLimits, Phase, Program, Role, Step, Tensor, TensorId, View};
use crate::{
    dtype::DType,
    model::{self, GroupNormLayer, Layer, Network},
    ops::{
        Activation, Adam, AvgPool, Control, Conv, Each, GroupNorm, Half, LossScale, MaxPool, Metrics, Mix,
        Op, Operation, Rule, list,
    },
    shape::Shape,
};

/// The storage type of activations, their gradients and the weights that products read. Everything computes in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// f16; the weights that the optimiser trains, statistics, the last layer, loss and update stay f32, and the loss is
    /// scaled.
    Mixed,
}

/// The settings of a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// The optimiser's rule.
    pub rule: Rule,
    /// The part of the target that is spread evenly over all classes; not used in evaluation.
    pub label_smoothing: f32,
    /// Whether training images are erased and mixed, as [`Inputs::mixes`] says.
    pub mixed: bool,
    /// Whether training images go on outside their borders as their mirror image.
    pub reflect: bool,
    /// The L1 penalty on batch norm's gamma; 0: none.
    pub bn_l1: f32,
    /// Whether the gradients of several batches are averaged: [`Pass::Accumulate`](crate::program::Pass::Accumulate) for all but the last.
    pub accumulate: bool,
    /// Whether weights of convolutions and linear layers that are exactly 0 stay 0.
    pub sparse: bool,
    /// The weight decay of the gamma and beta of norms; `None`: the rule's.
    pub norm_weight_decay: Option<f32>,
    /// The weight decay of the biases of convolutions and linear layers; `None`: the rule's.
    pub bias_weight_decay: Option<f32>,
    /// The maximum norm of all gradients together.
    pub clip_grad_norm: Option<f32>,
    /// The decay of an average of parameters and running statistics, which evaluation then reads in their place.
    pub average: Option<f32>,
    /// Whether the optimiser step of linear weights may be fused with their gradient, which is then not stored. This needs
    /// Adam, and excludes anything that needs all gradients first: clipping, loss scaling and several batches.
    pub fused_update: bool,
}

impl<T: Into<Rule>> From<T> for Training {
    /// The rule and nothing else; all gradients are stored.
    fn from(rule: T) -> Self {
        Self {
            rule: rule.into(),
            label_smoothing: 0.0,
            mixed: false,
            reflect: false,
            bn_l1: 0.0,
            accumulate: false,
            sparse: false,
            norm_weight_decay: None,
            bias_weight_decay: None,
            clip_grad_norm: None,
            average: None,
            fused_update: false,
        }
    }
}

impl Training {
    /// The rule of the fused optimiser step of linear weights, if it is allowed.
    fn fused(&self, precision: Precision) -> Option<Adam> {
        match self.rule {
            Rule::Adam(adam)
                if self.fused_update
                    && !self.accumulate
                    && self.clip_grad_norm.is_none()
                    && precision == Precision::F32 =>
            {
                Some(Adam { sparse: self.sparse, ..adam })
            }
            _ => None,
        }
    }
}

/// The purpose of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Training steps and evaluation.
    Train(Training),
    /// Evaluation only: no gradients, no optimiser state.
    Evaluate,
    /// Evaluation, and the gradient of class logits with respect to a layer: an activation after a convolution, by its index in
    /// [`Network::layers`].
    Explain(usize),
}

/// How a network is to be lowered.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Images per step.
    pub batch: usize,
    /// Height and width of the data set's images.
    pub source: [usize; 2],
    /// Mean of each channel, for normalisation.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// The purpose of the program.
    pub mode: Mode,
    /// The storage type of tensors.
    pub precision: Precision,
    /// The limits of the device.
    pub limits: DeviceLimits,
}

/// The tensors that the host writes and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The control block, [`Control`].
    pub control: TensorId,
    /// `[N, H, W, C]` u8.
    pub images: TensorId,
    /// `[N, 6]`: one affine transform for each image.
    pub transforms: TensorId,
    /// `[N, 10]`: a [`Mix`](crate::ops::Mix) for each image, in training with [`Training::mixed`].
    pub mixes: Option<TensorId>,
    /// `[N]` u32.
    pub labels: TensorId,
    /// `[4]`: the sums of [`Metrics`].
    pub metrics: TensorId,
    /// `[N]`: the loss of each image.
    pub loss: TensorId,
    /// `[N, classes]`.
    pub probs: TensorId,
}

/// The tensors of one parameter of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterTensors {
    /// The values.
    pub value: TensorId,
    /// The gradient, if the program stores it.
    pub gradient: Option<TensorId>,
    /// The optimiser state, in the order of [`Rule::state`].
    pub state: Vec<TensorId>,
    /// The average over the steps, if the program keeps one.
    pub average: Option<TensorId>,
}

/// A network as a program, with the tensors that the host uses.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The program.
    pub program: Program,
    /// Inputs and outputs.
    pub inputs: Inputs,
    /// One entry for each of [`Network::parameters`], in that order.
    pub parameters: Vec<ParameterTensors>,
    /// The loss-scaling state, [`LossScale`], in mixed-precision training.
    pub loss_scale: Option<TensorId>,
    /// The tensors of [`Mode::Explain`].
    pub explained: Option<Explained>,
    /// The tensors of a network from [`lower_quantized`].
    pub quantized: Option<QuantizedTensors>,
}

/// Lowers a network.
///
/// # Errors
/// [`LowerError`] if the batch is empty, the data do not fit the network, or a piece of work is too large for the device
/// even when split.
pub fn lower(network: &Network, settings: &Settings) -> Result<Lowered, LowerError> {
    checked(network, settings)?;
    let mut lowering = Lowering::new(network, settings);
    let mut explained = None;
    match settings.mode {
        Mode::Train(training) => {
            let tape = lowering.forward(Phase::Forward)?;
            lowering.backward(&tape, &training)?;
            lowering.update(&training)?;
        }
        Mode::Explain(layer) => {
            let tape = lowering.forward(Phase::Forward)?;
            explained = Some(lowering.explain(&tape, layer)?);
        }
        Mode::Evaluate => {}
    }
    lowering.reads = lowering.parameters.iter().map(|p| p.average.unwrap_or(p.value)).collect();
    lowering.forward(Phase::Evaluate)?;
    let Lowering { program, inputs, parameters, scaling, .. } = lowering;
    debug_assert_eq!(program.validate(), Ok(()));
    Ok(Lowered {
        program,
        inputs,
        parameters,
        loss_scale: scaling.map(|s| s.state),
        explained,
        quantized: None,
    })
}

/// Checks that the settings fit a network.
fn checked(network: &Network, settings: &Settings) -> Result<(), LowerError> {
    if settings.batch == 0 {
        return Err(LowerError::EmptyBatch);
    }
    let expected = network.config.channels;
    for found in [settings.mean.len(), settings.std.len()] {
        if found != expected {
            return Err(LowerError::Channels { found, expected });
        }
    }
    for (channel, (&mean, &std)) in settings.mean.iter().zip(&settings.std).enumerate() {
        // They become constants of the kernels, where subnormal numbers may be flushed to 0.
        if !(mean.is_finite() && std.is_normal() && std > 0.0) {
            return Err(LowerError::Normalization { channel, mean, std });
        }
    }
    if settings.precision == Precision::Mixed && !settings.limits.f16 {
        return Err(LowerError::NoF16);
    }
    Ok(())
}

/// A layer's output: a tensor, possibly with a pending batch norm and activation.
#[derive(Clone, Copy)]
struct Value {
    tensor: TensorId,
    /// The vectors of the pending batch norm, and the activation after it.
    pending: Option<(TensorId, Option<Activation>)>,
}

impl Value {
    fn plain(tensor: TensorId) -> Self {
        Self { tensor, pending: None }
    }

    /// The vectors for an operation that reads through batch norm and an activation.
    fn affine(&self) -> Option<TensorId> {
        self.pending.filter(|(_, activation)| activation.is_some()).map(|(affine, _)| affine)
    }

    /// The activation of such an operation.
    fn normalized(&self) -> Option<Activation> {
        self.pending.and_then(|(_, activation)| activation)
    }
}

/// The record of a layer's forward pass, for the backward pass.
#[derive(Clone, Copy)]
struct Record<'a> {
    layer: &'a Layer,
    input: Value,
    output: Value,
    /// What a group norm leaves for its backward pass.
    group: Option<Group>,
}

/// The moments of a group norm's sets, and the activation that it applies.
#[derive(Clone, Copy)]
struct Group {
    moments: TensorId,
    activation: Option<Activation>,
}

struct Lowering<'a> {
    network: &'a Network,
    settings: &'a Settings,
    program: Program,
    inputs: Inputs,
    parameters: Vec<ParameterTensors>,
    /// The tensor that the current pass reads for each parameter: its values, or their average.
    reads: Vec<TensorId>,
    /// The f16 copy of each parameter that the current pass reads, if any.
    copies: Vec<Option<TensorId>>,
    scaling: Option<Scaling>,
    /// The rule of the fused optimiser step of linear weights.
    fused: Option<Adam>,
}

/// The tensors of loss scaling.
#[derive(Clone, Copy)]
struct Scaling {
    state: TensorId,
    overflow: TensorId,
}

impl<'a> Lowering<'a> {
    fn new(network: &'a Network, settings: &'a Settings) -> Self {
        let mut program = Program::default();
        let n = settings.batch;
        let classes = network.config.classes;
        let [h, w] = settings.source;
        let mixed = matches!(&settings.mode, Mode::Train(training) if training.mixed);
        let mut add = |name: &str, shape: Shape, dtype, role| {
            program.add(Tensor { name: name.to_owned(), shape, dtype, role })
        };
        let inputs = Inputs {
            control: add("control", [Control::WORDS].into(), DType::U32, Role::Input),
            images: add("images", [n, h, w, settings.mean.len()].into(), DType::U8, Role::Input),
            transforms: add("transforms", [n, 6].into(), DType::F32, Role::Input),
            mixes: mixed.then(|| add("mixes", [n, Mix::LEN].into(), DType::F32, Role::Input)),
            labels: add("labels", [n].into(), DType::U32, Role::Input),
            metrics: add("metrics", [Metrics::LEN].into(), DType::F32, Role::Output),
            loss: add("loss", [n].into(), DType::F32, Role::Output),
            probs: add("probs", [n, classes].into(), DType::F32, Role::Output),
        };
        let training = match &settings.mode {
            Mode::Train(training) => Some(training),
            Mode::Evaluate | Mode::Explain(_) => None,
        };
        let fused = training.and_then(|training| training.fused(settings.precision));
        let parameters: Vec<ParameterTensors> = network
            .parameters
            .iter()
            .map(|p| {
                let shape = p.layout.device_shape(&p.shape);
                let mut add =
                    |suffix: &str, role| add(&format!("{}{suffix}", p.name), shape.clone(), DType::F32, role);
                let statistic = p.training == model::Training::Statistic;
                let value = add("", if statistic { Role::Statistic } else { Role::Parameter });
                let trained = training.filter(|_| p.trained());
                let stored = trained.filter(|_| fused.is_none() || !p.is_matrix());
                let gradient = stored.map(|_| add(".grad", Role::Gradient));
                let state = trained.map_or(&[][..], |training| training.rule.state());
                let state = state.iter().map(|name| add(&format!(".{name}"), Role::OptimizerState)).collect();
                let average =
                    training.and_then(|training| training.average).map(|_| add(".average", Role::Average));
                ParameterTensors { value, gradient, state, average }
            })
            .collect();
        let scaled = training.is_some() && settings.precision == Precision::Mixed;
        let scaling = scaled.then(|| Scaling {
            state: add("loss_scale", [LossScale::LEN].into(), DType::F32, Role::OptimizerState),
            overflow: add("loss_scale.overflow", [1].into(), DType::U32, Role::OptimizerState),
        });
        let copies = vec![None; network.parameters.len()];
        let reads = parameters.iter().map(|p| p.value).collect();
        Self { network, settings, program, inputs, parameters, reads, copies, scaling, fused }
    }

    fn dtype(&self, tensor: TensorId) -> DType {
        self.program.tensor(tensor).dtype
    }

    fn transient(&mut self, name: String, shape: Shape, dtype: DType) -> TensorId {
        self.program.add(Tensor { name, shape, dtype, role: Role::Transient })
    }

    /// A transient of shape `[N, shape]`.
    fn batched(&mut self, name: String, shape: &Shape, dtype: DType) -> TensorId {
        let dims: Vec<usize> =
            std::iter::once(self.settings.batch).chain(shape.dims().iter().copied()).collect();
        self.transient(name, dims.into(), dtype)
    }

    fn whole(&self, tensor: TensorId) -> View {
        self.program.whole(tensor)
    }

    /// Items `range` of a tensor of `count` equal items.
    fn items(&self, tensor: TensorId, count: usize, range: &Range<usize>) -> View {
        let item = self.program.tensor(tensor).shape.elements() / count;
        View { tensor, offset: range.start * item, len: range.len() * item }
    }

    fn images(&self, tensor: TensorId, range: &Range<usize>) -> View {
        self.items(tensor, self.settings.batch, range)
    }

    /// Whether the pending norm of a value has vectors for each image.
    fn by_image(&self, value: Value) -> bool {
        value.pending.is_some_and(|(affine, _)| self.program.tensor(affine).shape.dims().len() == 3)
    }

    /// The vectors for images `range` of an operation that reads a value through its pending norm and activation.
    fn affine(&self, value: Value, range: &Range<usize>) -> Option<View> {
        let view =
            |affine| if self.by_image(value) { self.images(affine, range) } else { self.whole(affine) };
        value.affine().map(view)
    }

    fn parameter(&self, index: usize) -> View {
        self.whole(self.reads[index])
    }

    fn control(&self) -> View {
        self.whole(self.inputs.control)
    }

    fn gradient(&self, index: usize) -> View {
        let gradient = self.parameters[index].gradient;
        self.whole(gradient.expect("the backward pass runs for trained parameters"))
    }

    /// Splits `count` items of the tensors into ranges that can be bound.
    fn split(&self, what: &str, count: usize, tensors: &[TensorId]) -> Result<Vec<Range<usize>>, LowerError> {
        let bytes: Vec<u64> =
            tensors.iter().map(|&t| self.program.tensor(t).bytes() / count as u64).collect();
        self.settings.limits.split(what, count, &bytes)
    }

    fn split_images(&self, what: &str, tensors: &[TensorId]) -> Result<Vec<Range<usize>>, LowerError> {
        self.split(what, self.settings.batch, tensors)
    }

    /// Adds a step. If its arguments are f16, so are the operation's operands.
    fn step<O: Operation>(&mut self, phase: Phase, label: String, op: O, operands: O::Operands<Each<View>>) {
        self.push(phase, label, op.into(), list(operands));
    }

    fn push(&mut self, phase: Phase, label: String, mut op: Op, operands: Vec<(&'static str, View)>) {
        let half = operands.iter().any(|(_, view)| self.dtype(view.tensor) == DType::F16);
        if half && !matches!(op, Op::Cast(_)) {
            op = Half::new(op).into();
        }
        let declared = op.operands();
        assert!(
            declared.iter().map(|operand| operand.name).eq(operands.iter().map(|(name, _)| *name)),
            "{label}: {op:?} has other optional operands than the step"
        );
        let args = operands.into_iter().map(|(_, view)| view).collect();
        self.program.steps.push(Step { op, args, label, phase });
    }
}

/// `name.pass`, with the range of items if it is not all of them.
fn label(name: &str, pass: &str, range: &Range<usize>, all: usize) -> String {
    if range.len() == all {
        format!("{name}.{pass}")
    } else {
        format!("{name}.{pass}[{}..{}]", range.start, range.end)
    }
}

fn image(shape: &Shape) -> [usize; 3] {
    shape.dims().try_into().expect("a layer of images has [H, W, C]")
}

fn pixels_channels(layer: &Layer) -> (usize, usize) {
    let [h, w, c] = image(&layer.output);
    (h * w, c)
}

fn conv(layer: &Layer, n: usize) -> Conv {
    let ([h, w, c], [.., k]) = (image(&layer.input), image(&layer.output));
    Conv { n, h, w, c, k }
}

/// The group norm of a layer for `n` images.
fn group_norm(layer: &Layer, norm: GroupNormLayer, activation: Option<Activation>, n: usize) -> GroupNorm {
    let (pixels, channels) = pixels_channels(layer);
    let [images, pixels] = if norm.by_pixel { [n * pixels, 1] } else { [n, pixels] };
    GroupNorm { images, pixels, channels, groups: norm.groups, eps: norm.eps, activation }
}

fn avg_pool(layer: &Layer, n: usize) -> AvgPool {
    let ([h, w, c], [p, q, _]) = (image(&layer.input), image(&layer.output));
    AvgPool { n, h, w, c, output: [p, q] }
}

fn pool(layer: &Layer, n: usize, stride: [usize; 2]) -> MaxPool {
    let [h, w, c] = image(&layer.input);
    MaxPool { n, h, w, c, kernel: 2, stride }
}
