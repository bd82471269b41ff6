//! The backward pass along the tape, and the optimiser.

use super::{
    Adam, Inputs, LowerError, Lowering, ParameterTensors, Phase, Record, TensorId, conv, label,
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
