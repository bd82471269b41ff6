//! Exported ONNX files: run by an interpreter of the tests' own, and on request by onnxruntime, compared with PyTorch.

pub mod interpreter;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    process::Command,
};

use interpreter::{Model, Tensor};
use safetensors::{Dtype, tensor::TensorView};
use tempfile::tempdir;
use vgg_wgpu::{
    cpu::CpuExecutor,
    data::{Normalization, mnist},
    export::{Ends, write_onnx},
    model::{ActivationKind, Architecture, Layout, Norm, VggConfig},
    program::{DeviceLimits, Mode, Precision, Settings, lower},
    rng,
    train::Session,
    weights::{ModelInfo, Weights},
};

use crate::support::command::{run, succeed};

/// Weights that preserve the signal's size and norms that are not the identity, as a file of a network.
pub fn lively(config: &VggConfig, folder: &Path) -> Weights {
    let network = config.network().unwrap();
    // One over the mean square of the activation of normal values.
    let gain = match config.activation {
        ActivationKind::Relu | ActivationKind::LeakyRelu => 2.0,
        ActivationKind::Gelu => 2.35,
        ActivationKind::Silu => 2.8,
        ActivationKind::Celu => 1.5,
    };
    let mut tensors = BTreeMap::new();
    for (index, p) in network.parameters.iter().enumerate() {
        let dims = p.shape.dims();
        let fan_in: usize = dims[1..].iter().product();
        let (scale, offset) = match (p.name.rsplit('.').next().unwrap(), dims.len()) {
            ("weight", 1) => (0.2, 1.0),
            ("running_var", _) => (0.1, 1.0),
            ("weight", _) => {
                ((gain / fan_in as f64).sqrt() * if p.layout == Layout::Conv { 1.0 } else { 1.3 }, 0.0)
            }
            _ => (0.1, 0.0),
        };
        let values = rng::normal(3, index as u32, p.shape.elements(), scale);
        let bytes: Vec<u8> = values.iter().flat_map(|v| (v + offset).to_le_bytes()).collect();
        tensors.insert(p.name.clone(), (dims.to_vec(), bytes));
    }
    let views = tensors
        .iter()
        .map(|(name, (dims, bytes))| (name, TensorView::new(Dtype::F32, dims.clone(), bytes).unwrap()));
    let Normalization { mean, std } = Normalization::usual(config.channels);
    let class_names = (0..config.classes).map(|class| class.to_string()).collect();
    let dataset = mnist::builtin().unwrap().train;
    let model = ModelInfo { mean, std, class_names, ..ModelInfo::new(&network, &*dataset) };
    let metadata = format!("version = 1\nkind = \"weights\"\n[model]\n{}", toml::to_string(&model).unwrap());
    let path = folder.join("lively.safetensors");
    let metadata = HashMap::from([("vgg_wgpu".to_owned(), metadata)]);
    fs::write(&path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    Weights::read(&path, None).unwrap()
}

/// The CPU device's answers to images `[N, H, W, C]` of the network's size.
fn answers(weights: &Weights, images: &[u8], count: usize) -> Vec<Vec<f32>> {
    let normalization = weights.info.normalization();
    let settings = Settings {
        batch: count,
        source: weights.info.image_size,
        mean: normalization.mean,
        std: normalization.std,
        mode: Mode::Evaluate,
        precision: Precision::F32,
        limits: DeviceLimits::NONE,
    };
    let lowered = lower(&weights.network, &settings).unwrap();
    let executor = Box::new(CpuExecutor::<f32>::new(lowered.program.clone()));
    let mut session = Session::new(executor, &lowered, weights.network.clone());
    session.load(weights).unwrap();
    session.predict(images).unwrap()
}

/// The same images in the file's form: `[N, C, H, W]`, normalised.
fn normalised(weights: &Weights, images: &[u8], count: usize) -> Tensor {
    let ([h, w], c) = (weights.info.image_size, weights.info.channels);
    let mut values = Vec::with_capacity(images.len());
    for image in images.chunks_exact(h * w * c) {
        for channel in 0..c {
            let (mean, std) = (f64::from(weights.info.mean[channel]), f64::from(weights.info.std[channel]));
            values.extend((0..h * w).map(|at| (f64::from(image[at * c + channel]) / 255.0 - mean) / std));
        }
    }
    Tensor::new(vec![count, c, h, w], values)
}

/// The largest difference of a probability.
fn difference(logits: &Tensor, expected: &[Vec<f32>]) -> f64 {
    let mut largest = 0.0;
    assert_eq!(logits.values.len(), expected.concat().len());
    for (logits, expected) in logits.values.chunks_exact(expected[0].len()).zip(expected) {
        let sum: f64 = logits.iter().map(|v| v.exp()).sum();
        for (logit, &expected) in logits.iter().zip(expected) {
            let error = (logit.exp() / sum - f64::from(expected)).abs();
            assert!(error.is_finite());
            largest = f64::max(largest, error);
        }
    }
    largest
}

#[test]
fn files_answer_as_the_program_does() {
    let folder = tempdir().unwrap();
    let small = |config: VggConfig| VggConfig { width: 0.0625, hidden: Some(24), ..config };
    // torchvision's at a size where adaptive average pooling does nothing, and where its windows repeat pixels.
    let torchvision =
        |model, side| small(VggConfig { image_size: [side; 2], ..VggConfig::torchvision(model) });
    let paper = small(VggConfig { image_size: [28, 28], ..VggConfig::default() });
    let cases = [
        paper.clone(),
        VggConfig { activation: ActivationKind::LeakyRelu, negative_slope: 0.2, ..paper.clone() },
        VggConfig { activation: ActivationKind::Gelu, ..paper.clone() },
        VggConfig { activation: ActivationKind::Silu, ..paper.clone() },
        VggConfig {
            activation: ActivationKind::Celu,
            celu_alpha: 0.5,
            hidden: Some(0),
            logit_scale: 2.5,
            ..paper.clone()
        },
        VggConfig { norm: Some(Norm::Layer), ..paper.clone() },
        VggConfig { norm: Some(Norm::Group(4)), activation: ActivationKind::Silu, ..paper.clone() },
        VggConfig { norm: Some(Norm::Layer2d), ..paper },
        torchvision(Architecture::Vgg11Bn, 224),
        torchvision(Architecture::Vgg13, 96),
        torchvision(Architecture::Vgg19Bn, 64),
    ];
    for (config, fold) in cases.iter().flat_map(|config| [(config, false), (config, true)]) {
        let weights = lively(config, folder.path());
        let path = folder.path().join("network.onnx");
        let folded = weights.folded().filter(|_| fold);
        write_onnx(&path, folded.as_ref().unwrap_or(&weights), Ends::default()).unwrap();
        let model = Model::read(&fs::read(&path).unwrap());
        let [h, w] = config.image_size.map(|side| side.to_string());
        let (channels, classes) = (config.channels.to_string(), config.classes.to_string());
        let groups = matches!(config.norm, Some(Norm::Layer | Norm::Group(_)));
        assert_eq!(model.opset, if groups { 21 } else { 17 });
        assert_eq!(model.input, ("input".to_owned(), vec!["N".to_owned(), channels, h, w]));
        assert_eq!(model.output, ("logits".to_owned(), vec!["N".to_owned(), classes]));
        let norms = model.nodes.iter().filter(|n| n.op == "BatchNormalization").count();
        let convolutions = config.model.convolutions().iter().sum::<usize>();
        assert_eq!(norms, if config.norm() == Norm::Batch && !fold { convolutions } else { 0 });
        let mean: Vec<f32> = serde_json::from_str(&model.metadata["mean"]).unwrap();
        assert_eq!(mean, weights.info.mean);
        let names: Vec<String> = serde_json::from_str(&model.metadata["class_names"]).unwrap();
        assert_eq!(names, weights.info.class_names);

        // One batch size and another.
        for count in [1, 3] {
            let pixels = config.image_size.iter().product::<usize>() * config.channels * count;
            let noise = rng::normal(8, count as u32, pixels, 70.0);
            let images: Vec<u8> = noise.iter().map(|v| (v + 110.0).clamp(0.0, 255.0) as u8).collect();
            let expected = answers(&weights, &images, count);
            let error = difference(&model.run(normalised(&weights, &images, count)), &expected);
            assert!(error <= 1e-4, "{config}, folded: {fold}: {error:e}");
            // Uniform answers would agree in any case.
            let spread = expected[0].iter().copied().fold(0.0, f32::max) * expected[0].len() as f32;
            assert!(spread > 1.5, "{config}: the most likely class has {spread} times the mean");
        }
    }
}

#[test]
fn the_shipped_weights_are_exported() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    for (name, more) in [("plain.onnx", vec![]), ("folded.onnx", vec!["--fold-batch-norm"])] {
        let args: Vec<&str> =
            ["export", "--format", "onnx", "--output", name].into_iter().chain(more).collect();
        let output = succeed(here, &args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("weights   inside the program"), "{stderr}");
    }
    let images: Vec<u8> = {
        let test = mnist::builtin().unwrap().test;
        (0..24).flat_map(|index| test.image(index).unwrap()).collect()
    };
    let weights = Weights::builtin().unwrap();
    let expected = answers(&weights, &images, 24);
    for name in ["plain.onnx", "folded.onnx"] {
        let model = Model::read(&fs::read(here.join(name)).unwrap());
        // Files without --softmax answer with logits; the program's probabilities are those at the weights' temperature.
        let logits = model.run(normalised(&weights, &images, 24));
        let error = difference(&logits.map(|logit| logit / weights.info.temperature()), &expected);
        assert!(error <= 1e-4, "{name}: {error:e}");
    }

    // safetensors: the same values again, in halves as they are inside the program.
    succeed(here, &["export", "--format", "safetensors", "--dtype", "f16", "--output", "half.safetensors"]);
    succeed(here, &["export", "--format", "safetensors", "--output", "whole.safetensors"]);
    for name in ["half.safetensors", "whole.safetensors"] {
        let again = Weights::read(&here.join(name), None).unwrap();
        assert_eq!((&again.info, again.steps()), (&weights.info, weights.steps()));
        for index in 0..weights.network.parameters.len() {
            assert_eq!(again.values(index), weights.values(index));
        }
    }
    let sizes =
        ["half", "whole"].map(|name| fs::metadata(here.join(format!("{name}.safetensors"))).unwrap().len());
    assert!(sizes[0] < 5_000_000 && sizes[1] > 19 * sizes[0] / 10, "{sizes:?}");
}

#[test]
fn impossible_exports_are_refused() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("taken.onnx"), "mine").unwrap();
    for (args, code, says) in [
        (vec!["--format", "onnx", "--output", "taken.onnx"], 1, "taken.onnx already exists"),
        (
            vec!["--format", "onnx", "--dtype", "f16", "--output", "a"],
            2,
            "--dtype f16 is for --format safetensors",
        ),
        (vec!["--format", "safetensors", "--fold-batch-norm", "--output", "a"], 2, "is for --format onnx"),
        (vec!["--format", "onnx", "--output", "none/a.onnx"], 1, "none"),
        (vec!["--format", "onnx", "--weights", "absent", "--output", "a"], 1, "cannot read absent"),
    ] {
        let output = run(folder.path(), &[&["export"], args.as_slice()].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(says) && !stderr.contains("panicked"), "{args:?}: {stderr}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("taken.onnx")).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is written");
}

/// The shipped weights have as many correct answers in PyTorch as in `vgg eval`, and so do their ONNX files in onnxruntime.
#[test]
fn pytorch_and_onnxruntime_answer_the_same() {
    if std::env::var_os("VGG_TEST_PYTHON").is_none() {
        eprintln!(
            "not run: set VGG_TEST_PYTHON=1 where python3 has torch, torchvision, safetensors and onnxruntime"
        );
        return;
    }
    let folder = tempdir().unwrap();
    let here = folder.path();
    succeed(here, &["export", "--format", "safetensors", "--output", "w.safetensors"]);
    succeed(here, &["export", "--format", "onnx", "--output", "plain.onnx"]);
    succeed(here, &["export", "--format", "onnx", "--fold-batch-norm", "--output", "folded.onnx"]);
    let eval = succeed(here, &["eval", "--device", "cpu", "--json"]);
    let eval: serde_json::Value = serde_json::from_slice(&eval.stdout).unwrap();
    let correct = (eval["accuracy"].as_f64().unwrap() * 10_000.0).round();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/accuracy.py");
    let mut python = Command::new("python3");
    let python = python.current_dir(here).arg(script).args(["w.safetensors", "plain.onnx", "folded.onnx"]);
    let output = python.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("vgg eval: {correct} correct, loss {}\n{text}", eval["loss"]);
    assert_eq!(text.matches(&format!(" {correct} correct")).count(), 3, "{text}");
    let differences = text.lines().filter_map(|line| line.split("PyTorch's: ").nth(1));
    let differences: Vec<f64> = differences.map(|number| number.parse().unwrap()).collect();
    assert!(differences.len() == 2 && differences.iter().all(|&d| d <= 1e-4), "{text}");
}
