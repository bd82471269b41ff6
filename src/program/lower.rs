//! From a network to a program: forwards along the layers, backwards along the tape.

use std::ops::Range;

use thiserror::Error;

use super::{DeviceLimits, Phase, Program, Role, Step, Tensor, TensorId, View};
use crate::{
    dtype::DType,
    model::{Layer, LayerKind, Network},
    ops::{
        Adam, BatchNormGradInput, BatchNormGradStatistics, BatchNormNormalize, BatchNormRunning,
        BatchNormStatistics, Control, Conv, ConvGradInput, ConvGradWeight, CrossEntropy, CrossEntropyGrad,
        Dropout, GradBias, Linear, LinearGradInput, LinearGradWeight, MaxPool, MaxPoolGrad, Metrics, Op,
        PrepareImages, Relu, ReluGrad,
    },
    shape::Shape,
};

/// What the program is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Training steps and evaluation. The optimiser's constants; its `len` is not looked at.
    Train(Adam),
    /// Evaluation only: no gradients, no optimiser state.
    Evaluate,
}

/// How a network is to be lowered.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Images a step.
    pub batch: usize,
    /// Height and width of the images as they come from the data set.
    pub source: [usize; 2],
    /// Mean of each channel, for normalisation.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// What the program is for.
    pub mode: Mode,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterTensors {
    /// The values.
    pub value: TensorId,
    /// The gradient and Adam's two moments, where the program trains it.
    pub trained: Option<[TensorId; 3]>,
}

/// A network as a program, with the tensors that a host needs to know.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The program.
    pub program: Program,
    /// Inputs and outputs.
    pub inputs: Inputs,
    /// One entry for each of [`Network::parameters`], in that order.
    pub parameters: Vec<ParameterTensors>,
}

/// A program that cannot be made for a device.
#[derive(Debug, Error, PartialEq)]
pub enum LowerError {
    /// One indivisible piece is larger than a binding.
    #[error(
        "{what} needs {} MiB in one binding; this device allows {} MiB. Try a smaller --image-size or --device cpu",
        bytes.div_ceil(1 << 20), limit >> 20
    )]
    Binding {
        /// The tensor or layer.
        what: String,
        /// What its smallest piece needs.
        bytes: u64,
        /// What the device allows.
        limit: u64,
    },
    /// A batch of no images.
    #[error("batch size 0: a step needs at least one image. Try --batch-size 64")]
    EmptyBatch,
    /// The network's channels differ from those of the normalisation.
    #[error("the images have {found} channels, but the network takes {expected}")]
    Channels {
        /// Channels of the data.
        found: usize,
        /// Channels of the network.
        expected: usize,
    },
}

/// Lowers a network.
///
/// # Errors
/// [`LowerError`] where the batch is empty, the data do not fit the network, or a piece of work is too large for
/// the device even when split.
pub fn lower(network: &Network, settings: &Settings) -> Result<Lowered, LowerError> {
    if settings.batch == 0 {
        return Err(LowerError::EmptyBatch);
    }
    let (found, expected) = (settings.mean.len(), network.config.channels);
    if found != expected {
        return Err(LowerError::Channels { found, expected });
    }
    let mut lowering = Lowering::new(network, settings);
    if let Mode::Train(adam) = settings.mode {
        let tape = lowering.forward(Phase::Forward)?;
        lowering.backward(&tape)?;
        lowering.update(adam)?;
    }
    lowering.forward(Phase::Evaluate)?;
    let Lowering { program, inputs, parameters, .. } = lowering;
    debug_assert_eq!(program.validate(), Ok(()));
    Ok(Lowered { program, inputs, parameters })
}

/// What the backward pass needs to know of a layer's forward pass.
struct Record<'a> {
    layer: &'a Layer,
    input: TensorId,
    /// A second result: batch mean and variance, or argmax.
    saved: Vec<TensorId>,
}

struct Lowering<'a> {
    network: &'a Network,
    settings: &'a Settings,
    program: Program,
    inputs: Inputs,
    parameters: Vec<ParameterTensors>,
}

impl<'a> Lowering<'a> {
    fn new(network: &'a Network, settings: &'a Settings) -> Self {
        let mut program = Program::default();
        let n = settings.batch;
        let classes = network.config.classes;
        let [h, w] = settings.source;
        let mut add = |name: &str, shape: Shape, dtype, role| {
            program.add(Tensor { name: name.to_owned(), shape, dtype, role })
        };
        let inputs = Inputs {
            control: add("control", [Control::WORDS].into(), DType::U32, Role::Input),
            images: add("images", [n, h, w, settings.mean.len()].into(), DType::U8, Role::Input),
            transforms: add("transforms", [n, 6].into(), DType::F32, Role::Input),
            labels: add("labels", [n].into(), DType::U32, Role::Input),
            metrics: add("metrics", [Metrics::LEN].into(), DType::F32, Role::Output),
            loss: add("loss", [n].into(), DType::F32, Role::Output),
            probs: add("probs", [n, classes].into(), DType::F32, Role::Output),
        };
        let trains = matches!(settings.mode, Mode::Train(_));
        let parameters = network
            .parameters
            .iter()
            .map(|p| {
                let shape = p.layout.device_shape(&p.shape);
                let mut add =
                    |suffix: &str, role| add(&format!("{}{suffix}", p.name), shape.clone(), DType::F32, role);
                ParameterTensors {
                    value: add("", if p.trainable { Role::Parameter } else { Role::Statistic }),
                    trained: (trains && p.trainable).then(|| {
                        [
                            add(".grad", Role::Gradient),
                            add(".m", Role::OptimizerState),
                            add(".v", Role::OptimizerState),
                        ]
                    }),
                }
            })
            .collect();
        Self { network, settings, program, inputs, parameters }
    }

    // --- tensors and views ---

    fn transient(&mut self, name: String, shape: Shape, dtype: DType) -> TensorId {
        self.program.add(Tensor { name, shape, dtype, role: Role::Transient })
    }

    /// A transient with the batch in front of `shape`.
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

    fn parameter(&self, index: usize) -> View {
        self.whole(self.parameters[index].value)
    }

    fn gradient(&self, index: usize) -> View {
        let [gradient, ..] =
            self.parameters[index].trained.expect("the backward pass runs for trained parameters");
        self.whole(gradient)
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

    fn step(&mut self, phase: Phase, label: String, op: impl Into<Op>, args: Vec<View>) {
        self.program.steps.push(Step { op: op.into(), args, label, phase });
    }

    // --- forward ---

    fn forward(&mut self, phase: Phase) -> Result<Vec<Record<'a>>, LowerError> {
        let tag = if phase == Phase::Evaluate { "evaluate." } else { "" };
        let mut tape = Vec::new();
        let mut current = self.prepare(phase, tag)?;
        let network = self.network;
        for layer in &network.layers {
            if phase == Phase::Evaluate && matches!(layer.kind, LayerKind::Dropout { .. }) {
                continue;
            }
            let output = self.batched(format!("{tag}{}.output", layer.name), &layer.output, DType::F32);
            let saved = self.layer_forward(phase, tag, layer, current, output)?;
            tape.push(Record { layer, input: current, saved });
            current = output;
        }
        self.loss(phase, tag, current);
        Ok(tape)
    }

    fn prepare(&mut self, phase: Phase, tag: &str) -> Result<TensorId, LowerError> {
        let [h, w] = self.network.config.image_size;
        let shape = [h, w, self.network.config.channels].into();
        let output = self.batched(format!("{tag}input"), &shape, DType::F32);
        let Inputs { images, transforms, .. } = self.inputs;
        for range in self.split_images("the network's input", &[output, images, transforms])? {
            let op = PrepareImages {
                n: range.len(),
                source: self.settings.source,
                output: [h, w],
                mean: self.settings.mean.clone(),
                std: self.settings.std.clone(),
            };
            let args = [images, transforms, output].map(|t| self.images(t, &range)).to_vec();
            self.step(
                phase,
                label(&format!("{tag}prepare"), "images", &range, self.settings.batch),
                op,
                args,
            );
        }
        Ok(output)
    }

    fn layer_forward(
        &mut self,
        phase: Phase,
        tag: &str,
        layer: &Layer,
        input: TensorId,
        output: TensorId,
    ) -> Result<Vec<TensorId>, LowerError> {
        let name = format!("{tag}{}", layer.name);
        let n = self.settings.batch;
        match layer.kind {
            LayerKind::Conv { weight } => {
                for range in self.split_images(&name, &[input, output])? {
                    let args = vec![
                        self.images(input, &range),
                        self.parameter(weight),
                        self.parameter(weight + 1),
                        self.images(output, &range),
                    ];
                    self.step(phase, label(&name, "forward", &range, n), conv(layer, range.len()), args);
                }
            }
            LayerKind::BatchNorm { gamma } => {
                return self.batch_norm(phase, tag, layer, gamma, input, output);
            }
            LayerKind::Relu => {
                let len = self.program.tensor(input).shape.elements();
                for range in self.split(&name, len, &[input])? {
                    let args = [input, output].map(|t| self.items(t, len, &range)).to_vec();
                    self.step(phase, label(&name, "forward", &range, len), Relu { len: range.len() }, args);
                }
            }
            LayerKind::MaxPool { stride } => {
                let argmax = self.batched(format!("{name}.argmax"), &layer.output, DType::U32);
                for range in self.split_images(&name, &[input, output, argmax])? {
                    let args = [input, output, argmax].map(|t| self.images(t, &range)).to_vec();
                    self.step(
                        phase,
                        label(&name, "forward", &range, n),
                        pool(layer, range.len(), stride),
                        args,
                    );
                }
                return Ok(vec![argmax]);
            }
            LayerKind::Dropout { index } => self.dropout(phase, &name, "forward", index, input, output)?,
            LayerKind::Linear { weight } => {
                for (op, range) in self.linear_slices(layer, weight)? {
                    let features = op.total;
                    let args = vec![
                        self.whole(input),
                        self.items(self.parameters[weight].value, features, &range),
                        self.items(self.parameters[weight + 1].value, features, &range),
                        self.whole(output),
                    ];
                    self.step(phase, label(&name, "forward", &range, features), op, args);
                }
            }
        }
        Ok(Vec::new())
    }

    fn batch_norm(
        &mut self,
        phase: Phase,
        tag: &str,
        layer: &Layer,
        gamma: usize,
        input: TensorId,
        output: TensorId,
    ) -> Result<Vec<TensorId>, LowerError> {
        let name = format!("{tag}{}", layer.name);
        let n = self.settings.batch;
        let (pixels, channels) = pixels_channels(layer);
        let config = &self.network.config;
        let (eps, momentum) = (config.batch_norm_eps, config.batch_norm_momentum);
        let ranges = self.split_images(&name, &[input, output])?;
        let saved = if phase == Phase::Evaluate {
            vec![self.parameters[gamma + 2].value, self.parameters[gamma + 3].value]
        } else {
            let saved = ["batch_mean", "batch_var"]
                .map(|field| self.transient(format!("{name}.{field}"), [channels].into(), DType::F32));
            for range in &ranges {
                let op = BatchNormStatistics {
                    rows: range.len() * pixels,
                    channels,
                    rows_before: range.start * pixels,
                };
                let args = vec![self.images(input, range), self.whole(saved[0]), self.whole(saved[1])];
                self.step(phase, label(&name, "statistics", range, n), op, args);
            }
            let unbiased = self.network.unbiased_running_variance();
            let op = BatchNormRunning { rows: n * pixels, channels, momentum, unbiased };
            let args = vec![
                self.whole(saved[0]),
                self.whole(saved[1]),
                self.parameter(gamma + 2),
                self.parameter(gamma + 3),
            ];
            self.step(phase, format!("{name}.running"), op, args);
            saved.to_vec()
        };
        for range in &ranges {
            let op = BatchNormNormalize { rows: range.len() * pixels, channels, eps };
            let args = vec![
                self.images(input, range),
                self.whole(saved[0]),
                self.whole(saved[1]),
                self.parameter(gamma),
                self.parameter(gamma + 1),
                self.images(output, range),
            ];
            self.step(phase, label(&name, "normalize", range, n), op, args);
        }
        Ok(saved)
    }

    fn dropout(
        &mut self,
        phase: Phase,
        name: &str,
        pass: &str,
        layer: u32,
        input: TensorId,
        output: TensorId,
    ) -> Result<(), LowerError> {
        let len = self.program.tensor(input).shape.elements();
        for range in self.split(name, len, &[input])? {
            let rate = self.network.config.dropout;
            let op = Dropout { len: range.len(), offset: range.start, rate, layer };
            let args = vec![
                self.whole(self.inputs.control),
                self.items(input, len, &range),
                self.items(output, len, &range),
            ];
            self.step(phase, label(name, pass, &range, len), op, args);
        }
        Ok(())
    }

    fn linear_slices(&self, layer: &Layer, weight: usize) -> Result<Vec<(Linear, Range<usize>)>, LowerError> {
        let (inputs, total) = (layer.input.elements(), layer.output.elements());
        let tensors = [self.parameters[weight].value, self.parameters[weight + 1].value];
        let ranges = self.split(&format!("{}.weight", layer.name), total, &tensors)?;
        let slice = |range: Range<usize>| {
            (
                Linear { n: self.settings.batch, inputs, outputs: range.len(), first: range.start, total },
                range,
            )
        };
        Ok(ranges.into_iter().map(slice).collect())
    }

    fn loss(&mut self, phase: Phase, tag: &str, logits: TensorId) {
        let (n, classes) = (self.settings.batch, self.network.config.classes);
        let Inputs { control, labels, metrics, loss, probs, .. } = self.inputs;
        let args = [logits, labels, loss, probs].map(|t| self.whole(t)).to_vec();
        self.step(phase, format!("{tag}loss.forward"), CrossEntropy { n, classes }, args);
        let args = [control, loss, probs, labels, metrics].map(|t| self.whole(t)).to_vec();
        self.step(phase, format!("{tag}metrics.accumulate"), Metrics { n, classes }, args);
    }

    // --- backward ---

    fn backward(&mut self, tape: &[Record<'a>]) -> Result<(), LowerError> {
        let (n, classes) = (self.settings.batch, self.network.config.classes);
        let Inputs { control, labels, probs, .. } = self.inputs;
        let mut grad = self.transient("loss.grad_logits".into(), [n, classes].into(), DType::F32);
        let args = [control, probs, labels, grad].map(|t| self.whole(t)).to_vec();
        self.step(Phase::Backward, "loss.grad_input".into(), CrossEntropyGrad { n, classes }, args);
        for (index, record) in tape.iter().enumerate().rev() {
            // Nothing asks for the gradient of the images.
            let grad_input = (index > 0).then(|| {
                self.batched(format!("{}.grad_input", record.layer.name), &record.layer.input, DType::F32)
            });
            self.layer_backward(record, grad, grad_input)?;
            if let Some(grad_input) = grad_input {
                grad = grad_input;
            }
        }
        Ok(())
    }

    fn layer_backward(
        &mut self,
        record: &Record<'a>,
        grad_output: TensorId,
        grad_input: Option<TensorId>,
    ) -> Result<(), LowerError> {
        let Record { layer, input, saved } = record;
        match layer.kind {
            LayerKind::Conv { weight } => self.conv_backward(layer, weight, *input, grad_output, grad_input),
            LayerKind::Linear { weight } => {
                self.linear_backward(layer, weight, *input, grad_output, grad_input)
            }
            _ => {
                let grad_input = grad_input.expect("the first layer is a convolution");
                self.chain_backward(layer, *input, saved, grad_output, grad_input)
            }
        }
    }

    /// The layers that pass the gradient on without weights of a matrix.
    fn chain_backward(
        &mut self,
        layer: &Layer,
        input: TensorId,
        saved: &[TensorId],
        grad_output: TensorId,
        grad_input: TensorId,
    ) -> Result<(), LowerError> {
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        match layer.kind {
            LayerKind::BatchNorm { gamma } => {
                let (pixels, channels) = pixels_channels(layer);
                let eps = self.network.config.batch_norm_eps;
                let ranges = self.split_images(name, &[input, grad_output, grad_input])?;
                for range in &ranges {
                    let accumulate = range.start > 0;
                    let op =
                        BatchNormGradStatistics { rows: range.len() * pixels, channels, eps, accumulate };
                    let args = vec![
                        self.images(input, range),
                        self.whole(saved[0]),
                        self.whole(saved[1]),
                        self.images(grad_output, range),
                        self.gradient(gamma),
                        self.gradient(gamma + 1),
                    ];
                    self.step(phase, label(name, "grad_statistics", range, n), op, args);
                }
                for range in &ranges {
                    let rows = range.len() * pixels;
                    let op = BatchNormGradInput { rows, channels, eps, total_rows: n * pixels };
                    let args = vec![
                        self.images(input, range),
                        self.whole(saved[0]),
                        self.whole(saved[1]),
                        self.parameter(gamma),
                        self.gradient(gamma),
                        self.gradient(gamma + 1),
                        self.images(grad_output, range),
                        self.images(grad_input, range),
                    ];
                    self.step(phase, label(name, "grad_input", range, n), op, args);
                }
            }
            LayerKind::Relu => {
                let len = self.program.tensor(input).shape.elements();
                for range in self.split(name, len, &[input])? {
                    let op = ReluGrad { len: range.len(), at_zero: self.network.relu_at_zero() };
                    let args = [input, grad_output, grad_input].map(|t| self.items(t, len, &range)).to_vec();
                    self.step(phase, label(name, "grad_input", &range, len), op, args);
                }
            }
            LayerKind::MaxPool { stride } => {
                for range in self.split_images(name, &[saved[0], grad_output, grad_input])? {
                    let op = MaxPoolGrad(pool(layer, range.len(), stride));
                    let args = [saved[0], grad_output, grad_input].map(|t| self.images(t, &range)).to_vec();
                    self.step(phase, label(name, "grad_input", &range, n), op, args);
                }
            }
            LayerKind::Dropout { index } => {
                self.dropout(phase, name, "grad_input", index, grad_output, grad_input)?;
            }
            LayerKind::Conv { .. } | LayerKind::Linear { .. } => unreachable!("handled by the caller"),
        }
        Ok(())
    }

    fn conv_backward(
        &mut self,
        layer: &Layer,
        weight: usize,
        input: TensorId,
        grad_output: TensorId,
        grad_input: Option<TensorId>,
    ) -> Result<(), LowerError> {
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let (pixels, channels) = pixels_channels(layer);
        for range in self.split_images(name, &[input, grad_output])? {
            let accumulate = range.start > 0;
            let op = ConvGradWeight { conv: conv(layer, range.len()), accumulate };
            let args =
                vec![self.images(input, &range), self.images(grad_output, &range), self.gradient(weight)];
            self.step(phase, label(name, "grad_weight", &range, n), op, args);
            let op = GradBias { rows: range.len() * pixels, channels, accumulate };
            let args = vec![self.images(grad_output, &range), self.gradient(weight + 1)];
            self.step(phase, label(name, "grad_bias", &range, n), op, args);
            if let Some(grad_input) = grad_input {
                let op = ConvGradInput(conv(layer, range.len()));
                let args = vec![
                    self.images(grad_output, &range),
                    self.parameter(weight),
                    self.images(grad_input, &range),
                ];
                self.step(phase, label(name, "grad_input", &range, n), op, args);
            }
        }
        Ok(())
    }

    fn linear_backward(
        &mut self,
        layer: &Layer,
        weight: usize,
        input: TensorId,
        grad_output: TensorId,
        grad_input: Option<TensorId>,
    ) -> Result<(), LowerError> {
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let features = layer.output.elements();
        for (op, range) in self.linear_slices(layer, weight)? {
            let [gradient, ..] = self.parameters[weight].trained.expect("trained in the backward pass");
            let args =
                vec![self.whole(input), self.whole(grad_output), self.items(gradient, features, &range)];
            self.step(phase, label(name, "grad_weight", &range, features), LinearGradWeight(op), args);
            if let Some(grad_input) = grad_input {
                let args = vec![
                    self.whole(grad_output),
                    self.items(self.parameters[weight].value, features, &range),
                    self.whole(grad_input),
                ];
                self.step(phase, label(name, "grad_input", &range, features), LinearGradInput(op), args);
            }
        }
        let op = GradBias { rows: n, channels: features, accumulate: false };
        let args = vec![self.whole(grad_output), self.gradient(weight + 1)];
        self.step(phase, format!("{name}.grad_bias"), op, args);
        Ok(())
    }

    // --- update ---

    fn update(&mut self, adam: Adam) -> Result<(), LowerError> {
        for (index, parameter) in self.network.parameters.iter().enumerate() {
            let ParameterTensors { value, trained: Some([gradient, m, v]) } = self.parameters[index] else {
                continue;
            };
            let len = parameter.shape.elements();
            for range in self.split(&parameter.name, len, &[value])? {
                let mut args = vec![self.whole(self.inputs.control)];
                args.extend([gradient, value, m, v].map(|t| self.items(t, len, &range)));
                let op = Adam { len: range.len(), ..adam };
                self.step(Phase::Update, label(&parameter.name, "update", &range, len), op, args);
            }
        }
        Ok(())
    }
}

/// `name.pass`, and which items where it is not all of them.
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

fn pool(layer: &Layer, n: usize, stride: [usize; 2]) -> MaxPool {
    let [h, w, c] = image(&layer.input);
    MaxPool { n, h, w, c, kernel: 2, stride }
}
