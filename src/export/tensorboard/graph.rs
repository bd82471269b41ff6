//! A network as TensorBoard's graph: a node for each layer.

use super::messages::{AttrValue, GraphDef, ListValue, NodeDef, TensorShapeProto, VersionDef};
use crate::model::{Layer, LayerKind, Network};

/// The node of the images.
const INPUT: &str = "images";

/// The layers of the blocks, up to each pooling, and those of the classifier are each in a scope, which TensorBoard draws as one box
/// that opens.
pub fn graph_def(network: &Network) -> GraphDef {
    let [height, width] = network.config.image_size;
    let images = [height, width, network.config.channels];
    let placeholder = NodeDef {
        name: INPUT.to_owned(),
        op: "Placeholder".to_owned(),
        attr: [output_shapes(&images)].into(),
        ..NodeDef::default()
    };
    let mut node = vec![placeholder];
    let (mut block, mut flat) = (1, false);
    for layer in &network.layers {
        flat |= matches!(layer.kind, LayerKind::Linear(_));
        let scope = match layer.kind {
            LayerKind::AvgPool => String::new(),
            _ if flat => "classifier/".to_owned(),
            _ => format!("block{block}/"),
        };
        block += usize::from(matches!(layer.kind, LayerKind::MaxPool { .. }));
        let before = node.last().map(|before| before.name.clone());
        node.push(NodeDef {
            name: scope + &layer.name,
            op: kind(layer),
            input: before.into_iter().collect(),
            attr: attributes(network, layer).collect(),
        });
    }
    // TensorFlow's number for graphs since 2.x.
    GraphDef { node, versions: Some(VersionDef { producer: 22 }) }
}

fn kind(layer: &Layer) -> String {
    match layer.kind {
        LayerKind::Conv(_) => "Conv2D".into(),
        LayerKind::BatchNorm(_) => "BatchNorm".into(),
        LayerKind::GroupNorm(_) => "GroupNorm".into(),
        LayerKind::Activation(activation) => activation.to_string(),
        LayerKind::MaxPool { .. } => "MaxPool".into(),
        LayerKind::AvgPool => "AvgPool".into(),
        LayerKind::FakeQuantize { .. } => "FakeQuantize".into(),
        LayerKind::Dropout { .. } => "Dropout".into(),
        LayerKind::Linear(_) => "Linear".into(),
    }
}

/// The shapes of a layer's output and of its parameters, and how many values it learns.
fn attributes(network: &Network, layer: &Layer) -> impl Iterator<Item = (String, AttrValue)> {
    let parameters = layer.kind.parameters().into_iter().map(|index| {
        let parameter = &network.parameters[index];
        let shape = TensorShapeProto::new(parameter.shape.dims().iter().map(|&extent| extent as i64));
        (field(&parameter.name).to_owned(), AttrValue { shape: Some(shape), ..AttrValue::default() })
    });
    let values = network.layer_values(layer) as i64;
    let learned = (values > 0)
        .then(|| ("parameters".to_owned(), AttrValue { i: Some(values), ..AttrValue::default() }));
    parameters.chain(learned).chain([output_shapes(layer.output.dims())])
}

/// `[N, ...]`, where N is unknown.
fn output_shapes(extents: &[usize]) -> (String, AttrValue) {
    let shape = TensorShapeProto::new([-1].into_iter().chain(extents.iter().map(|&extent| extent as i64)));
    let list = Some(ListValue { shape: vec![shape] });
    ("_output_shapes".to_owned(), AttrValue { list, ..AttrValue::default() })
}

/// The names of a network's parameters by layer, as `conv3_2.weight`, in their order.
pub fn parameter_names(network: &Network) -> Vec<String> {
    let mut names = vec![String::new(); network.parameters.len()];
    for layer in &network.layers {
        for index in layer.kind.parameters() {
            names[index] = format!("{}.{}", layer.name, field(&network.parameters[index].name));
        }
    }
    names
}

/// `weight` of `features.0.weight`.
fn field(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
