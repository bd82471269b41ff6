//! A quantised network, and what it computes.

use std::collections::BTreeMap;

use vgg_wgpu::{
    data::{Batch, IDENTITY, mnist},
    device::Device,
    ops::{Op, padded},
    quantize::{Options, quantize},
    weights::{QuantizedWeights, Weights},
};

/// Few calibration images.
pub fn options() -> Options {
    Options { images: 64, ..Options::default() }
}

/// The network inside the program.
pub fn builtin(options: Options) -> QuantizedWeights {
    let train = mnist::builtin().unwrap().train;
    quantize(&Device::find("cpu").unwrap(), &Weights::builtin().unwrap(), &train, &options).unwrap()
}

/// A batch of MNIST's test images.
pub fn batch(count: usize) -> Batch {
    let test = mnist::builtin().unwrap().test;
    Batch {
        mixes: Vec::new(),
        images: (0..count).flat_map(|index| test.image(index).unwrap()).collect(),
        labels: (0..count).map(|index| test.label(index)).collect(),
        transforms: IDENTITY.repeat(count),
        valid: count,
        epoch: 0,
        index: 0,
    }
}

/// The outputs of all layers of a quantised network by name, their extents and bytes, without the padding of channels, in NHWC.
pub fn outputs(
    device: &Device,
    weights: &QuantizedWeights,
    batch: &Batch,
) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let mut session = device.quantized_inference(weights, batch.valid, weights.info.source_size()).unwrap();
    let mut found = BTreeMap::new();
    let network = &weights.quantized.network;
    let wanted = |op: &Op| {
        matches!(
            op,
            Op::QuantizeImages(_) | Op::QuantizedConv(_) | Op::QuantizedLinear(_) | Op::QuantizedMaxPool(_)
        )
    };
    session
        .outputs(batch, wanted, |tensor, bytes| {
            let name = tensor.name.strip_prefix("evaluate.").unwrap().trim_end_matches(".output");
            let layer = network.layers.iter().find(|layer| layer.name == name);
            let channels = layer.map_or(weights.info.channels, |layer| *layer.output.dims().last().unwrap());
            let mut dims = tensor.shape.dims().to_vec();
            *dims.last_mut().unwrap() = channels;
            let bytes = match tensor.dtype.bytes() {
                1 => bytes
                    .chunks_exact(padded(channels))
                    .flat_map(|pixel| pixel[..channels].to_vec())
                    .collect(),
                _ => bytes.to_vec(),
            };
            assert!(found.insert(name.to_owned(), (dims, bytes)).is_none());
        })
        .unwrap();
    assert_eq!(
        found.len(),
        1 + network
            .layers
            .iter()
            .filter(|l| {
                use vgg_wgpu::model::LayerKind;
                matches!(l.kind, LayerKind::Conv(_) | LayerKind::Linear(_) | LayerKind::MaxPool { .. })
            })
            .count()
    );
    found
}
