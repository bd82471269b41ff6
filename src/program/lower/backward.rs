//! The backward pass along the tape.

use std::ops::Range;

use super::{
    Inputs, LowerError, Lowering, Phase, Record, TensorId, Training, Value, avg_pool, conv, group_norm,
    label, pixels_channels, pool,
};
use crate::{
    dtype::DType,
    model::{Layer, LayerKind, NormParameters, WeightBias},
    ops::{
        ActivateGrad, ActivateGradOperands, Activation, AvgPoolGrad, AvgPoolGradOperands,
        BatchNormGradAffine, BatchNormGradAffineOperands, BatchNormGradInput, BatchNormGradInputOperands,
        BatchNormGradStatistics, BatchNormGradStatisticsOperands, ConvGradInput, ConvGradInputOperands,
        ConvGradWeight, ConvGradWeightOperands, CrossEntropyGrad, CrossEntropyGradOperands, GradBias,
        GradBiasOperands, GradStatistics, GroupNormGrad, GroupNormGradOperands, Linear, LinearGradInput,
        LinearGradInputOperands, LinearGradWeight, LinearGradWeightOperands, LinearUpdate,
        LinearUpdateOperands, MaxPool, MaxPoolGrad, MaxPoolGradOperands,
    },
};

/// The gradient with respect to a layer's input, possibly with the backward pass of a batch norm and activation pending.
#[derive(Clone, Copy)]
pub(super) struct Grad {
    pub tensor: TensorId,
    /// The batch norm and the activation whose backward pass is pending.
    pub through: Option<Through>,
    /// Whether the preceding batch norm's gradients of gamma and beta are already computed.
    pub statistics: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Through {
    /// The input of the batch norm.
    pub output: TensorId,
    pub grad_affine: TensorId,
    /// The activation fused into the batch norm, if there is one.
    pub activation: Option<Activation>,
}

impl Grad {
    pub fn plain(tensor: TensorId) -> Self {
        Self { tensor, through: None, statistics: false }
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn backward(&mut self, tape: &[Record<'a>], training: &Training) -> Result<(), LowerError> {
        let (n, classes) = (self.settings.batch, self.network.config.classes);
        let Inputs { labels, mixes, probs, .. } = self.inputs;
        let mixes = mixes.map(|mixes| self.whole(mixes));
        let logits = self.transient("loss.grad_logits".into(), [n, classes].into(), DType::F32);
        let &Training { label_smoothing, mixed, .. } = training;
        let op = CrossEntropyGrad {
            n,
            classes,
            label_smoothing,
            mixed,
            logit_scale: self.network.config.logit_scale,
        };
        let [probs, labels, grad_logits] = [probs, labels, logits].map(|t| self.whole(t));
        let operands =
            CrossEntropyGradOperands { control: self.control(), probs, labels, mixes, grad_logits };
        self.step(Phase::Backward, "loss.grad_input".into(), op, operands);
        self.scale(logits);
        let mut grad = Grad::plain(logits);
        // No gradients are needed before the first trained layer.
        let trained = |record: &Record<'_>| {
            record.layer.kind.parameters().iter().any(|&index| self.network.parameters[index].trained())
        };
        let first = tape.iter().position(trained).unwrap_or(tape.len());
        for (index, record) in tape.iter().enumerate().skip(first).rev() {
            let before = index.checked_sub(1).map(|before| tape[before].layer.kind);
            let activation = tape.get(index + 1).and_then(|next| next.output.normalized());
            let name = format!("{}.grad_output", record.layer.name);
            grad.tensor = self.cast(Phase::Backward, &name, grad.tensor, self.dtype(record.output.tensor))?;
            // The last batch norm before this layer: the one that a layer with a prologue reads through.
            let norm = tape[..index].iter().rev().find_map(|record| match record.layer.kind {
                LayerKind::BatchNorm(norm) => Some(norm),
                _ => None,
            });
            let norm = norm.filter(|_| record.input.affine().is_some());
            grad = match (record.layer.kind, before) {
                // It is fused into the preceding normalisation.
                (LayerKind::Activation(_), _) if record.input.tensor == record.output.tensor => continue,
                (LayerKind::Conv(parameters), _) => {
                    self.conv_backward(record, parameters, grad, (index > first, norm))?
                }
                (_, None) => unreachable!("the first layer is a convolution"),
                (LayerKind::BatchNorm(norm), Some(LayerKind::Conv(WeightBias { bias, .. })))
                    if activation.is_some() =>
                {
                    let through = self.batch_norm_statistics(record, norm, activation, grad, Some(bias))?;
                    Grad { through: Some(through), ..grad }
                }
                (LayerKind::BatchNorm(norm), _) => {
                    let through = self.batch_norm_statistics(record, norm, activation, grad, None)?;
                    self.batch_norm_grad_input(record.layer, grad.tensor, through)?
                }
                (LayerKind::GroupNorm(_), _) => self.group_norm_backward(record, grad.tensor, true)?,
                (LayerKind::Linear(parameters), _) => {
                    self.linear_backward(record, parameters, grad.tensor, index > first)?
                }
                (LayerKind::MaxPool { stride }, _) => {
                    self.max_pool_backward(record, stride, grad.tensor, norm)?
                }
                _ => self.chain_backward(record, grad.tensor)?,
            };
        }
        Ok(())
    }

    /// A tensor for the gradient of a layer's input, of the type of `input`.
    pub(super) fn grad_input(&mut self, layer: &Layer, input: TensorId) -> TensorId {
        self.batched(format!("{}.grad_input", layer.name), &layer.input, self.dtype(input))
    }

    /// Computes the gradients of gamma and beta; returns the pending backward pass to the input. `activation`: the one fused into
    /// the batch norm, if there is one. `bias`: that of the preceding convolution, if its gradient is computed.
    fn batch_norm_statistics(
        &mut self,
        record: &Record<'a>,
        norm: NormParameters,
        activation: Option<Activation>,
        grad: Grad,
        bias: Option<usize>,
    ) -> Result<Through, LowerError> {
        let (name, n, phase) = (&record.layer.name, self.settings.batch, Phase::Backward);
        let (pixels, channels) = pixels_channels(record.layer);
        let input = record.input.tensor;
        let (affine, _) = record.output.pending.expect("a batch norm's output is pending");
        let ranges =
            if grad.statistics { Vec::new() } else { self.split_images(name, &[input, grad.tensor])? };
        for range in ranges {
            let (rows, accumulate) = (range.len() * pixels, range.start > 0);
            let op = BatchNormGradStatistics { rows, channels, activation, accumulate };
            let operands = BatchNormGradStatisticsOperands {
                input: self.images(input, &range),
                affine: self.whole(affine),
                grad_output: self.images(grad.tensor, &range),
                grad_gamma: self.gradient(norm.gamma),
                grad_beta: self.gradient(norm.beta),
            };
            self.step(phase, label(name, "grad_statistics", &range, n), op, operands);
        }
        let grad_affine = self.transient(format!("{name}.grad_affine"), [5, channels].into(), DType::F32);
        let op = BatchNormGradAffine { channels, total_rows: n * pixels, bias: bias.is_some() };
        let operands = BatchNormGradAffineOperands {
            affine: self.whole(affine),
            grad_gamma: self.gradient(norm.gamma),
            grad_beta: self.gradient(norm.beta),
            grad_affine: self.whole(grad_affine),
            grad_bias: bias.map(|bias| self.gradient(bias)),
        };
        self.step(phase, format!("{name}.grad_affine"), op, operands);
        Ok(Through { output: input, grad_affine, activation })
    }

    fn batch_norm_grad_input(
        &mut self,
        layer: &Layer,
        grad_output: TensorId,
        through: Through,
    ) -> Result<Grad, LowerError> {
        let Through { output: input, grad_affine, activation } = through;
        let (pixels, channels) = pixels_channels(layer);
        let grad_input = self.grad_input(layer, input);
        for range in self.split_images(&layer.name, &[input, grad_output, grad_input])? {
            let op = BatchNormGradInput { rows: range.len() * pixels, channels, activation };
            let operands = BatchNormGradInputOperands {
                input: self.images(input, &range),
                grad_affine: self.whole(grad_affine),
                grad_output: self.images(grad_output, &range),
                grad_input: self.images(grad_input, &range),
            };
            let label = label(&layer.name, "grad_input", &range, self.settings.batch);
            self.step(Phase::Backward, label, op, operands);
        }
        Ok(Grad::plain(grad_input))
    }

    /// `parameters`: whether the gradients of gamma and beta are computed.
    fn group_norm_backward(
        &mut self,
        record: &Record<'a>,
        grad_output: TensorId,
        parameters: bool,
    ) -> Result<Grad, LowerError> {
        let (layer, n) = (record.layer, self.settings.batch);
        let (LayerKind::GroupNorm(norm), Some(group)) = (layer.kind, record.group) else {
            unreachable!("a group norm's record")
        };
        let input = record.input.tensor;
        let grad_input = self.grad_input(layer, input);
        for range in self.split_images(&layer.name, &[input, grad_output, grad_input])? {
            let op = GroupNormGrad {
                norm: group_norm(layer, norm, group.activation, range.len()),
                parameters,
                accumulate: parameters && range.start > 0,
            };
            let operands = GroupNormGradOperands {
                input: self.images(input, &range),
                gamma: self.parameter(norm.gamma),
                beta: self.parameter(norm.beta),
                moments: self.images(group.moments, &range),
                grad_output: self.images(grad_output, &range),
                grad_input: self.images(grad_input, &range),
                grad_gamma: parameters.then(|| self.gradient(norm.gamma)),
                grad_beta: parameters.then(|| self.gradient(norm.beta)),
            };
            self.step(Phase::Backward, label(&layer.name, "grad_input", &range, n), op, operands);
        }
        Ok(Grad::plain(grad_input))
    }

    /// The layers whose parameters, if they have any, get no gradients here.
    pub(super) fn chain_backward(
        &mut self,
        record: &Record<'a>,
        grad_output: TensorId,
    ) -> Result<Grad, LowerError> {
        let Record { layer, input, .. } = *record;
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        if let LayerKind::MaxPool { stride } = layer.kind {
            return self.max_pool_backward(record, stride, grad_output, None);
        }
        if let LayerKind::GroupNorm(_) = layer.kind {
            return self.group_norm_backward(record, grad_output, false);
        }
        let grad_input = self.grad_input(layer, input.tensor);
        match layer.kind {
            LayerKind::Activation(activation) => {
                let len = self.program.tensor(input.tensor).shape.elements();
                for range in self.split(name, len, &[input.tensor])? {
                    let op = ActivateGrad { len: range.len(), activation };
                    let [input, grad_output, grad_input] =
                        [input.tensor, grad_output, grad_input].map(|t| self.items(t, len, &range));
                    let operands = ActivateGradOperands { input, grad_output, grad_input };
                    self.step(phase, label(name, "grad_input", &range, len), op, operands);
                }
            }
            LayerKind::FakeQuantize { range } => {
                self.fake_quantize_backward(layer, range, input.tensor, [grad_output, grad_input])?;
            }
            LayerKind::AvgPool => {
                for range in self.split_images(name, &[grad_output, grad_input])? {
                    let op = AvgPoolGrad(avg_pool(layer, range.len()));
                    let [grad_output, grad_input] = [grad_output, grad_input].map(|t| self.images(t, &range));
                    let operands = AvgPoolGradOperands { grad_output, grad_input };
                    self.step(phase, label(name, "grad_input", &range, n), op, operands);
                }
            }
            LayerKind::Dropout { index } => {
                self.dropout(phase, name, "grad_input", index, grad_output, grad_input)?;
            }
            LayerKind::MaxPool { .. }
            | LayerKind::GroupNorm(_)
            | LayerKind::Conv(_)
            | LayerKind::Linear(_)
            | LayerKind::BatchNorm(_) => unreachable!("handled by the caller"),
        }
        Ok(Grad::plain(grad_input))
    }

    /// `norm`: the batch norm that pooling reads through, if its gradients are needed. They are computed here if windows do
    /// not overlap.
    fn max_pool_backward(
        &mut self,
        record: &Record<'a>,
        stride: [usize; 2],
        grad_output: TensorId,
        norm: Option<NormParameters>,
    ) -> Result<Grad, LowerError> {
        let Record { layer, input, .. } = *record;
        let normalized = input.normalized();
        let whole = pool(layer, self.settings.batch, stride);
        let norm = norm.filter(|_| whole.disjoint());
        let grad_input = self.grad_input(layer, input.tensor);
        for range in self.split_images(&layer.name, &[input.tensor, grad_output, grad_input])? {
            let statistics = norm.and_then(|_| Self::grad_statistics(input, &range));
            let by_image = self.by_image(input);
            let op =
                MaxPoolGrad { pool: MaxPool { n: range.len(), ..whole }, normalized, by_image, statistics };
            let operands = MaxPoolGradOperands {
                input: self.images(input.tensor, &range),
                affine: self.affine(input, &range),
                grad_output: self.images(grad_output, &range),
                grad_input: self.images(grad_input, &range),
                grad_gamma: norm.map(|norm| self.gradient(norm.gamma)),
                grad_beta: norm.map(|norm| self.gradient(norm.beta)),
            };
            let label = label(&layer.name, "grad_input", &range, self.settings.batch);
            self.step(Phase::Backward, label, op, operands);
        }
        Ok(Grad { statistics: norm.is_some(), ..Grad::plain(grad_input) })
    }

    /// The sums that a slice of the batch adds to the gradients of gamma and beta of the batch norm pending on `input`.
    fn grad_statistics(input: Value, range: &Range<usize>) -> Option<GradStatistics> {
        Some(GradStatistics { activation: input.normalized()?, accumulate: range.start > 0 })
    }

    /// `passes_on`: whether an earlier layer needs the gradient of this one's input. `norm`: the batch norm that the convolution
    /// reads through; its gradients are then computed here.
    fn conv_backward(
        &mut self,
        record: &Record<'a>,
        WeightBias { weight, bias }: WeightBias,
        grad: Grad,
        (passes_on, norm): (bool, Option<NormParameters>),
    ) -> Result<Grad, LowerError> {
        let Record { layer, input, .. } = *record;
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let (pixels, channels) = pixels_channels(layer);
        let through = grad.through.and_then(|t| t.activation);
        let grad_input = passes_on.then(|| self.grad_input(layer, input.tensor));
        let norm = norm.filter(|_| passes_on);
        let tensors = [Some(input.tensor), Some(grad.tensor), grad.through.map(|t| t.output), grad_input];
        let tensors: Vec<TensorId> = tensors.into_iter().flatten().collect();
        for range in self.split_images(name, &tensors)? {
            let accumulate = range.start > 0;
            let conv = conv(layer, range.len());
            let (normalized, by_image) = (input.normalized(), self.by_image(input));
            let op = ConvGradWeight { conv, normalized, by_image, through, accumulate };
            let operands = ConvGradWeightOperands {
                input: self.images(input.tensor, &range),
                affine: self.affine(input, &range),
                grad_output: self.images(grad.tensor, &range),
                output: grad.through.map(|through| self.images(through.output, &range)),
                grad_affine: grad.through.map(|through| self.whole(through.grad_affine)),
                grad_weight: self.gradient(weight),
            };
            self.step(phase, label(name, "grad_weight", &range, n), op, operands);
            // A batch norm has already computed the gradient of the bias before it.
            if grad.through.is_none() {
                let op = GradBias { rows: range.len() * pixels, channels, accumulate };
                let grad_output = self.images(grad.tensor, &range);
                let operands = GradBiasOperands { grad_output, grad_bias: self.gradient(bias) };
                self.step(phase, label(name, "grad_bias", &range, n), op, operands);
            }
            if let Some(grad_input) = grad_input {
                self.conv_grad_input(record, weight, grad, (grad_input, norm), &range);
            }
        }
        // The first layer's is not read.
        Ok(Grad { statistics: norm.is_some(), ..Grad::plain(grad_input.unwrap_or(grad.tensor)) })
    }

    pub(super) fn conv_grad_input(
        &mut self,
        record: &Record<'a>,
        weight: usize,
        grad: Grad,
        (grad_input, norm): (TensorId, Option<NormParameters>),
        range: &Range<usize>,
    ) {
        let Record { layer, input, .. } = *record;
        let statistics = norm.and_then(|_| Self::grad_statistics(input, range));
        let through = grad.through.and_then(|t| t.activation);
        let op = ConvGradInput { conv: conv(layer, range.len()), through, statistics };
        let affine = input.affine().filter(|_| norm.is_some());
        let operands = ConvGradInputOperands {
            grad_output: self.images(grad.tensor, range),
            output: grad.through.map(|through| self.images(through.output, range)),
            grad_affine: grad.through.map(|through| self.whole(through.grad_affine)),
            weight: self.whole(self.weight(weight)),
            input: affine.map(|_| self.images(input.tensor, range)),
            affine: affine.map(|affine| self.whole(affine)),
            grad_input: self.images(grad_input, range),
            grad_gamma: norm.map(|norm| self.gradient(norm.gamma)),
            grad_beta: norm.map(|norm| self.gradient(norm.beta)),
        };
        self.step(
            Phase::Backward,
            label(&layer.name, "grad_input", range, self.settings.batch),
            op,
            operands,
        );
    }

    pub(super) fn linear_grad_input(
        &mut self,
        layer: &Layer,
        WeightBias { weight, .. }: WeightBias,
        grad_output: TensorId,
        grad_input: TensorId,
        (op, range): (Linear, &Range<usize>),
    ) {
        let features = layer.output.elements();
        let operands = LinearGradInputOperands {
            grad_output: self.whole(grad_output),
            weight: self.items(self.weight(weight), features, range),
            grad_input: self.whole(grad_input),
        };
        let label = label(&layer.name, "grad_input", range, features);
        self.step(Phase::Backward, label, LinearGradInput(op), operands);
    }

    /// The gradient of a linear layer's weights: stored, or fused with the optimiser step.
    fn linear_grad_weight(
        &mut self,
        layer: &Layer,
        weight: usize,
        [input, grad_output]: [TensorId; 2],
        (linear, range): (Linear, &Range<usize>),
    ) {
        let (features, tensors) = (layer.output.elements(), self.parameters[weight].clone());
        let (phase, [input, grad_output]) = (Phase::Backward, [input, grad_output].map(|t| self.whole(t)));
        match (tensors.gradient, self.fused) {
            (None, Some(adam)) => {
                let [m, v] = tensors.state[..] else { unreachable!("Adam keeps two moments") };
                let [parameter, m, v] = [tensors.value, m, v].map(|t| self.items(t, features, range));
                let control = self.control();
                let operands = LinearUpdateOperands { input, grad_output, control, parameter, m, v };
                let label = label(&layer.name, "update", range, features);
                self.step(phase, label, LinearUpdate { linear, adam }, operands);
            }
            _ => {
                let grad_weight = self.items(self.gradient(weight).tensor, features, range);
                let operands = LinearGradWeightOperands { input, grad_output, grad_weight };
                let label = label(&layer.name, "grad_weight", range, features);
                self.step(phase, label, LinearGradWeight(linear), operands);
            }
        }
    }

    fn linear_backward(
        &mut self,
        record: &Record<'a>,
        parameters: WeightBias,
        grad_output: TensorId,
        passes_on: bool,
    ) -> Result<Grad, LowerError> {
        let (layer, input) = (record.layer, record.input.tensor);
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let features = layer.output.elements();
        let grad_input = passes_on.then(|| self.grad_input(layer, input));
        for (op, range) in self.linear_slices(layer, parameters)? {
            if let Some(grad_input) = grad_input {
                self.linear_grad_input(layer, parameters, grad_output, grad_input, (op, &range));
            }
            // After every use of the old weights.
            self.linear_grad_weight(layer, parameters.weight, [input, grad_output], (op, &range));
        }
        let op = GradBias { rows: n, channels: features, accumulate: false };
        let (grad_output_view, grad_bias) = (self.whole(grad_output), self.gradient(parameters.bias));
        let operands = GradBiasOperands { grad_output: grad_output_view, grad_bias };
        self.step(phase, format!("{name}.grad_bias"), op, operands);
        // The first layer's is not read.
        Ok(Grad::plain(grad_input.unwrap_or(grad_output)))
    }
}
