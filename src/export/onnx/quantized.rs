//! The graph of a quantised network: QuantizeLinear and DequantizeLinear around each operator.

use super::{
    graph::{Ends, Graph, int, ints},
    messages::TensorProto,
};
use crate::{
    model::{LayerKind, Quantization},
    weights::QuantizedWeights,
};

impl Graph {
    /// The graph of a quantised network. Runtimes fuse each operator with the DequantizeLinear before and the QuantizeLinear after it into
    /// one on integers.
    pub fn of_quantized(weights: &QuantizedWeights, ends: Ends) -> Self {
        let quantized = &weights.quantized;
        let network = &quantized.network;
        let (mut graph, input) = Self::begin(&weights.info, ends);
        let mut pair = Pair { graph: &mut graph, signed: quantized.signed };
        let mut scale = "input".to_owned();
        pair.scale(&scale, quantized.input);
        let mut current = pair.quantized(&input, "input", &scale);
        let (mut index, mut flat) = (0, false);
        for layer in &network.layers {
            let name = &layer.name;
            match layer.kind {
                LayerKind::Conv(_) | LayerKind::Linear(_) => {
                    let convolution = matches!(layer.kind, LayerKind::Conv(_));
                    if !convolution && !flat {
                        flat = true;
                        let output = "flat";
                        pair.graph.named_node("Flatten", output, &[&current], output, vec![int("axis", 1)]);
                        current = pair.quantized(output, output, &scale);
                    }
                    let [weight, bias] = pair.parameters(weights, index);
                    let output = quantized.layers[index].output;
                    let result =
                        if output.is_some() { format!("{name}.output") } else { "logits".to_owned() };
                    let inputs = [current.as_str(), &weight, &bias];
                    if convolution {
                        let attributes = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
                        pair.graph.named_node("Conv", name, &inputs, &result, attributes);
                    } else {
                        pair.graph.named_node("Gemm", name, &inputs, &result, vec![int("transB", 1)]);
                    }
                    if let Some(output) = output {
                        let activated = format!("{name}.activated");
                        pair.graph.named_node("Relu", name, &[&result], &activated, vec![]);
                        scale = name.clone();
                        pair.scale(&scale, output);
                        current = pair.quantized(&activated, name, &scale);
                    }
                    index += 1;
                }
                LayerKind::MaxPool { stride } => {
                    let output = format!("{name}.output");
                    let attributes = vec![ints("kernel_shape", &[2, 2]), ints("strides", &stride)];
                    pair.graph.named_node("MaxPool", name, &[&current], &output, attributes);
                    current = pair.quantized(&output, name, &scale);
                }
                // Part of the requantisation, or without effect in evaluation.
                LayerKind::Activation(_)
                | LayerKind::FakeQuantize { .. }
                | LayerKind::AvgPool
                | LayerKind::Dropout { .. }
                | LayerKind::BatchNorm(_)
                | LayerKind::GroupNorm(_) => {}
            }
        }
        graph.end(&weights.info, ends);
        graph
    }
}

/// Adds quantised tensors to a graph.
struct Pair<'a> {
    graph: &'a mut Graph,
    signed: bool,
}

impl Pair<'_> {
    /// Adds the scale and the zero point `<name>.scale` and `<name>.zero_point` of an activation.
    fn scale(&mut self, name: &str, Quantization { scale, zero }: Quantization) {
        self.graph.tensor(&format!("{name}.scale"), &[], vec![scale]);
        let (data_type, zero) =
            if self.signed { (TensorProto::I8, zero ^ 128) } else { (TensorProto::U8, zero) };
        self.graph.initializer(&format!("{name}.zero_point"), &[], data_type, vec![zero]);
    }

    /// Quantises the tensor `input` to `<name>.quantized` and back; returns the name of the result.
    fn quantized(&mut self, input: &str, name: &str, scale: &str) -> String {
        let [factor, zero] = ["scale", "zero_point"].map(|field| format!("{scale}.{field}"));
        let [bytes, real] = ["quantized", "dequantized"].map(|field| format!("{name}.{field}"));
        self.graph.named_node("QuantizeLinear", name, &[input, &factor, &zero], &bytes, vec![]);
        self.graph.named_node("DequantizeLinear", name, &[&bytes, &factor, &zero], &real, vec![]);
        real
    }

    /// Adds the weight and the bias of a layer; returns the names of their real values.
    fn parameters(&mut self, weights: &QuantizedWeights, index: usize) -> [String; 2] {
        let quantized = &weights.quantized;
        let layer = &quantized.layers[index];
        let of = &quantized.network.layers[layer.layer];
        let (LayerKind::Conv(parameters) | LayerKind::Linear(parameters)) = of.kind else {
            unreachable!("a quantised layer has weights")
        };
        let outputs = layer.bias.len();
        let shape = quantized.network.parameters[parameters.weight].shape.dims();
        let bias = layer.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
        let all = [
            (
                "weight",
                shape,
                TensorProto::I8,
                bytemuck::cast_slice(&layer.weight).to_vec(),
                layer.weight_scale.clone(),
            ),
            ("bias", &[outputs], TensorProto::I32, bias, quantized.units(index).collect()),
        ];
        all.map(|(field, shape, data_type, bytes, scales)| {
            let part = format!("{}.{field}", of.name);
            let [scale, zero, real] =
                ["scale", "zero_point", "dequantized"].map(|field| format!("{part}.{field}"));
            self.graph.initializer(&part, shape, data_type, bytes);
            self.graph.tensor(&scale, &[outputs], scales);
            let size = if data_type == TensorProto::I32 { 4 } else { 1 };
            self.graph.initializer(&zero, &[outputs], data_type, vec![0; size * outputs]);
            let inputs = [part.as_str(), &scale, &zero];
            self.graph.named_node("DequantizeLinear", &part, &inputs, &real, vec![int("axis", 0)]);
            real
        })
    }
}
