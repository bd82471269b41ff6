//! The graph of an ONNX file: one node per layer.

use prost::Message;

use super::messages::{
    AttributeProto, Dimension, GraphProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};
use crate::{
    model::{GroupNormLayer, Layer, LayerKind, WeightBias},
    ops::{Activation, AvgPool},
    weights::{ModelInfo, Weights},
};

/// What a graph has besides the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The input is `image`, bytes `[N, C, H, W]`, which the graph normalises.
    pub bytes: bool,
    /// The output is `probabilities`, the softmax of the logits, divided by the weights' temperature if they have one.
    pub softmax: bool,
}

/// A [`GraphProto`], encoded part by part, so that this is the only copy of the tensors' values: the encodings of parts of a
/// message, one after another, are the encoding of the whole.
pub(super) struct Graph {
    pub encoded: Vec<u8>,
}

impl Graph {
    pub fn of(weights: &Weights, ends: Ends) -> Self {
        let network = &weights.network;
        let (mut graph, mut current) = Self::begin(&weights.info, ends);
        let mut flat = false;
        for (index, layer) in network.layers.iter().enumerate() {
            let last = index + 1 == network.layers.len();
            let output = if last { "logits".to_owned() } else { format!("{}.output", layer.name) };
            match layer.kind {
                LayerKind::Conv(_) => graph.conv(weights, layer, &current, &output),
                LayerKind::BatchNorm(_) => graph.batch_norm(weights, layer, &current, &output),
                LayerKind::GroupNorm(norm) => graph.group_norm(weights, layer, norm, &current, &output),
                LayerKind::Activation(activation) => graph.activation(activation, layer, &current, &output),
                LayerKind::MaxPool { stride } => {
                    let attributes = vec![ints("kernel_shape", &[2, 2]), ints("strides", &stride)];
                    graph.node("MaxPool", layer, &[&current], &output, attributes);
                }
                LayerKind::AvgPool if layer.input == layer.output => continue,
                LayerKind::AvgPool => graph.avg_pool(layer, &current, &output),
                // A float file has no roundings.
                LayerKind::Dropout { .. } | LayerKind::FakeQuantize { .. } => continue,
                LayerKind::Linear(WeightBias { weight, bias }) => {
                    if !flat {
                        graph.node("Flatten", layer, &[&current], "flat", vec![int("axis", 1)]);
                        (current, flat) = ("flat".to_owned(), true);
                    }
                    let names = graph.parameters(weights, &[weight, bias]);
                    let inputs = [current.as_str(), &names[0], &names[1]];
                    graph.node("Gemm", layer, &inputs, &output, vec![int("transB", 1)]);
                }
            }
            current = output;
        }
        graph.end(&weights.info, ends);
        graph
    }

    /// A graph with its input, and the name of the normalised input.
    pub(super) fn begin(info: &ModelInfo, ends: Ends) -> (Self, String) {
        let mut graph = Self { encoded: Vec::new() };
        let [h, w] = info.image_size;
        let shape = [info.channels, h, w];
        let input = match ends.bytes {
            true => value("image", TensorProto::U8, &shape),
            false => value("input", TensorProto::F32, &shape),
        };
        let name = info.model.name().to_owned();
        graph.add(&GraphProto { name, input: vec![input], ..GraphProto::default() });
        if ends.bytes {
            let channels = [info.channels, 1, 1];
            for (name, dims, values) in [
                ("largest_byte", &[][..], vec![255.0]),
                ("mean", &channels, info.mean.clone()),
                ("std", &channels, info.std.clone()),
            ] {
                graph.tensor(name, dims, values);
            }
            let to = int("to", TensorProto::F32.into());
            graph.named_node("Cast", "image", &["image"], "floats", vec![to]);
            graph.named_node("Div", "share", &["floats", "largest_byte"], "shares", vec![]);
            graph.named_node("Sub", "centre", &["shares", "mean"], "centred", vec![]);
            graph.named_node("Div", "normalise", &["centred", "std"], "input", vec![]);
        }
        (graph, "input".to_owned())
    }

    /// Adds the output, after the node that computes `logits`.
    pub(super) fn end(&mut self, info: &ModelInfo, ends: Ends) {
        let name = if ends.softmax { "probabilities" } else { "logits" };
        if ends.softmax {
            let mut logits = "logits";
            if let Some(temperature) = info.temperature {
                self.tensor("temperature", &[], vec![temperature as f32]);
                self.named_node("Div", "calibrate", &[logits, "temperature"], "calibrated", vec![]);
                logits = "calibrated";
            }
            self.named_node("Softmax", "softmax", &[logits], name, vec![int("axis", 1)]);
        }
        let output = vec![value(name, TensorProto::F32, &[info.class_names.len()])];
        self.add(&GraphProto { output, ..GraphProto::default() });
    }

    fn add(&mut self, part: &GraphProto) {
        part.encode(&mut self.encoded).expect("a vector grows");
    }

    fn node(
        &mut self,
        op: &str,
        layer: &Layer,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) {
        self.named_node(op, &layer.name, inputs, output, attribute);
    }

    /// A node of the part `name` of the network.
    pub(super) fn named_node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) {
        let node = NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{name}.{op}"),
            op_type: op.to_owned(),
            attribute,
        };
        self.add(&GraphProto { node: vec![node], ..GraphProto::default() });
    }

    pub(super) fn tensor(&mut self, name: &str, dims: &[usize], values: Vec<f32>) {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        // Hundreds of MiB at 224 px.
        drop(values);
        self.initializer(name, dims, TensorProto::F32, raw_data);
    }

    /// A tensor of any type.
    pub(super) fn initializer(&mut self, name: &str, dims: &[usize], data_type: i32, raw_data: Vec<u8>) {
        let tensor = TensorProto { dims: numbers(dims), data_type, name: name.to_owned(), raw_data };
        self.add(&GraphProto { initializer: vec![tensor], ..GraphProto::default() });
    }

    /// Adds parameters unchanged; returns their names.
    fn parameters(&mut self, weights: &Weights, indices: &[usize]) -> Vec<String> {
        let parameters = indices.iter().map(|&index| (index, &weights.network.parameters[index]));
        parameters
            .map(|(index, p)| {
                self.tensor(&p.name, p.shape.dims(), weights.values(index));
                p.name.clone()
            })
            .collect()
    }

    fn conv(&mut self, weights: &Weights, layer: &Layer, input: &str, output: &str) {
        let names = self.parameters(weights, &layer.kind.parameters());
        let attributes = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
        self.node("Conv", layer, &[input, &names[0], &names[1]], output, attributes);
    }

    fn batch_norm(&mut self, weights: &Weights, layer: &Layer, input: &str, output: &str) {
        let names = self.parameters(weights, &layer.kind.parameters());
        let inputs: Vec<&str> = [input].into_iter().chain(names.iter().map(String::as_str)).collect();
        let epsilon = float("epsilon", weights.network.config.batch_norm_eps);
        self.node("BatchNormalization", layer, &inputs, output, vec![epsilon]);
    }

    /// The groups of images, or the channels of pixels, which come last for ONNX's layer norm.
    fn group_norm(
        &mut self,
        weights: &Weights,
        layer: &Layer,
        norm: GroupNormLayer,
        input: &str,
        output: &str,
    ) {
        let names = self.parameters(weights, &[norm.gamma, norm.beta]);
        let epsilon = float("epsilon", norm.eps);
        if !norm.by_pixel {
            let attributes = vec![epsilon, int("num_groups", norm.groups as i64)];
            self.node("GroupNormalization", layer, &[input, &names[0], &names[1]], output, attributes);
            return;
        }
        let [last, normalized] = ["last", "normalized"].map(|part| format!("{}.{part}", layer.name));
        let part = |name: &str| Layer { name: name.to_owned(), ..layer.clone() };
        self.node("Transpose", &part(&last), &[input], &last, vec![ints("perm", &[0, 2, 3, 1])]);
        let inputs = [last.as_str(), &names[0], &names[1]];
        self.node("LayerNormalization", layer, &inputs, &normalized, vec![epsilon]);
        self.node("Transpose", layer, &[&normalized], output, vec![ints("perm", &[0, 3, 1, 2])]);
    }

    /// GELU and SiLU composed of basic operators: ONNX has them as operators only since opsets 20 and 24.
    fn activation(&mut self, activation: Activation, layer: &Layer, input: &str, output: &str) {
        let part = |name: &str| format!("{}.{name}", layer.name);
        match activation {
            Activation::Relu { .. } => self.node("Relu", layer, &[input], output, vec![]),
            Activation::LeakyRelu { negative_slope } => {
                let alpha = float("alpha", negative_slope);
                self.node("LeakyRelu", layer, &[input], output, vec![alpha]);
            }
            // x / 2 (1 + erf(x / sqrt(2))).
            Activation::Gelu => {
                let [root, scaled, erf, one, more, half, product] =
                    ["root", "scaled", "erf", "one", "more", "half", "product"].map(part);
                for (name, value) in [(&root, std::f32::consts::FRAC_1_SQRT_2), (&one, 1.0), (&half, 0.5)] {
                    self.tensor(name, &[], vec![value]);
                }
                self.node("Mul", layer, &[input, &root], &scaled, vec![]);
                self.node("Erf", layer, &[&scaled], &erf, vec![]);
                self.node("Add", layer, &[&erf, &one], &more, vec![]);
                let times = |name: &str| Layer { name: name.to_owned(), ..layer.clone() };
                self.node("Mul", &times(&product), &[input, &more], &product, vec![]);
                self.node("Mul", &times(&half), &[&product, &half], output, vec![]);
            }
            Activation::Celu { alpha } => {
                self.node("Celu", layer, &[input], output, vec![float("alpha", alpha)]);
            }
            Activation::Silu => {
                let sigmoid = part("sigmoid");
                self.node("Sigmoid", layer, &[input], &sigmoid, vec![]);
                self.node("Mul", layer, &[input, &sigmoid], output, vec![]);
            }
        }
    }

    /// ONNX has no adaptive pooling. Averaging is linear along both axes: `rows [P, H] x image [H, W] x columns [W, Q]`.
    fn avg_pool(&mut self, layer: &Layer, input: &str, output: &str) {
        let (&[h, w, _], &[p, q, _]) = (layer.input.dims(), layer.output.dims()) else {
            unreachable!("pooling is between images")
        };
        let share = |at: usize, side: usize, bin: usize, bins: usize| {
            let window = AvgPool::window(bin, side, bins);
            if window.contains(&at) { 1.0 / window.len() as f32 } else { 0.0 }
        };
        let rows: Vec<f32> = (0..p * h).map(|i| share(i % h, h, i / h, p)).collect();
        let columns: Vec<f32> = (0..w * q).map(|i| share(i / q, w, i % q, q)).collect();
        let names = ["rows", "columns", "by_rows"].map(|part| format!("{}.{part}", layer.name));
        self.tensor(&names[0], &[p, h], rows);
        self.tensor(&names[1], &[w, q], columns);
        self.node("MatMul", layer, &[&names[0], input], &names[2], vec![]);
        let second = Layer { name: names[2].clone(), ..layer.clone() };
        self.node("MatMul", &second, &[&names[2], &names[1]], output, vec![]);
    }
}

fn numbers(values: &[usize]) -> Vec<i64> {
    values.iter().map(|&value| value as i64).collect()
}

fn float(name: &str, value: f32) -> AttributeProto {
    let r#type = AttributeProto::FLOAT;
    AttributeProto { name: name.to_owned(), r#type, f: Some(value), ..AttributeProto::default() }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    let r#type = AttributeProto::INT;
    AttributeProto { name: name.to_owned(), r#type, i: Some(value), ..AttributeProto::default() }
}

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let r#type = AttributeProto::INTS;
    AttributeProto { name: name.to_owned(), r#type, ints: numbers(values), ..AttributeProto::default() }
}

/// A tensor with any batch size.
fn value(name: &str, elem_type: i32, dims: &[usize]) -> ValueInfoProto {
    let batch = Dimension { dim_param: Some("N".to_owned()), dim_value: None };
    let fixed = |value| Dimension { dim_value: Some(value), dim_param: None };
    let dim = std::iter::once(batch).chain(numbers(dims).into_iter().map(fixed)).collect();
    let shape = Some(TensorShapeProto { dim });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}
