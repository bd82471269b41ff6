//! Networks on 8-bit integers on disk.

use std::path::Path;

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use super::{
    FORMAT_VERSION, ModelInfo, StoreError, Weights, WeightsError,
    metadata::{Description, Kind, metadata},
    store::{self, Entry, TensorFile},
};
use crate::model::{LayerKind, Network, Quantization, QuantizedLayer, QuantizedNetwork};

/// A network on 8-bit integers, with the description of its images and classes.
#[derive(Clone, Debug)]
pub struct QuantizedWeights {
    /// Its description; the network has no batch norms.
    pub info: ModelInfo,
    /// The network.
    pub quantized: QuantizedNetwork,
    /// How its scales were found, in words.
    pub calibration: String,
    /// The file, for errors.
    pub path: String,
}

/// A trained network, in floats or in 8-bit integers.
#[derive(Debug)]
pub enum Trained {
    /// Floats.
    Float(Weights),
    /// 8-bit integers.
    Quantized(QuantizedWeights),
}

impl Trained {
    /// Reads a file of either kind.
    ///
    /// # Errors
    /// As [`Weights::read`], and [`WeightsError::Quantization`].
    pub fn read(path: &Path, image_size: Option<[usize; 2]>) -> Result<Self, WeightsError> {
        match Weights::read(path, image_size) {
            Err(WeightsError::Quantized { .. }) => {}
            weights => return weights.map(Self::Float),
        }
        let weights = QuantizedWeights::read(path)?;
        let found = weights.info.image_size;
        match image_size.filter(|&wanted| wanted != found) {
            None => Ok(Self::Quantized(weights)),
            Some(wanted) => Err(WeightsError::OtherSize { path: weights.path, found, wanted }),
        }
    }

    /// The description.
    pub fn info(&self) -> &ModelInfo {
        match self {
            Self::Float(weights) => &weights.info,
            Self::Quantized(weights) => &weights.info,
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        match self {
            Self::Float(weights) => &weights.network,
            Self::Quantized(weights) => &weights.quantized.network,
        }
    }
}

/// The metadata of a quantised file.
#[derive(Serialize, Deserialize)]
struct QuantizedDescription {
    version: u32,
    kind: Kind,
    signed: bool,
    calibration: String,
    model: ModelInfo,
}

/// The name of a layer in a file, as `features.0`.
fn name(network: &Network, layer: usize) -> &str {
    let weight = match network.layers[layer].kind {
        LayerKind::Conv(parameters) | LayerKind::Linear(parameters) => parameters.weight,
        _ => unreachable!("a quantised layer has weights"),
    };
    network.parameters[weight].name.trim_end_matches(".weight")
}

/// The convolutions and linear layers of a network, by their indices.
fn weighted(network: &Network) -> Vec<usize> {
    let has =
        |layer: &usize| matches!(network.layers[*layer].kind, LayerKind::Conv(_) | LayerKind::Linear(_));
    (0..network.layers.len()).filter(has).collect()
}

/// The tensors of a file: those of 4-byte elements first. Each activation has a scale and a zero point.
fn entries(network: &Network, signed: bool) -> Vec<Entry> {
    let layers = weighted(network);
    let entry = |name: String, dtype, shape: &[usize]| Entry { name, dtype, shape: shape.to_vec() };
    let (mut wide, mut bytes) = (Vec::new(), Vec::new());
    let mut activation = |name: &str| {
        wide.push(entry(format!("{name}_scale"), Dtype::F32, &[]));
        bytes.push(entry(format!("{name}_zero_point"), if signed { Dtype::I8 } else { Dtype::U8 }, &[]));
    };
    activation("input");
    for &layer in &layers[..layers.len() - 1] {
        activation(&format!("{}.output", name(network, layer)));
    }
    for layer in layers {
        let (LayerKind::Conv(parameters) | LayerKind::Linear(parameters)) = network.layers[layer].kind else {
            unreachable!("a quantised layer has weights")
        };
        let shape = network.parameters[parameters.weight].shape.dims();
        let name = name(network, layer);
        wide.push(entry(format!("{name}.weight_scale"), Dtype::F32, &shape[..1]));
        wide.push(entry(format!("{name}.bias"), Dtype::I32, &shape[..1]));
        bytes.push(entry(format!("{name}.weight"), Dtype::I8, shape));
    }
    wide.extend(bytes);
    wide
}

/// Writes a quantised network: int8 weights, int32 biases, and the scale and zero point of each activation.
///
/// # Errors
/// [`StoreError`] if the file cannot be written. An existing file is then unchanged.
pub fn write_quantized(path: &Path, weights: &QuantizedWeights) -> Result<(), StoreError> {
    let QuantizedWeights { info, quantized, calibration, .. } = weights;
    let QuantizedNetwork { network, input, layers, signed } = quantized;
    let description = QuantizedDescription {
        version: FORMAT_VERSION,
        kind: Kind::Quantized,
        signed: *signed,
        calibration: calibration.clone(),
        model: info.clone(),
    };
    let metadata = toml::to_string(&description).expect("a description is tables of TOML values");
    let entries = entries(network, *signed);
    // A signed zero point is the byte without the 128 that is added to it here.
    let zero = |zero: u8| if *signed { zero ^ 128 } else { zero };
    let bytes = |entry: &str| -> Vec<u8> {
        if let Some(field) = entry.strip_prefix("input_") {
            return if field == "scale" {
                input.scale.to_le_bytes().to_vec()
            } else {
                vec![zero(input.zero)]
            };
        }
        let (layer, field) = entry.rsplit_once('.').expect("a name of `entries`");
        let layer = layers.iter().find(|own| name(network, own.layer) == layer).expect("a name of `entries`");
        match (field, layer.output) {
            ("weight", _) => bytemuck::cast_slice(&layer.weight).to_vec(),
            ("weight_scale", _) => store::to_le(&layer.weight_scale),
            ("bias", _) => layer.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect(),
            ("output_scale", Some(output)) => output.scale.to_le_bytes().to_vec(),
            ("output_zero_point", Some(output)) => vec![zero(output.zero)],
            _ => unreachable!("a name of `entries`"),
        }
    };
    store::write(path, &metadata, &entries, |index| Ok(bytes(&entries[index].name)))
}

impl QuantizedWeights {
    /// Reads a file that [`write_quantized`] wrote, and checks every tensor.
    ///
    /// # Errors
    /// [`WeightsError`].
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let file = TensorFile::read(path)?;
        let damaged = |message: &str| WeightsError::Metadata {
            path: file.path().to_owned(),
            message: message.to_owned(),
        };
        // Its version and kind first: the metadata of another kind lack the rest.
        let description = metadata::<Description>(&file)?.ok_or_else(|| damaged("there are none"))?;
        if description.kind != Kind::Quantized {
            return Err(damaged("the network is not quantised"));
        }
        let QuantizedDescription { signed, calibration, model: info, .. } =
            metadata(&file)?.ok_or_else(|| damaged("there are none"))?;
        Weights::check_info(&info, file.path())?;
        let network = info
            .vgg()
            .network()
            .map_err(|error| WeightsError::Network { path: file.path().to_owned(), error })?;
        if let Some((what, _)) = QuantizedNetwork::unsupported(&network) {
            return Err(damaged(&format!("a quantised network cannot have {what}")));
        }
        file.check(&format!("a quantised {}", info.vgg()), &entries(&network, signed), &[], |_| false)?;
        let activation = |name: &str| -> Result<Quantization, WeightsError> {
            let (scale, zero) = (format!("{name}_scale"), format!("{name}_zero_point"));
            let scale = *positive(&file, &scale)?.first().expect("a tensor of one value");
            let zero = file.tensor(&zero).1[0];
            Ok(Quantization { scale, zero: if signed { zero ^ 128 } else { zero } })
        };
        let all = weighted(&network);
        let layer = |&layer: &usize| -> Result<QuantizedLayer, WeightsError> {
            let name = name(&network, layer);
            let bytes = file.tensor(&format!("{name}.weight")).1;
            if bytes.contains(&0x80) {
                return Err(wrong(&file, format!("{name}.weight"), "has a weight of -128".to_owned()));
            }
            let bias = file.tensor(&format!("{name}.bias")).1.as_chunks::<4>().0;
            let last = Some(&layer) == all.last();
            Ok(QuantizedLayer {
                layer,
                weight: bytemuck::cast_slice(bytes).to_vec(),
                weight_scale: positive(&file, &format!("{name}.weight_scale"))?,
                bias: bias.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect(),
                output: if last { None } else { Some(activation(&format!("{name}.output"))?) },
            })
        };
        let layers = all.iter().map(layer).collect::<Result<Vec<_>, _>>()?;
        let input = activation("input")?;
        let path = file.path().to_owned();
        let quantized = QuantizedNetwork { network, input, layers, signed };
        Ok(Self { info, quantized, calibration, path })
    }
}

/// Scales, which [`TensorFile::check`] found to be finite.
fn positive(file: &TensorFile, name: &str) -> Result<Vec<f32>, WeightsError> {
    let scales = file.f32s(name);
    match scales.iter().find(|scale| !(scale.is_normal() && **scale > 0.0)) {
        None => Ok(scales),
        Some(scale) => {
            Err(wrong(file, name.to_owned(), format!("has a scale of {scale}, but scales are above 0")))
        }
    }
}

fn wrong(file: &TensorFile, tensor: String, message: String) -> WeightsError {
    WeightsError::Quantization { path: file.path().to_owned(), tensor, message }
}
