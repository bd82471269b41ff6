//! ONNX export of trained networks.

mod graph;
mod messages;
mod quantized;

use std::{
    io::{self, Write},
    path::Path,
};

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use thiserror::Error;

pub use graph::Ends;

use self::{
    graph::Graph,
    messages::{GRAPH, ModelProto, OperatorSetIdProto, StringStringEntryProto},
};
use crate::{
    files::{FileError, write_whole},
    model::{Layer, LayerKind, Network},
    weights::{ModelInfo, QuantizedWeights, Weights},
};

/// The operator set and the file format version that it came with: 17, or 21 for the GroupNormalization with a scale for each
/// channel.
fn versions(network: &Network) -> [i64; 2] {
    let group = |layer: &Layer| matches!(layer.kind, LayerKind::GroupNorm(norm) if !norm.by_pixel);
    if network.layers.iter().any(group) { [21, 10] } else { [17, 8] }
}

/// protobuf refuses longer messages.
const LARGEST: usize = i32::MAX as usize;

/// A network that cannot be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The network is too large for an ONNX file.
    #[error("the ONNX file would have {bytes} bytes, but protobuf allows 2147483647; export safetensors")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Writes a network for evaluation: input `input` `[N, C, H, W]` f32, normalised by the `mean` and `std` of the file's
/// metadata, output `logits` `[N, classes]`, or what `ends` says. The batch size `N` is dynamic.
///
/// # Errors
/// [`ExportError`]; an existing file is then unchanged.
///
/// # Source
/// onnx.ai: the operators of opsets 17 and 21.
pub fn write_onnx(path: &Path, weights: &Weights, ends: Ends) -> Result<(), ExportError> {
    let plain = weights.with_plain_logits();
    let weights = plain.as_ref().unwrap_or(weights);
    write(path, &Graph::of(weights, ends), &weights.info, versions(&weights.network))
}

/// As [`write_onnx`], for a quantised network. onnxruntime computes the same bytes in every layer and the same logits, on x86 machines
/// without VNNI only with `session.x64quantprecision` set to 1.
///
/// # Errors
/// As [`write_onnx`].
pub fn write_quantized_onnx(path: &Path, weights: &QuantizedWeights, ends: Ends) -> Result<(), ExportError> {
    write(path, &Graph::of_quantized(weights, ends), &weights.info, versions(&weights.quantized.network))
}

fn write(
    path: &Path,
    Graph { encoded: graph }: &Graph,
    info: &ModelInfo,
    [opset, ir_version]: [i64; 2],
) -> Result<(), ExportError> {
    let property = |key: &str, value: serde_json::Value| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_string(),
    };
    let head = ModelProto {
        ir_version,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: opset }],
        metadata_props: vec![
            property("mean", info.mean.as_slice().into()),
            property("std", info.std.as_slice().into()),
            property("class_names", info.class_names.as_slice().into()),
        ],
    };
    let mut head = head.encode_to_vec();
    encode_key(GRAPH, WireType::LengthDelimited, &mut head);
    encode_varint(graph.len() as u64, &mut head);
    let bytes = head.len() + graph.len();
    if bytes > LARGEST {
        return Err(ExportError::TooLarge { bytes });
    }
    let io = |error: io::Error| FileError::new("write", path, error);
    write_whole(path, |writer: &mut dyn Write| {
        writer.write_all(&head).map_err(io)?;
        Ok(writer.write_all(graph).map_err(io)?)
    })
}
