//! Quantised networks: the same bits on every device and in onnxruntime, files that are checked, errors that say what to do.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tempfile::tempdir;
use vgg_wgpu::{
    data::{Batch, Dataset as _, View, mnist},
    device::Device,
    export::{Ends, write_onnx, write_quantized_onnx},
    model::{ActivationKind, Architecture, Norm, VggConfig},
    quantize::{Calibrator, Options, QuantizeError, calibration, noise, quantize},
    weights::{QuantizedWeights, Trained, Weights, WeightsError, write_quantized},
};

use crate::{
    onnx::{
        interpreter::{Model, Tensor},
        lively,
    },
    support::{
        command::{fail, succeed, text},
        quantized::{batch, builtin, options, outputs},
    },
};

fn cpu() -> Device {
    Device::find("cpu").unwrap()
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
    let batch = batch(24);
    for (signed, ends) in [
        (false, Ends::default()),
        (false, Ends { bytes: true, softmax: false }),
        (false, Ends { bytes: true, softmax: true }),
        (true, Ends::default()),
    ] {
        let quantized = builtin(Options { signed, ..options() });
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

/// The images in the form of a file's input: `[N, C, H, W]`, as bytes.
fn planes(batch: &Batch, [h, w]: [usize; 2]) -> Tensor {
    let values = batch.images.iter().map(|&byte| byte.into()).collect();
    Tensor::new(vec![batch.valid, 1, h, w], values)
}

/// The interpreter computes by the operators' definitions in f64: values next to a half may round the other way, so that bytes differ by one
/// step here and there.
#[test]
fn files_answer_as_the_program_does() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("q.onnx");
    let batch = batch(6);
    for signed in [false, true] {
        let mut weights = builtin(Options { signed, ..options() });
        weights.info.temperature = signed.then_some(1.7);
        let temperature = weights.info.temperature();
        let mut session = cpu().quantized_inference(&weights, 6, weights.info.source_size()).unwrap();
        let expected = session.predict(&batch.images).unwrap().concat();
        for ends in [false, true].map(|both| Ends { bytes: both, softmax: both }) {
            write_quantized_onnx(&path, &weights, ends).unwrap();
            let model = Model::read(&fs::read(&path).unwrap());
            let count = |op: &str| model.nodes.iter().filter(|node| node.op == op).count();
            // The input, 13 convolutions, 5 pools, the flattened image, 2 hidden layers; and as many pairs of weights and biases.
            assert_eq!((count("QuantizeLinear"), count("DequantizeLinear")), (22, 22 + 2 * 16));
            let images = planes(&batch, weights.info.image_size);
            let (mean, std) = (f64::from(weights.info.mean[0]), f64::from(weights.info.std[0]));
            let normalised = images.values.iter().map(|v| (v / 255.0 - mean) / std).collect();
            let input = if ends.bytes { images } else { Tensor::new(images.dims.clone(), normalised) };
            let found = model.run(input);
            let probabilities = found.values.chunks_exact(10).flat_map(|row| {
                // The logits of a file are at temperature 1.
                let power = move |v: &f64| (v / temperature).exp();
                let sum: f64 = row.iter().map(power).sum();
                row.iter().map(move |v| if ends.softmax { *v } else { power(v) / sum })
            });
            let name = if ends.softmax { "probabilities" } else { "logits" };
            assert_eq!(model.output.0, name);
            for (at, (found, &expected)) in probabilities.zip(&expected).enumerate() {
                assert!(
                    (found - f64::from(expected)).abs() <= 2e-3,
                    "{at}: {found} {expected}, signed: {signed}, {ends:?}"
                );
            }
        }
    }
}

#[test]
fn float_files_take_bytes_and_answer_with_probabilities() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("f.onnx");
    let (mut weights, batch) = (Weights::builtin().unwrap(), batch(3));
    for temperature in [None, Some(3.0)] {
        weights.info.temperature = temperature;
        write_onnx(&path, &weights, Ends { bytes: true, softmax: true }).unwrap();
        let found = Model::read(&fs::read(&path).unwrap()).run(planes(&batch, weights.info.image_size));
        let expected = cpu().evaluation(&weights, 3).unwrap().predict(&batch.images).unwrap().concat();
        assert_eq!(found.values.len(), expected.len());
        for (found, &expected) in found.values.iter().zip(&expected) {
            assert!((found - f64::from(expected)).abs() <= 1e-4, "{found} {expected}");
        }
    }
}

/// Calibrators and both types of activation: as right as in floats but for a few of 400 images, and each layer's noise well below its
/// signal.
#[test]
fn quantised_networks_are_as_right() {
    let (device, weights) = (cpu(), Weights::builtin().unwrap());
    let sets = mnist::builtin().unwrap();
    let images = batch(400);
    let right = |trained: &Trained| {
        let mut session = device.session(trained, 100, trained.info().source_size()).unwrap();
        let answers = session.predict(&images.images).unwrap();
        let best = |row: &Vec<f32>| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32;
        answers.iter().zip(&images.labels).filter(|(row, label)| best(row) == **label).count()
    };
    let float = right(&Trained::Float(Weights::builtin().unwrap()));
    for calibrator in
        [Calibrator::MinMax, Calibrator::MovingAverage, Calibrator::Percentile, Calibrator::Entropy]
    {
        for signed in [false, true] {
            let options = Options { calibrator, signed, images: 200 };
            let quantized = quantize(&device, &weights, &sets.train, &options).unwrap();
            let end = |quantized: &QuantizedWeights| quantized.quantized.layers[0].output.unwrap().value(255);
            let largest = builtin(Options { calibrator: Calibrator::MinMax, ..options });
            assert_eq!(end(&quantized) < end(&largest), calibrator != Calibrator::MinMax, "{calibrator:?}");
            if calibrator == Calibrator::Entropy {
                // MNIST's background makes a few values so frequent that it clips most others.
                continue;
            }
            let some = calibration(&sets.test, 8).unwrap();
            for row in noise(&device, &weights, &quantized, &some).unwrap() {
                let least = if calibrator == Calibrator::Entropy { 12.0 } else { 24.0 };
                assert!(
                    row.decibels > least && row.decibels < 80.0,
                    "{calibrator:?}, signed: {signed}: {row:?}"
                );
            }
            let found = right(&Trained::Quantized(quantized));
            assert!(found + 3 >= float, "{calibrator:?}, signed: {signed}: {found} of {float}");
        }
    }
}

/// The quantised network in assets/weights, which is the pruned and retrained one, is small and right.
#[test]
fn the_small_network_is_small_and_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/weights/small.safetensors");
    assert!(fs::metadata(&path).unwrap().len() < 100_000);
    let weights = Trained::read(&path, None).unwrap();
    assert_eq!(weights.network().values(), 83_442);
    let images = batch(2000);
    let mut session = cpu().session(&weights, 100, weights.info().source_size()).unwrap();
    let answers = session.predict(&images.images).unwrap();
    let best = |row: &Vec<f32>| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32;
    let right = answers.iter().zip(&images.labels).filter(|(row, label)| best(row) == **label).count();
    // The same on every machine.
    assert_eq!(right, 1984);
}

#[test]
fn files_are_read_as_they_were_written() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("q.safetensors");
    for signed in [false, true] {
        let weights = builtin(Options { signed, ..options() });
        write_quantized(&path, &weights).unwrap();
        let read = QuantizedWeights::read(&path).unwrap();
        assert_eq!((&read.quantized, &read.info), (&weights.quantized, &weights.info));
        assert_eq!(read.calibration, "MinMax over 64 images of mnist");
        let bytes = fs::metadata(&path).unwrap().len();
        let values = weights.quantized.network.values() as u64;
        // A byte for each weight; scales, biases and the header are little more.
        assert!(bytes < values + values / 20, "{bytes} bytes for {values} values");
        fs::remove_file(&path).unwrap();
    }
}

/// A file with the bytes of a tensor replaced.
fn damaged(path: &Path, tensor: &str, change: impl Fn(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor(tensor).unwrap().data().as_ptr_range();
    let start = data.start as usize - bytes.as_ptr() as usize;
    let len = data.end as usize - data.start as usize;
    change(&mut bytes[start..start + len]);
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_files_are_refused_with_the_tensor() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("q.safetensors");
    let weights = builtin(options());
    let float = |value: f32| move |bytes: &mut [u8]| bytes[..4].copy_from_slice(&value.to_le_bytes());
    type Change = Box<dyn Fn(&mut [u8])>;
    let cases: [(&str, Change, &str); 6] = [
        ("features.0.weight_scale", Box::new(float(0.0)), "features.0.weight_scale has a scale of 0"),
        ("features.0.weight_scale", Box::new(float(-1.0)), "a scale of -1"),
        ("features.0.output_scale", Box::new(float(f32::NAN)), "features.0.output_scale is NaN"),
        ("input_scale", Box::new(float(f32::INFINITY)), "input_scale is inf"),
        (
            "classifier.0.weight",
            Box::new(|bytes: &mut [u8]| bytes[3] = 0x80),
            "classifier.0.weight has a weight of -128",
        ),
        ("features.2.output_scale", Box::new(float(1e-42)), "features.2.output_scale has a scale of"),
    ];
    for (tensor, change, says) in cases {
        write_quantized(&path, &weights).unwrap();
        damaged(&path, tensor, change);
        let error = Trained::read(&path, None).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("q.safetensors"), "{tensor}: {error}");
        fs::remove_file(&path).unwrap();
    }
    // Metadata of a network that has no exact integers.
    let mut gelu = weights.clone();
    gelu.info.activation = ActivationKind::Gelu;
    write_quantized(&path, &gelu).unwrap();
    let error = Trained::read(&path, None).unwrap_err().to_string();
    assert!(error.contains("cannot have the activation gelu"), "{error}");
    // A tensor under another name.
    write_quantized(&path, &weights).unwrap();
    let text = fs::read(&path).unwrap();
    let at = text.windows(15).position(|part| part == b"features.0.bias").unwrap();
    let mut renamed = text.clone();
    renamed[at..at + 15].copy_from_slice(b"features.0.bia5");
    fs::write(&path, renamed).unwrap();
    let error = Trained::read(&path, None).unwrap_err().to_string();
    assert!(
        error.contains("missing: features.0.bias [16]") && error.contains("extra: features.0.bia5"),
        "{error}"
    );
}

/// Each network of the family, with batch norm and without, and one of odd widths, of random weights.
#[test]
fn the_whole_family_is_quantised() {
    let folder = tempdir().unwrap();
    let sets = mnist::builtin().unwrap();
    let small = VggConfig { width: 0.0625, hidden: Some(22), image_size: [32, 32], ..VggConfig::default() };
    let odd = "5,7,M,9,M,11,13,M,6,M,10,M".parse().unwrap();
    let odd = VggConfig { widths: Some(odd), hidden: Some(17), ..small.clone() };
    for config in Architecture::all().map(|model| VggConfig { model, ..small.clone() }).chain([odd]) {
        let weights = lively(&config, folder.path());
        let options = Options { images: 32, ..options() };
        let quantized = quantize(&cpu(), &weights, &sets.train, &options).unwrap();
        let convolutions = config.blocks().iter().map(Vec::len).sum::<usize>();
        assert_eq!(quantized.quantized.layers.len(), convolutions + 3);
        let rows = noise(&cpu(), &weights, &quantized, &calibration(&sets.test, 8).unwrap()).unwrap();
        assert!(rows.iter().all(|row| row.decibels > 15.0), "{config}: {rows:?}");
    }
}

#[test]
fn networks_that_cannot_be_quantised_are_refused() {
    let folder = tempdir().unwrap();
    let train = mnist::builtin().unwrap().train;
    let small = VggConfig { width: 0.0625, hidden: Some(24), image_size: [28, 28], ..VggConfig::default() };
    for (config, says) in [
        (
            VggConfig { activation: ActivationKind::Gelu, ..small.clone() },
            "has the activation gelu, but only networks with ReLU",
        ),
        (
            VggConfig { norm: Some(Norm::Layer), ..small.clone() },
            "has norm layer, but only networks with batch norm or no norm",
        ),
        (VggConfig { avgpool: 7, ..small.clone() }, "average pooling from"),
    ] {
        let weights = lively(&config, folder.path());
        let error = quantize(&cpu(), &weights, &train, &options()).unwrap_err();
        assert!(
            matches!(error, QuantizeError::Unsupported { .. }) && error.to_string().contains(says),
            "{error}"
        );
    }
    let weights = lively(&small, folder.path());
    let none = Options { images: 0, ..options() };
    let error = quantize(&cpu(), &weights, &train, &none).unwrap_err();
    assert!(matches!(error, QuantizeError::NoImages), "{error}");
    assert_eq!(View::spread(train, 0).len(), 0);
}

/// The commands: a file is written, evaluated, used and exported; the wrong file in each place is refused, and nothing is overwritten.
#[test]
fn commands_take_quantised_files() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    let quantize =
        ["quantize", "-o", "q.safetensors", "--images", "32", "--test-images", "50", "--device", "cpu"];
    let output = succeed(here, &quantize);
    let printed = text(&output.stdout);
    for part in
        ["conv1_1", "fc3", "signal to noise", "noisiest layers", "of 50 are the same", "4.8 MiB -> 1.2 MiB"]
    {
        assert!(printed.contains(part), "no {part:?} in {printed}");
    }
    fail(here, &quantize, 1, &["q.safetensors already exists; give another --output"]);
    let predicted = succeed(
        here,
        &[
            "predict",
            "--weights",
            "q.safetensors",
            "--device",
            "cpu",
            concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pictures/digit.png"),
        ],
    );
    assert!(text(&predicted.stdout).contains("digit.png: 5 ("), "{}", text(&predicted.stdout));
    let bench = [
        "bench",
        "--inference",
        "--weights",
        "q.safetensors",
        "--batch-size",
        "4",
        "--steps",
        "2",
        "--device",
        "cpu",
    ];
    let output = succeed(here, &[&bench[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["quantized"].as_bool(), json["steps"].as_u64()), (Some(true), Some(2)));
    assert!(json["images_per_second"]["median"].as_f64().unwrap() > 0.0);
    assert!(text(&succeed(here, &bench).stdout).contains("2 of 4 images after 5 of warm-up, 8-bit integers"));
    succeed(
        here,
        &["export", "--weights", "q.safetensors", "--format", "onnx", "--quantized", "-o", "q.onnx"],
    );
    assert!(fs::metadata(here.join("q.onnx")).unwrap().len() < 1_400_000);

    let refused = "q.safetensors is quantised to 8-bit integers, but f32 weights are needed here";
    fail(here, &["quantize", "--weights", "q.safetensors", "-o", "a"], 1, &[refused]);
    fail(here, &["export", "--weights", "q.safetensors", "--format", "onnx", "-o", "a"], 1, &[refused]);
    fail(here, &["prune", "--weights", "q.safetensors", "-o", "a"], 1, &[refused]);
    fail(here, &["train", "--weights", "q.safetensors", "--device", "cpu"], 1, &[refused]);
    fail(
        here,
        &["export", "--format", "onnx", "--quantized", "-o", "a"],
        2,
        &["--quantized needs --weights FILE"],
    );
    fail(here, &["export", "--format", "safetensors", "--softmax", "-o", "a"], 2, &["are for --format onnx"]);
    fail(here, &["quantize", "--data", "cifar10", "-o", "a"], 2, &["names no directory"]);
    fail(here, &["quantize", "--images", "0", "-o", "a"], 2, &["--images"]);
    fail(here, &["bench", "--inference", "--baseline", "q.onnx"], 2, &["--baseline"]);
    assert!(!here.join("a").exists());
}

/// `vgg compare` of files: floats, pruned, quantised; and what it refuses.
#[test]
fn files_are_compared_in_a_table_and_a_picture() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    succeed(here, &["export", "--format", "safetensors", "-o", "float.safetensors"]);
    write_quantized(&here.join("q.safetensors"), &builtin(options())).unwrap();
    succeed(here, &["prune", "--data", "none", "-o", "pruned.safetensors"]);
    let files = ["compare", "float.safetensors", "q.safetensors", "pruned.safetensors"];
    let output = succeed(here, &[&files[..], &["--device", "cpu", "--output-dir", "out"]].concat());
    let printed = text(&output.stdout);
    let line = |start: &str| {
        printed.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{printed}"))
    };
    assert!(
        line("float.safetensors").contains("99.55 %") && line("float.safetensors").ends_with("100.00 %"),
        "{printed}"
    );
    assert!(
        line("q.safetensors").contains("8-bit integers") && line("q.safetensors").contains("1.2 MiB"),
        "{printed}"
    );
    assert!(line("conv1_2").contains("16 (1.81 M)") && line("conv1_2").contains("8 ("), "{printed}");
    let picture = fs::read_to_string(here.join("out/files.svg")).unwrap();
    for part in ["Wrong answers, %", "Size, KiB", "Images/s", "q.safetensors", "pruned.safetensors"] {
        assert!(picture.contains(part), "no {part} in the picture");
    }
    fail(here, &["compare", "q.safetensors"], 2, &["needs two files or more"]);
    let idle = ["compare", "q.safetensors", "float.safetensors", "--epochs", "3"];
    fail(here, &idle, 2, &["--epochs has no effect on trained networks"]);
    fail(here, &["compare", "q.safetensors", "absent"], 1, &["absent"]);
    fail(here, &["compare", "q.safetensors", "float.safetensors", "--custom", "a"], 2, &["--custom"]);
}

#[test]
fn the_wrong_kind_of_file_says_so() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("q.safetensors");
    write_quantized(&path, &builtin(options())).unwrap();
    assert!(matches!(Weights::read(&path, None), Err(WeightsError::Quantized { .. })));
    assert!(matches!(Trained::read(&path, None), Ok(Trained::Quantized(_))));
    let error = Trained::read(&path, Some([64, 64])).unwrap_err().to_string();
    assert!(error.contains("takes 28x28 px, not 64x64 px"), "{error}");
}
