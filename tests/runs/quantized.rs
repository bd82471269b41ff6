//! Quantised networks: the same bits on every device and in onnxruntime, files that are checked, errors that say what to do.

use std::{collections::BTreeMap, fs, path::Path, process::Command, sync::Arc};

use safetensors::{Dtype, tensor::TensorView};
use tempfile::tempdir;
use vgg_wgpu::{
    data::{Batch, Dataset, IDENTITY, Loader, Subset, mnist},
    device::Device,
    export::{Ends, write_quantized_onnx},
    ops::{Op, padded},
    quantize::{Calibrator, Options, QuantizeError, folded, noise, quantize},
    weights::{QuantizedWeights, Trained, Weights, WeightsError, write_quantized},
};

use crate::support::command::{fail, succeed, text};

fn cpu() -> Device {
    Device::find("cpu").unwrap()
}

fn train() -> Arc<dyn Dataset> {
    mnist::builtin().unwrap().train
}

/// A batch of the test images.
fn batch(count: usize) -> Batch {
    let test = mnist::builtin().unwrap().test;
    Batch {
        images: (0..count).flat_map(|index| test.image(index).unwrap()).collect(),
        labels: (0..count).map(|index| test.label(index)).collect(),
        transforms: IDENTITY.repeat(count),
        valid: count,
        epoch: 0,
        index: 0,
    }
}

fn options() -> Options {
    Options { images: 64, ..Options::default() }
}

/// The outputs of all layers of a quantised network by name, without the padding of channels, in NHWC.
fn outputs(
    device: &Device,
    weights: &QuantizedWeights,
    batch: &Batch,
) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let [h, w] = weights.info.source_size();
    let mut session = device.quantized_inference(weights, batch.valid, [h, w]).unwrap();
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
            found.insert(name.to_owned(), (dims, bytes));
        })
        .unwrap();
    found
}

/// Writes the images and the outputs in the order and with the names of the ONNX file.
fn write_outputs(path: &Path, weights: &QuantizedWeights, batch: &Batch) {
    let mut tensors = BTreeMap::new();
    let [h, w] = weights.info.image_size;
    let images = (vec![batch.valid, h, w, weights.info.channels], batch.images.clone());
    let outputs = outputs(&cpu(), weights, batch).into_iter();
    let all = outputs.map(|(name, values)| {
        let last = weights.quantized.network.layers.last().unwrap();
        (if name == last.name { "logits".to_owned() } else { format!("{name}.quantized") }, values)
    });
    for (name, (dims, bytes)) in all.chain([("images".to_owned(), images)]) {
        let (dims, bytes) = match dims[..] {
            [n, h, w, c] => {
                let at = |i: usize| (i / (c * h * w) * h * w + i % (h * w)) * c + i / (h * w) % c;
                (vec![n, c, h, w], (0..bytes.len()).map(|i| bytes[at(i)]).collect())
            }
            _ => (dims, bytes),
        };
        tensors.insert(name, (dims, bytes));
    }
    let views = tensors.iter().map(|(name, (dims, bytes))| {
        let dtype = if name == "logits" { Dtype::F32 } else { Dtype::U8 };
        (name, TensorView::new(dtype, dims.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Every intermediate tensor and the logits, for unsigned and signed activations.
#[test]
fn onnxruntime_computes_the_same_bits() {
    if std::env::var_os("VGG_TEST_PYTHON").is_none() {
        eprintln!("not run: set VGG_TEST_PYTHON=1 where python3 has onnx, onnxruntime and safetensors");
        return;
    }
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let weights = Weights::builtin().unwrap();
    let batch = batch(24);
    for (signed, ends) in [
        (false, Ends::default()),
        (false, Ends { bytes: true, softmax: false }),
        (false, Ends { bytes: true, softmax: true }),
        (true, Ends::default()),
    ] {
        let quantized = quantize(&cpu(), &weights, &train(), &Options { signed, ..options() }).unwrap();
        write_quantized_onnx(&path("q.onnx"), &quantized, ends).unwrap();
        write_outputs(&path("outputs.safetensors"), &quantized, &batch);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/quantized.py");
        let mut python = Command::new("python3");
        let python = python.arg(script).args([path("q.onnx"), path("outputs.safetensors")]);
        let output = python.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "signed: {signed}, {ends:?}: {text}{stderr}");
        print!("{}\n{}", text.lines().count(), text.lines().last().unwrap());
    }
}
