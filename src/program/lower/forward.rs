//! The forward pass, in training and in evaluation.

use std::ops::Range;

use super::{Inputs, LowerError, Lowering, Phase, Record, TensorId, conv, label, pixels_channels, pool};
use crate::{
    dtype::DType,
    model::{Layer, LayerKind},
    ops::{
        BatchNormNormalize, BatchNormRunning, BatchNormStatistics, CrossEntropy, Dropout, Linear, Metrics,
        PrepareImages, Relu,
    },
};

impl<'a> Lowering<'a> {
    pub(super) fn forward(&mut self, phase: Phase) -> Result<Vec<Record<'a>>, LowerError> {
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
            let args = vec![
                self.whole(self.inputs.control),
                self.items(input, len, &range),
                self.items(output, len, &range),
            ];
            self.step(phase, label(name, pass, &range, len), op, args);
        }
        Ok(())
    }

    pub(super) fn linear_slices(
        &self,
        layer: &Layer,
        weight: usize,
    ) -> Result<Vec<(Linear, Range<usize>)>, LowerError> {
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
}
