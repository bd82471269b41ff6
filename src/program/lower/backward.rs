//! The backward pass along the tape, and the optimiser.

use super::{
    Adam, Inputs, LowerError, Lowering, ParameterTensors, Phase, Record, TensorId, Value, conv, label,
    pixels_channels, pool,
};
use crate::{
    dtype::DType,
    model::{Layer, LayerKind},
    ops::{
        BatchNormGradInput, BatchNormGradStatistics, ConvGradInput, ConvGradWeight, CrossEntropyGrad,
        GradBias, LinearGradInput, LinearGradWeight, MaxPoolGrad, ReluGrad,
    },
};

impl<'a> Lowering<'a> {
    pub(super) fn backward(&mut self, tape: &[Record<'a>]) -> Result<(), LowerError> {
        let (n, classes) = (self.settings.batch, self.network.config.classes);
        let Inputs { control, labels, probs, .. } = self.inputs;
        let mut grad = self.transient("loss.grad_logits".into(), [n, classes].into(), DType::F32);
        let args = [control, probs, labels, grad].map(|t| self.whole(t)).to_vec();
        self.step(Phase::Backward, "loss.grad_input".into(), CrossEntropyGrad { n, classes }, args);
        for (index, record) in tape.iter().enumerate().rev() {
            // A ReLU that a batch norm has taken in.
            if record.layer.kind == LayerKind::Relu && record.input.pending.is_some() {
                continue;
            }
            // Nothing asks for the gradient of the images.
            let grad_input = (index > 0).then(|| {
                self.batched(format!("{}.grad_input", record.layer.name), &record.layer.input, DType::F32)
            });
            let relu = tape.get(index + 1).is_some_and(|next| next.output.affine().is_some());
            self.layer_backward(record, relu, grad, grad_input)?;
            if let Some(grad_input) = grad_input {
                grad = grad_input;
            }
        }
        Ok(())
    }

    /// `relu`: whether the layer has taken in the ReLU behind it.
    fn layer_backward(
        &mut self,
        record: &Record<'a>,
        relu: bool,
        grad_output: TensorId,
        grad_input: Option<TensorId>,
    ) -> Result<(), LowerError> {
        let Record { layer, input, output } = *record;
        match (layer.kind, grad_input) {
            (LayerKind::Conv { weight }, _) => {
                self.conv_backward(layer, weight, input, grad_output, grad_input)
            }
            (LayerKind::Linear { weight }, _) => {
                self.linear_backward(layer, weight, input.tensor, grad_output, grad_input)
            }
            (_, None) => unreachable!("the first layer is a convolution"),
            (LayerKind::BatchNorm { gamma }, Some(grad_input)) => {
                let (affine, _) = output.pending.expect("what a batch norm passes on");
                let tensors = [input.tensor, affine, grad_output, grad_input];
                self.batch_norm_backward(layer, gamma, relu, tensors)
            }
            (_, Some(grad_input)) => self.chain_backward(layer, input, grad_output, grad_input),
        }
    }

    fn batch_norm_backward(
        &mut self,
        layer: &Layer,
        gamma: usize,
        relu: bool,
        [input, affine, grad_output, grad_input]: [TensorId; 4],
    ) -> Result<(), LowerError> {
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let (pixels, channels) = pixels_channels(layer);
        let relu = relu.then(|| self.network.relu_at_zero());
        let ranges = self.split_images(name, &[input, grad_output, grad_input])?;
        for range in &ranges {
            let accumulate = range.start > 0;
            let op = BatchNormGradStatistics { rows: range.len() * pixels, channels, relu, accumulate };
            let args = vec![
                self.images(input, range),
                self.whole(affine),
                self.images(grad_output, range),
                self.gradient(gamma),
                self.gradient(gamma + 1),
            ];
            self.step(phase, label(name, "grad_statistics", range, n), op, args);
        }
        for range in &ranges {
            let rows = range.len() * pixels;
            let op = BatchNormGradInput { rows, channels, relu, total_rows: n * pixels };
            let args = vec![
                self.images(input, range),
                self.whole(affine),
                self.gradient(gamma),
                self.gradient(gamma + 1),
                self.images(grad_output, range),
                self.images(grad_input, range),
            ];
            self.step(phase, label(name, "grad_input", range, n), op, args);
        }
        Ok(())
    }

    /// The layers without parameters.
    fn chain_backward(
        &mut self,
        layer: &Layer,
        input: Value,
        grad_output: TensorId,
        grad_input: TensorId,
    ) -> Result<(), LowerError> {
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
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
            LayerKind::MaxPool { stride } => {
                for range in self.split_images(name, &[input.tensor, grad_output, grad_input])? {
                    let normalized = input.affine().is_some();
                    let op = MaxPoolGrad { pool: pool(layer, range.len(), stride), normalized };
                    let mut args = vec![self.images(input.tensor, &range)];
                    args.extend(input.affine().map(|affine| self.whole(affine)));
                    args.extend([grad_output, grad_input].map(|t| self.images(t, &range)));
                    self.step(phase, label(name, "grad_input", &range, n), op, args);
                }
            }
            LayerKind::Dropout { index } => {
                self.dropout(phase, name, "grad_input", index, grad_output, grad_input)?;
            }
            LayerKind::Conv { .. } | LayerKind::Linear { .. } | LayerKind::BatchNorm { .. } => {
                unreachable!("handled by the caller")
            }
        }
        Ok(())
    }

    fn conv_backward(
        &mut self,
        layer: &Layer,
        weight: usize,
        input: Value,
        grad_output: TensorId,
        grad_input: Option<TensorId>,
    ) -> Result<(), LowerError> {
        let (name, n, phase) = (&layer.name, self.settings.batch, Phase::Backward);
        let (pixels, channels) = pixels_channels(layer);
        for range in self.split_images(name, &[input.tensor, grad_output])? {
            let accumulate = range.start > 0;
            let normalized = input.affine().is_some();
            let op = ConvGradWeight { conv: conv(layer, range.len()), normalized, accumulate };
            let mut args = vec![self.images(input.tensor, &range)];
            args.extend(input.affine().map(|affine| self.whole(affine)));
            args.extend([self.images(grad_output, &range), self.gradient(weight)]);
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

    pub(super) fn update(&mut self, adam: Adam) -> Result<(), LowerError> {
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
