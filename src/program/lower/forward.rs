//! The forward pass, in training and in evaluation.

use std::ops::Range;

use super::{
    Group, Inputs, LowerError, Lowering, Mode, Phase, Record, TensorId, Value, avg_pool, conv, group_norm,
    image, label, pixels_channels, pool,
};
use crate::{
    dtype::DType,
    model::{GroupNormLayer, Layer, LayerKind, NormParameters, WeightBias},
    ops::{
        Activate, ActivateOperands, AvgPoolOperands, BatchNormAffine, BatchNormAffineOperands,
        BatchNormNormalize, BatchNormNormalizeOperands, BatchNormRunning, BatchNormRunningOperands,
        BatchNormStatistics, BatchNormStatisticsOperands, ConvForward, ConvForwardOperands, CrossEntropy,
        CrossEntropyOperands, Dropout, DropoutOperands, GroupNormAffine, GroupNormAffineOperands,
        GroupNormOperands, Linear, LinearOperands, MaxPoolForward, MaxPoolForwardOperands, Metrics,
        MetricsOperands, MixImages, MixImagesOperands, PrepareImages, PrepareImagesOperands,
    },
    shape::Shape,
};

impl<'a> Lowering<'a> {
    pub(super) fn forward(&mut self, phase: Phase) -> Result<Vec<Record<'a>>, LowerError> {
        let tag = if phase == Phase::Evaluate { "evaluate." } else { "" };
        let mut tape = Vec::new();
        let mut current = Value::plain(self.prepare(phase, tag)?);
        let mut batch = None;
        let layers = &self.network.layers;
        for (index, layer) in layers.iter().enumerate() {
            if !self.learns(phase) && matches!(layer.kind, LayerKind::Dropout { .. }) {
                continue;
            }
            let mut input = self.readable(phase, tag, layer, current)?;
            if index + 1 == layers.len() {
                input = self.widened(phase, tag, layer, input)?;
            }
            let name = format!("{tag}{}", layer.name);
            let mut group = None;
            let output = match (layer.kind, input.pending) {
                (LayerKind::Conv(parameters), _) => {
                    let normalized_next = matches!(
                        layers.get(index + 1).map(|l| l.kind),
                        Some(LayerKind::BatchNorm(norm)) if self.takes_statistics(phase, norm)
                    );
                    let (output, statistics) =
                        self.conv(phase, name, layer, parameters, input, normalized_next)?;
                    batch = statistics;
                    Value::plain(output)
                }
                (LayerKind::BatchNorm(norm), _) => {
                    self.batch_norm(phase, &name, layer, norm, input.tensor, batch.take())?
                }
                (LayerKind::GroupNorm(norm), _) => {
                    let (output, left) =
                        self.group_norm(phase, &name, [layer, &layers[index + 1]], norm, input.tensor)?;
                    group = Some(left);
                    output
                }
                // A norm of each pixel has applied it.
                (LayerKind::Activation(_), None)
                    if tape.last().is_some_and(|before: &Record<'_>| before.group.is_some()) =>
                {
                    input
                }
                (LayerKind::Activation(activation), Some((affine, _))) => {
                    Value { pending: Some((affine, Some(activation))), ..input }
                }
                _ => Value::plain(self.layer_forward(phase, name, layer, input)?),
            };
            tape.push(Record { layer, input, output, group });
            current = output;
        }
        self.loss(phase, tag, current.tensor);
        Ok(tape)
    }

    /// A value as the layer reads it: convolutions and pooling apply a pending batch norm and activation in their prologue, an
    /// activation is fused into a pending batch norm, and for all other layers both are applied first.
    fn readable(
        &mut self,
        phase: Phase,
        tag: &str,
        layer: &Layer,
        value: Value,
    ) -> Result<Value, LowerError> {
        let Some((_, activation)) = value.pending else { return Ok(value) };
        let reads = match layer.kind {
            LayerKind::Conv(_) | LayerKind::MaxPool { .. } => activation.is_some(),
            LayerKind::Activation(_) => activation.is_none(),
            _ => false,
        };
        if reads {
            return Ok(value);
        }
        Ok(Value::plain(self.applied(phase, format!("{tag}{}.input", layer.name), &layer.input, value)?))
    }

    /// A value `[N, shape]` after its pending batch norm and activation.
    pub(super) fn applied(
        &mut self,
        phase: Phase,
        name: String,
        shape: &Shape,
        value: Value,
    ) -> Result<TensorId, LowerError> {
        let Some((affine, activation)) = value.pending else { return Ok(value.tensor) };
        let n = self.settings.batch;
        let output = self.batched(name.clone(), shape, self.dtype(value.tensor));
        let elements = shape.elements();
        let channels = self.program.tensor(affine).shape.dims()[usize::from(self.by_image(value)) + 1];
        for range in self.split_images(&name, &[value.tensor, output])? {
            let by_image = self.by_image(value);
            let images = by_image.then_some(range.len());
            let rows = range.len() * elements / channels;
            let op = BatchNormNormalize { rows, channels, activation, images };
            let operands = BatchNormNormalizeOperands {
                input: self.images(value.tensor, &range),
                affine: if by_image { self.images(affine, &range) } else { self.whole(affine) },
                output: self.images(output, &range),
            };
            self.step(phase, label(&name, "normalize", &range, n), op, operands);
        }
        Ok(output)
    }

    fn prepare(&mut self, phase: Phase, tag: &str) -> Result<TensorId, LowerError> {
        let [h, w] = self.network.config.image_size;
        let shape: Shape = [h, w, self.network.config.channels].into();
        let output = self.batched(format!("{tag}input"), &shape, self.activations());
        let Inputs { images, transforms, .. } = self.inputs;
        let reflect =
            self.learns(phase) && matches!(&self.settings.mode, Mode::Train(training) if training.reflect);
        for range in self.split_images("the network's input", &[output, images, transforms])? {
            let op = PrepareImages {
                n: range.len(),
                source: self.settings.source,
                output: [h, w],
                mean: self.settings.mean.clone(),
                std: self.settings.std.clone(),
                reflect,
            };
            let [images, transforms, output] = [images, transforms, output].map(|t| self.images(t, &range));
            let label = label(&format!("{tag}prepare"), "images", &range, self.settings.batch);
            self.step(phase, label, op, PrepareImagesOperands { images, transforms, output });
        }
        match self.inputs.mixes.filter(|_| self.learns(phase)) {
            Some(mixes) => self.mix(phase, &shape, output, mixes),
            None => Ok(output),
        }
    }

    /// Every image needs the one before it, so all are mixed at once.
    fn mix(
        &mut self,
        phase: Phase,
        shape: &Shape,
        images: TensorId,
        mixes: TensorId,
    ) -> Result<TensorId, LowerError> {
        let output = self.batched("mixed".to_owned(), shape, self.activations());
        self.split("the batch of mixed images", 1, &[images, output])?;
        let [h, w, channels] = image(shape);
        let op = MixImages { n: self.settings.batch, size: [h, w], channels };
        let [images, mixes, written] = [images, mixes, output].map(|t| self.whole(t));
        self.step(phase, "mix.images".to_owned(), op, MixImagesOperands { images, mixes, output: written });
        Ok(output)
    }

    /// The output, and the batch's mean and variance if they are needed and fused into the kernel.
    fn conv(
        &mut self,
        phase: Phase,
        name: String,
        layer: &Layer,
        WeightBias { weight, bias }: WeightBias,
        input: Value,
        statistics: bool,
    ) -> Result<(TensorId, Option<[TensorId; 2]>), LowerError> {
        let output = self.batched(format!("{name}.output"), &layer.output, self.dtype(input.tensor));
        let ranges = self.split_images(&name, &[input.tensor, output])?;
        self.copy_weight(phase, &name, weight, input)?;
        let statistics =
            (statistics && ranges.len() == 1).then(|| self.batch_vectors(&name, pixels_channels(layer).1));
        for range in ranges {
            let op = ConvForward {
                conv: conv(layer, range.len()),
                normalized: input.normalized(),
                by_image: self.by_image(input),
                statistics: statistics.is_some(),
            };
            let operands = ConvForwardOperands {
                input: self.images(input.tensor, &range),
                affine: self.affine(input, &range),
                weight: self.whole(self.weight(weight)),
                bias: self.parameter(bias),
                output: self.images(output, &range),
                batch_mean: statistics.map(|[mean, _]| self.whole(mean)),
                batch_var: statistics.map(|[_, var]| self.whole(var)),
            };
            self.step(phase, label(&name, "forward", &range, self.settings.batch), op, operands);
        }
        Ok((output, statistics))
    }

    fn batch_vectors(&mut self, name: &str, channels: usize) -> [TensorId; 2] {
        ["batch_mean", "batch_var"]
            .map(|field| self.transient(format!("{name}.{field}"), [channels].into(), DType::F32))
    }

    fn layer_forward(
        &mut self,
        phase: Phase,
        name: String,
        layer: &Layer,
        input: Value,
    ) -> Result<TensorId, LowerError> {
        let n = self.settings.batch;
        let output = self.batched(format!("{name}.output"), &layer.output, self.dtype(input.tensor));
        match layer.kind {
            LayerKind::Activation(activation) => {
                let len = self.program.tensor(input.tensor).shape.elements();
                for range in self.split(&name, len, &[input.tensor])? {
                    let op = Activate { len: range.len(), activation };
                    let [input, output] = [input.tensor, output].map(|t| self.items(t, len, &range));
                    let label = label(&name, "forward", &range, len);
                    self.step(phase, label, op, ActivateOperands { input, output });
                }
            }
            LayerKind::MaxPool { stride } => {
                for range in self.split_images(&name, &[input.tensor, output])? {
                    let (normalized, by_image) = (input.normalized(), self.by_image(input));
                    let op = MaxPoolForward { pool: pool(layer, range.len(), stride), normalized, by_image };
                    let operands = MaxPoolForwardOperands {
                        input: self.images(input.tensor, &range),
                        affine: self.affine(input, &range),
                        output: self.images(output, &range),
                    };
                    self.step(phase, label(&name, "forward", &range, n), op, operands);
                }
            }
            LayerKind::FakeQuantize { range } => {
                let learns = self.learns(phase);
                self.fake_quantize((phase, learns), &name, range, input, output)?;
            }
            LayerKind::AvgPool => {
                for range in self.split_images(&name, &[input.tensor, output])? {
                    let op = avg_pool(layer, range.len());
                    let [input, output] = [input.tensor, output].map(|t| self.images(t, &range));
                    let label = label(&name, "forward", &range, n);
                    self.step(phase, label, op, AvgPoolOperands { input, output });
                }
            }
            LayerKind::Dropout { index } => {
                self.dropout(phase, &name, "forward", index, input.tensor, output)?;
            }
            LayerKind::Linear(parameters) => {
                let WeightBias { weight, bias } = parameters;
                self.copy_weight(phase, &name, weight, input)?;
                for (op, range) in self.linear_slices(layer, parameters)? {
                    let features = op.total;
                    let operands = LinearOperands {
                        input: self.whole(input.tensor),
                        weight: self.items(self.weight(weight), features, &range),
                        bias: self.items(self.reads[bias], features, &range),
                        output: self.whole(output),
                    };
                    self.step(phase, label(&name, "forward", &range, features), op, operands);
                }
            }
            LayerKind::Conv(_) | LayerKind::BatchNorm(_) | LayerKind::GroupNorm(_) => {
                unreachable!("handled by the caller")
            }
        }
        Ok(output)
    }

    /// Computes no normalised values: the next layer reads `input` through the returned vectors. `batch` has the mean and the variance of the
    /// batch if they are already computed.
    fn batch_norm(
        &mut self,
        phase: Phase,
        name: &str,
        layer: &Layer,
        norm: NormParameters,
        input: TensorId,
        batch: Option<[TensorId; 2]>,
    ) -> Result<Value, LowerError> {
        let n = self.settings.batch;
        let (pixels, channels) = pixels_channels(layer);
        let config = &self.network.config;
        let (eps, momentum) = (config.batch_norm_eps, config.batch_norm_momentum);
        let [mean, variance] = if !self.takes_statistics(phase, norm) {
            [norm.running_mean, norm.running_var].map(|index| self.reads[index])
        } else {
            let batch = match batch {
                Some(batch) => batch,
                None => self.statistics(phase, name, layer, input)?,
            };
            let unbiased = self.network.unbiased_running_variance();
            let op = BatchNormRunning { rows: n * pixels, channels, momentum, unbiased };
            let [batch_mean, batch_var] = batch.map(|t| self.whole(t));
            let operands = BatchNormRunningOperands {
                batch_mean,
                batch_var,
                running_mean: self.parameter(norm.running_mean),
                running_var: self.parameter(norm.running_var),
            };
            self.step(phase, format!("{name}.running"), op, operands);
            batch
        };
        let affine = self.transient(format!("{name}.affine"), [4, channels].into(), DType::F32);
        let operands = BatchNormAffineOperands {
            mean: self.whole(mean),
            variance: self.whole(variance),
            gamma: self.parameter(norm.gamma),
            beta: self.parameter(norm.beta),
            affine: self.whole(affine),
        };
        self.step(phase, format!("{name}.affine"), BatchNormAffine { channels, eps }, operands);
        Ok(Value { tensor: input, pending: Some((affine, None)) })
    }

    /// A norm of each image returns vectors through which the next layer reads `input`; a norm of each pixel is computed, with the
    /// activation after it.
    fn group_norm(
        &mut self,
        phase: Phase,
        name: &str,
        [layer, next]: [&Layer; 2],
        norm: GroupNormLayer,
        input: TensorId,
    ) -> Result<(Value, Group), LowerError> {
        let (n, channels) = (self.settings.batch, pixels_channels(layer).1);
        let activation = match next.kind {
            LayerKind::Activation(activation) => Some(activation),
            _ => None,
        };
        let sets = group_norm(layer, norm, activation, n).sets();
        let moments = self.transient(format!("{name}.moments"), [n, sets / n, 2].into(), DType::F32);
        let written = if norm.by_pixel {
            self.batched(format!("{name}.output"), &layer.output, self.dtype(input))
        } else {
            self.transient(format!("{name}.affine"), [n, 4, channels].into(), DType::F32)
        };
        for range in self.split_images(name, &[input, written])? {
            let [gamma, beta] = [norm.gamma, norm.beta].map(|index| self.parameter(index));
            let [input, written, moments] = [input, written, moments].map(|t| self.images(t, &range));
            if norm.by_pixel {
                let op = group_norm(layer, norm, activation, range.len());
                let operands = GroupNormOperands { input, gamma, beta, output: written, moments };
                self.step(phase, label(name, "forward", &range, n), op, operands);
            } else {
                let op = GroupNormAffine(group_norm(layer, norm, None, range.len()));
                let operands = GroupNormAffineOperands { input, gamma, beta, affine: written, moments };
                self.step(phase, label(name, "affine", &range, n), op, operands);
            }
        }
        let pending = Value { tensor: input, pending: Some((written, None)) };
        let value = if norm.by_pixel { Value::plain(written) } else { pending };
        Ok((value, Group { moments, activation }))
    }

    /// Whether a pass is a training step's.
    fn learns(&self, phase: Phase) -> bool {
        phase == Phase::Forward && matches!(self.settings.mode, Mode::Train(_))
    }

    /// Whether a batch norm uses the batch's moments: in training, unless it is frozen.
    fn takes_statistics(&self, phase: Phase, norm: NormParameters) -> bool {
        self.learns(phase) && self.network.parameters[norm.gamma].trained()
    }

    fn statistics(
        &mut self,
        phase: Phase,
        name: &str,
        layer: &Layer,
        input: TensorId,
    ) -> Result<[TensorId; 2], LowerError> {
        let (pixels, channels) = pixels_channels(layer);
        let batch = self.batch_vectors(name, channels);
        for range in self.split_images(name, &[input])? {
            let rows_before = range.start * pixels;
            let op = BatchNormStatistics { rows: range.len() * pixels, channels, rows_before };
            let [batch_mean, batch_var] = batch.map(|t| self.whole(t));
            let input = self.images(input, &range);
            let operands = BatchNormStatisticsOperands { input, batch_mean, batch_var };
            self.step(phase, label(name, "statistics", &range, self.settings.batch), op, operands);
        }
        Ok(batch)
    }

    pub(super) fn dropout(
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
            let operands = DropoutOperands {
                control: self.control(),
                input: self.items(input, len, &range),
                output: self.items(output, len, &range),
            };
            self.step(phase, label(name, pass, &range, len), op, operands);
        }
        Ok(())
    }

    pub(super) fn linear_slices(
        &self,
        layer: &Layer,
        WeightBias { weight, bias }: WeightBias,
    ) -> Result<Vec<(Linear, Range<usize>)>, LowerError> {
        let (inputs, total) = (layer.input.elements(), layer.output.elements());
        let [value, bias] = [weight, bias].map(|index| self.reads[index]);
        let tensors = [value, self.weight(weight), bias];
        let ranges = self.split(&format!("{}.weight", layer.name), total, &tensors)?;
        let slice = |range: Range<usize>| {
            (
                Linear { n: self.settings.batch, inputs, outputs: range.len(), first: range.start, total },
                range,
            )
        };
        Ok(ranges.into_iter().map(slice).collect())
    }

    pub(super) fn loss(&mut self, phase: Phase, tag: &str, logits: TensorId) {
        let (n, classes) = (self.settings.batch, self.network.config.classes);
        let Inputs { labels, mixes, metrics, loss, probs, .. } = self.inputs;
        let [logits, labels, loss, probs, metrics] =
            [logits, labels, loss, probs, metrics].map(|t| self.whole(t));
        // An evaluation reports the loss with the plain target.
        let (label_smoothing, mixed) = match &self.settings.mode {
            Mode::Train(training) if phase == Phase::Forward => (training.label_smoothing, training.mixed),
            _ => (0.0, false),
        };
        let op =
            CrossEntropy { n, classes, label_smoothing, mixed, logit_scale: self.network.config.logit_scale };
        let mixes = mixes.filter(|_| mixed).map(|mixes| self.whole(mixes));
        let operands = CrossEntropyOperands { logits, labels, mixes, loss, probs };
        self.step(phase, format!("{tag}loss.forward"), op, operands);
        let operands = MetricsOperands { control: self.control(), loss, probs, labels, metrics };
        self.step(phase, format!("{tag}metrics.accumulate"), Metrics { n, classes }, operands);
    }
}
