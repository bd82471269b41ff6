//! The backward pass along the tape.

use std::ops::Range;

use super::{
    Inputs, LowerError, Lowering, Phase, Record, TensorId, View, avg_pool, conv, label, pixels_channels, pool,
};
use crate::{
    dtype::DType,
    model::{Layer, LayerKind},
    ops::{
        AvgPoolGrad, BatchNormGradAffine, BatchNormGradInput, BatchNormGradStatistics, ConvGradInput,
        ConvGradWeight, CrossEntropyGrad, GradBias, GradStatistics, Linear, LinearGradInput,
        LinearGradWeight, LinearUpdate, MaxPool, MaxPoolGrad, Op, ReluGrad,
    },
};

/// What a layer passes back: the gradient of its input, or how to read one.
#[derive(Clone, Copy)]
pub(super) struct Grad {
    pub tensor: TensorId,
    /// A batch norm and a ReLU that the gradient is still to go back through.
    pub through: Option<Through>,
    /// Whether the gradients of the gamma and beta of the batch norm in front have been taken with it.
    pub statistics: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Through {
    /// What the batch norm normalised.
    pub output: TensorId,
    pub grad_affine: TensorId,
    /// ReLU's slope at exactly 0.
    pub at_zero: f32,
}

impl Grad {
    pub fn plain(tensor: TensorId) -> Self {
        Self { tensor, through: None, statistics: false }
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn backward(&mut self, tape: &[Record<'a>], label_smoothing: f32) -> Result<(), LowerError> {
        let (n, classes) = (self.settings.batch, self.network.config.classes);
        let Inputs { control, labels, probs, .. } = self.inputs;
        let logits = self.transient("loss.grad_logits".into(), [n, classes].into(), DType::F32);
        let args = [control, probs, labels, logits].map(|t| self.whole(t)).to_vec();
        let op = CrossEntropyGrad { n, classes, label_smoothing };
        self.step(Phase::Backward, "loss.grad_input".into(), op, args);
        self.scale(logits);
        let mut grad = Grad::plain(logits);
        // Below the first layer that is trained nothing asks for a gradient.
        let trained = |record: &Record<'_>| {
            record.layer.kind.first_parameter().is_some_and(|index| self.network.parameters[index].trained())
        };
        let first = tape.iter().position(trained).unwrap_or(tape.len());
        for (index, record) in tape.iter().enumerate().skip(first).rev() {
            let before = index.checked_sub(1).map(|before| tape[before].layer.kind);
            let relu = tape.get(index + 1).is_some_and(|next| next.output.affine().is_some());
            let name = format!("{}.grad_output", record.layer.name);
            grad.tensor = self.cast(Phase::Backward, &name, grad.tensor, self.dtype(record.output.tensor))?;
            // That of the last batch norm in front: what a layer that reads through one reads through.
            let gamma = tape[..index].iter().rev().find_map(|record| match record.layer.kind {
                LayerKind::BatchNorm { gamma } => Some(gamma),
                _ => None,
            });
            let gamma = gamma.filter(|_| record.input.affine().is_some());
            grad = match (record.layer.kind, before) {
                // A batch norm has taken it in.
                (LayerKind::Relu, _) if record.input.pending.is_some() => continue,
                (LayerKind::Conv { weight }, _) => {
                    self.conv_backward(record, weight, grad, (index > first, gamma))?
                }
                (_, None) => unreachable!("the first layer is a convolution"),
                (LayerKind::BatchNorm { gamma }, Some(LayerKind::Conv { weight })) if relu => {
                    let through = self.batch_norm_statistics(record, gamma, relu, grad, Some(weight + 1))?;
                    Grad { through: Some(through), ..grad }
                }
                (LayerKind::BatchNorm { gamma }, _) => {
                    let through = self.batch_norm_statistics(record, gamma, relu, grad, None)?;
                    self.batch_norm_grad_input(record.layer, relu, grad.tensor, through)?
                }
                (LayerKind::Linear { weight }, _) => {
                    self.linear_backward(record, weight, grad.tensor, index > first)?
                }
                (LayerKind::MaxPool { stride }, _) => {
                    self.max_pool_backward(record, stride, grad.tensor, gamma)?
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

    /// The gradients of gamma and beta, and what the gradient of the input is read through. `relu`: whether the batch
    /// norm has taken in the ReLU behind it. `bias`: that of the convolution in front, if its gradient is wanted.
    fn batch_norm_statistics(
        &mut self,
        record: &Record<'a>,
        gamma: usize,
        relu: bool,
        grad: Grad,
        bias: Option<usize>,
    ) -> Result<Through, LowerError> {
        let (name, n, phase) = (&record.layer.name, self.settings.batch, Phase::Backward);
        let (pixels, channels) = pixels_channels(record.layer);
        let input = record.input.tensor;
        let (affine, _) = record.output.pending.expect("what a batch norm passes on");
        let at_zero = self.network.relu_at_zero();
        let ranges =
            if grad.statistics { Vec::new() } else { self.split_images(name, &[input, grad.tensor])? };
        for range in ranges {
            let (rows, accumulate) = (range.len() * pixels, range.start > 0);
            let op = BatchNormGradStatistics { rows, channels, relu: relu.then_some(at_zero), accumulate };
            let args = vec![
                self.images(input, &range),
                self.whole(affine),
                self.images(grad.tensor, &range),
                self.gradient(gamma),
                self.gradient(gamma + 1),
            ];
            self.step(phase, label(name, "grad_statistics", &range, n), op, args);
        }
        let grad_affine = self.transient(format!("{name}.grad_affine"), [5, channels].into(), DType::F32);
        let op = BatchNormGradAffine { channels, total_rows: n * pixels, bias: bias.is_some() };
        let mut args =
            vec![self.whole(affine), self.gradient(gamma), self.gradient(gamma + 1), self.whole(grad_affine)];
        args.extend(bias.map(|bias| self.gradient(bias)));
        self.step(phase, format!("{name}.grad_affine"), op, args);
        Ok(Through { output: input, grad_affine, at_zero })
    }

    fn batch_norm_grad_input(
        &mut self,
        layer: &Layer,
        relu: bool,
        grad_output: TensorId,
        through: Through,
    ) -> Result<Grad, LowerError> {
        let Through { output: input, grad_affine, at_zero } = through;
        let (pixels, channels) = pixels_channels(layer);
        let grad_input = self.grad_input(layer, input);
        for range in self.split_images(&layer.name, &[input, grad_output, grad_input])? {
            let op =
                BatchNormGradInput { rows: range.len() * pixels, channels, relu: relu.then_some(at_zero) };
            let args = vec![
                self.images(input, &range),
                self.whole(grad_affine),
                self.images(grad_output, &range),
                self.images(grad_input, &range),
            ];
            let label = label(&layer.name, "grad_input", &range, self.settings.batch);
            self.step(Phase::Backward, label, op, args);
        }
        Ok(Grad::plain(grad_input))
    }

    /// The layers without parameters.
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
        let grad_input = self.grad_input(layer, input.tensor);
        match layer.kind {
            LayerKind::Relu => {
                let len = self.program.tensor(input.tensor).shape.elements();
                for range in self.split(name, len, &[input.tensor])? {
                    let op = ReluGrad { len: range.len(), at_zero: self.network.relu_at_zero() };
                    let args =
                        [input.tensor, grad_output, grad_input].map(|t| self.items(t, len, &range)).to_vec();
                    self.step(phase, label(name, "grad_input", &range, len), op, args);
                }
            }
            LayerKind::AvgPool => {
                for range in self.split_images(name, &[grad_output, grad_input])? {
                    let args = [grad_output, grad_input].map(|t| self.images(t, &range)).to_vec();
                    let op = AvgPoolGrad(avg_pool(layer, range.len()));
                    self.step(phase, label(name, "grad_input", &range, n), op, args);
                }
            }
            LayerKind::Dropout { index } => {
                self.dropout(phase, name, "grad_input", index, grad_output, grad_input)?;
            }
            LayerKind::MaxPool { .. }
            | LayerKind::Conv { .. }
            | LayerKind::Linear { .. }
            | LayerKind::BatchNorm { .. } => unreachable!("handled by the caller"),
        }
        Ok(Grad::plain(grad_input))
    }

    /// `gamma`: that of the batch norm that pooling reads through, if its gradient is wanted. It is taken here where windows do
    /// not overlap.
    fn max_pool_backward(
        &mut self,
        record: &Record<'a>,
        stride: [usize; 2],
        grad_output: TensorId,
        gamma: Option<usize>,
    ) -> Result<Grad, LowerError> {
        let Record { layer, input, .. } = *record;
        let normalized = input.affine().is_some();
        let whole = pool(layer, self.settings.batch, stride);
        let gamma = gamma.filter(|_| whole.disjoint());
        let grad_input = self.grad_input(layer, input.tensor);
        for range in self.split_images(&layer.name, &[input.tensor, grad_output, grad_input])? {
            let statistics = gamma.map(|_| self.grad_statistics(&range));
            let op = MaxPoolGrad { pool: MaxPool { n: range.len(), ..whole }, normalized, statistics };
            let mut args = vec![self.images(input.tensor, &range)];
            args.extend(input.affine().map(|affine| self.whole(affine)));
            args.extend([grad_output, grad_input].map(|t| self.images(t, &range)));
            args.extend(
                gamma.into_iter().flat_map(|gamma| [gamma, gamma + 1].map(|index| self.gradient(index))),
            );
            let label = label(&layer.name, "grad_input", &range, self.settings.batch);
            self.step(Phase::Backward, label, op, args);
        }
        Ok(Grad { statistics: gamma.is_some(), ..Grad::plain(grad_input) })
    }

    /// The sums that a slice of the batch adds to the gradients of gamma and beta.
    fn grad_statistics(&self, range: &Range<usize>) -> GradStatistics {
        GradStatistics { at_zero: self.network.relu_at_zero(), accumulate: range.start > 0 }
    }

    /// `passes_on`: whether a layer in front asks for its gradient. `gamma`: that of the batch norm that the convolution reads
    /// through, whose gradient is then taken here.
    fn conv_backward(
        &mut self,
        record: &Record<'a>,
        weight: usize,
        grad: Grad,
        (passes_on, gamma): (bool, Option<usize>),
    ) -> Result<Grad, LowerError> {
        let Record { layer, input, .. } = *record;
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let (pixels, channels) = pixels_channels(layer);
        let through = grad.through.map(|t| t.at_zero);
        let grad_input = passes_on.then(|| self.grad_input(layer, input.tensor));
        let gamma = gamma.filter(|_| passes_on);
        let tensors = [Some(input.tensor), Some(grad.tensor), grad.through.map(|t| t.output), grad_input];
        let tensors: Vec<TensorId> = tensors.into_iter().flatten().collect();
        for range in self.split_images(name, &tensors)? {
            let accumulate = range.start > 0;
            let grad_output = self.grad_output(grad, &range);
            let conv = conv(layer, range.len());
            let normalized = input.affine().is_some();
            let op = ConvGradWeight { conv, normalized, through, accumulate };
            let mut args = vec![self.images(input.tensor, &range)];
            args.extend(input.affine().map(|affine| self.whole(affine)));
            args.extend(grad_output);
            args.push(self.gradient(weight));
            self.step(phase, label(name, "grad_weight", &range, n), op, args);
            // A batch norm has given the gradient of the bias in front of it.
            if grad.through.is_none() {
                let op = GradBias { rows: range.len() * pixels, channels, accumulate };
                let args = vec![self.images(grad.tensor, &range), self.gradient(weight + 1)];
                self.step(phase, label(name, "grad_bias", &range, n), op, args);
            }
            if let Some(grad_input) = grad_input {
                self.conv_grad_input(record, weight, grad, (grad_input, gamma), &range);
            }
        }
        // The first layer's is not read.
        Ok(Grad { statistics: gamma.is_some(), ..Grad::plain(grad_input.unwrap_or(grad.tensor)) })
    }

    /// What a convolution's gradients read of the gradient of its output.
    fn grad_output(&self, grad: Grad, range: &Range<usize>) -> Vec<View> {
        let through = grad.through.iter();
        let through = through.flat_map(|t| [self.images(t.output, range), self.whole(t.grad_affine)]);
        std::iter::once(self.images(grad.tensor, range)).chain(through).collect()
    }

    pub(super) fn conv_grad_input(
        &mut self,
        record: &Record<'a>,
        weight: usize,
        grad: Grad,
        (grad_input, gamma): (TensorId, Option<usize>),
        range: &Range<usize>,
    ) {
        let Record { layer, input, .. } = *record;
        let statistics = gamma.map(|_| self.grad_statistics(range));
        let through = grad.through.map(|t| t.at_zero);
        let op = ConvGradInput { conv: conv(layer, range.len()), through, statistics };
        let mut args = self.grad_output(grad, range);
        args.push(self.whole(self.weight(weight)));
        if let Some(affine) = input.affine().filter(|_| gamma.is_some()) {
            args.extend([self.images(input.tensor, range), self.whole(affine)]);
        }
        args.push(self.images(grad_input, range));
        args.extend(gamma.into_iter().flat_map(|gamma| [gamma, gamma + 1].map(|index| self.gradient(index))));
        self.step(Phase::Backward, label(&layer.name, "grad_input", range, self.settings.batch), op, args);
    }

    pub(super) fn linear_grad_input(
        &mut self,
        layer: &Layer,
        weight: usize,
        grad_output: TensorId,
        grad_input: TensorId,
        (op, range): (Linear, &Range<usize>),
    ) {
        let features = layer.output.elements();
        let args = vec![
            self.whole(grad_output),
            self.items(self.weight(weight), features, range),
            self.whole(grad_input),
        ];
        self.step(
            Phase::Backward,
            label(&layer.name, "grad_input", range, features),
            LinearGradInput(op),
            args,
        );
    }

    /// What a linear layer's weights take from their gradient: it is stored, or they take their step at once.
    fn linear_grad_weight(
        &mut self,
        layer: &Layer,
        weight: usize,
        [input, grad_output]: [TensorId; 2],
        (linear, range): (Linear, &Range<usize>),
    ) {
        let (features, tensors) = (layer.output.elements(), self.parameters[weight].clone());
        let mut args = vec![self.whole(input), self.whole(grad_output)];
        let (pass, op) = match (tensors.gradient, self.fused) {
            (None, Some(adam)) => {
                args.push(self.whole(self.inputs.control));
                let written = std::iter::once(tensors.value).chain(tensors.state);
                args.extend(written.map(|tensor| self.items(tensor, features, range)));
                ("update", Op::from(LinearUpdate { linear, adam }))
            }
            _ => {
                args.push(self.items(self.gradient(weight).tensor, features, range));
                ("grad_weight", LinearGradWeight(linear).into())
            }
        };
        self.step(Phase::Backward, label(&layer.name, pass, range, features), op, args);
    }

    fn linear_backward(
        &mut self,
        record: &Record<'a>,
        weight: usize,
        grad_output: TensorId,
        passes_on: bool,
    ) -> Result<Grad, LowerError> {
        let (layer, input) = (record.layer, record.input.tensor);
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let features = layer.output.elements();
        let grad_input = passes_on.then(|| self.grad_input(layer, input));
        for (op, range) in self.linear_slices(layer, weight)? {
            if let Some(grad_input) = grad_input {
                self.linear_grad_input(layer, weight, grad_output, grad_input, (op, &range));
            }
            // Behind what reads the weights of before.
            self.linear_grad_weight(layer, weight, [input, grad_output], (op, &range));
        }
        let op = GradBias { rows: n, channels: features, accumulate: false };
        let args = vec![self.whole(grad_output), self.gradient(weight + 1)];
        self.step(phase, format!("{name}.grad_bias"), op, args);
        // The first layer's is not read.
        Ok(Grad::plain(grad_input.unwrap_or(grad_output)))
    }
}
