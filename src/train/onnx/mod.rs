//! ONNX export of trained networks.

mod graph;

use std::{
    io::{self, Write},
    path::Path,
};

use graph::Graph;

use super::{
    TrainError, Weights,
    files::{FileError, write_whole},
    proto::Message,
};
use crate::model::{Layer, LayerKind, Network};

/// The operator set and the file format version that it came with: 17, or 21 for the GroupNormalization with a scale for each
/// channel.
fn versions(network: &Network) -> [u64; 2] {
    let group = |layer: &Layer| matches!(layer.kind, LayerKind::GroupNorm(norm) if !norm.by_pixel);
    if network.layers.iter().any(group) { [21, 10] } else { [17, 8] }
}

/// protobuf refuses longer messages.
const LARGEST: usize = i32::MAX as usize;

/// Writes a network for evaluation: input `input` `[N, C, H, W]` f32, normalised by the `mean` and `std` of the file's
/// metadata, output `logits` `[N, classes]`. The batch size `N` is dynamic. With `fold` each batch norm is folded into the
/// convolution before it.
///
/// # Errors
/// [`TrainError::TooLargeForOnnx`], and [`TrainError::File`] if the file cannot be written; an existing file is then
/// unchanged.
///
/// # Source
/// onnx.ai: the operators of opsets 17 and 21.
pub fn write_onnx(path: &Path, weights: &Weights, fold: bool) -> Result<(), TrainError> {
    let Graph { encoded: graph } = Graph::of(weights, fold);
    let info = &weights.info;
    let [opset, ir_version] = versions(&weights.network);
    let property = |key: &str, value: String| Message::new().text(1, key).text(2, &value);
    let json = |values: &[f32]| serde_json::json!(values).to_string();
    let head = Message::new()
        .int(1, ir_version)
        .text(2, env!("CARGO_PKG_NAME"))
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(8, &Message::new().text(1, "").int(2, opset))
        .message(14, &property("mean", json(&info.mean)))
        .message(14, &property("std", json(&info.std)))
        .message(14, &property("class_names", serde_json::json!(info.class_names).to_string()))
        .announce(7, graph.len());
    let bytes = head.encoded().len() + graph.len();
    if bytes > LARGEST {
        return Err(TrainError::TooLargeForOnnx { bytes });
    }
    let io = |error: io::Error| FileError::new("write", path, error);
    write_whole(path, |writer: &mut dyn Write| {
        writer.write_all(head.encoded()).map_err(io)?;
        writer.write_all(&graph).map_err(io)
    })
    .map_err(TrainError::File)
}
