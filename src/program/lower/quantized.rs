//! Evaluation on 8-bit integers.

use super::{LowerError, Lowered, Lowering, Phase, Settings, checked, conv, label, pool};
use crate::{
    dtype::DType,
    model::{LayerKind, Network, QuantizedNetwork},
    ops::{
        Conv, Each, MaxPool, QuantizeImages, QuantizeImagesOperands, QuantizedConv, QuantizedConvOperands,
        QuantizedLinear, QuantizedLinearOperands, QuantizedMaxPool, QuantizedMaxPoolOperands, padded,
        padded_outputs,
    },
    program::{Role, Tensor, TensorId, View},
    shape::Shape,
};

/// The tensors of a quantised network that the host uploads once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedTensors {
    /// The table of the input's bytes, `[C, 256]`.
    pub table: TensorId,
    /// Those of each of [`QuantizedNetwork::layers`].
    pub layers: Vec<QuantizedLayerTensors>,
}

/// The tensors of a quantised layer, as [`crate::model::DeviceLayer`] has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedLayerTensors {
    /// Signed bytes.
    pub weight: TensorId,
    /// int32.
    pub weight_sum: TensorId,
    /// int32.
    pub bias: TensorId,
    /// f32.
    pub scale: TensorId,
    /// What the layer writes: bytes, or logits.
    pub output: TensorId,
}

/// Lowers a quantised network for evaluation. The mode and the precision of `settings` do not matter.
///
/// # Errors
/// As [`super::lower`].
pub fn lower_quantized(quantized: &QuantizedNetwork, settings: &Settings) -> Result<Lowered, LowerError> {
    checked(&quantized.network, settings)?;
    // Its parameters are bytes.
    let network = Network { parameters: Vec::new(), ..quantized.network.clone() };
    let mut lowering = Lowering::new(&network, settings);
    let tensors = lowering.quantized(quantized)?;
    let Lowering { program, inputs, .. } = lowering;
    debug_assert_eq!(program.validate(), Ok(()));
    Ok(Lowered {
        program,
        inputs,
        parameters: Vec::new(),
        loss_scale: None,
        explained: None,
        quantized: Some(tensors),
    })
}

impl Lowering<'_> {
    fn quantized(&mut self, quantized: &QuantizedNetwork) -> Result<QuantizedTensors, LowerError> {
        let channels = self.network.config.channels;
        let table = self.constant("table".to_owned(), [channels, 256].into(), DType::U8);
        let mut current = self.quantized_images(table)?;
        let mut layers = Vec::new();
        for (at, layer) in self.network.layers.iter().enumerate() {
            let name = format!("evaluate.{}", layer.name);
            match layer.kind {
                LayerKind::Conv(_) | LayerKind::Linear(_) => {
                    let index = layers.len();
                    debug_assert_eq!(quantized.layers[index].layer, at);
                    let tensors = self.quantized_layer(quantized, index, &name, current)?;
                    current = tensors.output;
                    layers.push(tensors);
                }
                LayerKind::MaxPool { stride } => {
                    let output = self.bytes_of_images(format!("{name}.output"), &layer.output);
                    for range in self.split_images(&name, &[current, output])? {
                        let pool = pool(layer, range.len(), stride);
                        let op = QuantizedMaxPool(MaxPool { c: padded(pool.c), ..pool });
                        let operands = QuantizedMaxPoolOperands {
                            input: self.images(current, &range),
                            output: self.images(output, &range),
                        };
                        let label = label(&name, "forward", &range, self.settings.batch);
                        self.step(Phase::Evaluate, label, op, operands);
                    }
                    current = output;
                }
                // ReLU is part of the requantisation, and the others do nothing in evaluation.
                LayerKind::Activation(_)
                | LayerKind::FakeQuantize { .. }
                | LayerKind::AvgPool
                | LayerKind::Dropout { .. }
                | LayerKind::BatchNorm(_)
                | LayerKind::GroupNorm(_) => {}
            }
        }
        self.loss(Phase::Evaluate, "evaluate.", current);
        Ok(QuantizedTensors { table, layers })
    }

    /// A tensor that the host uploads once.
    fn constant(&mut self, name: String, shape: Shape, dtype: DType) -> TensorId {
        self.program.add(Tensor { name, shape, dtype, role: Role::Parameter })
    }

    /// Bytes `[N, H, W, C]` or `[N, features]`, with padding.
    fn bytes_of_images(&mut self, name: String, shape: &Shape) -> TensorId {
        let mut extents = shape.dims().to_vec();
        let last = extents.len() - 1;
        extents[last] = padded(extents[last]);
        self.batched(name, &extents.into(), DType::U8)
    }

    fn quantized_images(&mut self, table: TensorId) -> Result<TensorId, LowerError> {
        let [h, w] = self.network.config.image_size;
        let channels = self.network.config.channels;
        let output = self.bytes_of_images("evaluate.input".to_owned(), &[h, w, channels].into());
        let images = self.inputs.images;
        for range in self.split_images("the network's input", &[images, output])? {
            let op =
                QuantizeImages { n: range.len(), source: self.settings.source, output: [h, w], channels };
            let operands = QuantizeImagesOperands {
                images: self.images(images, &range),
                table: self.whole(table),
                output: self.images(output, &range),
            };
            let label = label("evaluate.quantize", "images", &range, self.settings.batch);
            self.step(Phase::Evaluate, label, op, operands);
        }
        Ok(output)
    }

    fn quantized_layer(
        &mut self,
        quantized: &QuantizedNetwork,
        index: usize,
        name: &str,
        input: TensorId,
    ) -> Result<QuantizedLayerTensors, LowerError> {
        let layer = &self.network.layers[quantized.layers[index].layer];
        let geometry = quantized.geometry(index);
        let (inputs, outputs) = (geometry.taps * padded(geometry.channels), padded_outputs(geometry.outputs));
        let mut vector = |field, dtype| self.constant(format!("{name}.{field}"), [outputs].into(), dtype);
        let (weight_sum, bias, scale) =
            (vector("weight_sum", DType::U32), vector("bias", DType::U32), vector("scale", DType::F32));
        let weight = self.constant(format!("{name}.weight"), [outputs, inputs].into(), DType::U8);
        let (zero, requantize) = (quantized.input_of(index).zero, quantized.requantize(index));
        let output = match requantize {
            Some(_) => self.bytes_of_images(format!("{name}.output"), &layer.output),
            None => self.batched(format!("{name}.output"), &layer.output, DType::F32),
        };
        let convolution = matches!(layer.kind, LayerKind::Conv(_));
        // The weights cannot be split.
        self.split(&format!("{name}.weight"), 1, &[weight])?;
        for range in self.split_images(name, &[input, output])? {
            let [weight, weight_sum, bias, scale]: [View; 4] =
                [weight, weight_sum, bias, scale].map(|tensor| self.whole(tensor));
            let [input, output] = [input, output].map(|tensor| self.images(tensor, &range));
            let label = label(name, "forward", &range, self.settings.batch);
            match requantize {
                Some(requantize) if convolution => {
                    let conv = conv(layer, range.len());
                    let conv = Conv { c: padded(conv.c), k: padded(conv.k), ..conv };
                    let op = QuantizedConv { conv, zero, requantize };
                    let operands = QuantizedConvOperands { input, weight, weight_sum, bias, scale, output };
                    self.step(Phase::Evaluate, label, op, operands);
                }
                _ => {
                    let outputs = output.len / range.len();
                    let op = QuantizedLinear { n: range.len(), inputs, outputs, zero, requantize };
                    let bytes = requantize.is_some();
                    let operands: QuantizedLinearOperands<Each<View>> = QuantizedLinearOperands {
                        input,
                        weight,
                        weight_sum,
                        bias,
                        scale,
                        output: bytes.then_some(output),
                        logits: (!bytes).then_some(output),
                    };
                    self.step(Phase::Evaluate, label, op, operands);
                }
            }
        }
        Ok(QuantizedLayerTensors { weight, weight_sum, bias, scale, output })
    }
}
