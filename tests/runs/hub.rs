//! Folders for the Hugging Face hub.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::tempdir;
use vgg_wgpu::{
    device::Device,
    dtype::DType,
    model::{Architecture, VggConfig},
    train::TrainConfig,
    weights::{Trained, Weights, write_timm_weights},
};

use super::pretrained::Tensors;
use crate::support::{
    command::{fail, succeed, text},
    runs,
};

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_folder_has_weights_configuration_and_card() {
    let dir = tempdir().unwrap();
    let output = succeed(dir.path(), &["export", "--format", "hub", "-o", "digits"]);
    let said = text(&output.stderr);
    assert!(said.contains("timm has no VGG with these widths; README.md shows"), "{said}");
    let folder = dir.path().join("digits");
    assert_eq!(runs::names(dir.path()), ["digits"]);
    assert_eq!(runs::names(&folder), ["README.md", "config.json", "model.safetensors"]);
    let config: Value = serde_json::from_str(&read(&folder, "config.json")).unwrap();
    for timm in ["architecture", "num_classes", "pretrained_cfg", "model_type"] {
        assert!(config.get(timm).is_none(), "a program could take it for timm's: {config}");
    }
    assert_eq!((&config["input_size"], &config["hidden_features"]), (&json!([1, 28, 28]), &json!(512)));
    assert_eq!([&config["mean"], &config["std"]], [&json!([0.1307]), &json!([0.3081])]);
    let card = read(&folder, "README.md");
    let head =
        "---\nlicense:\n- mit\n- apache-2.0\nlibrary_name: vgg-wgpu\npipeline_tag: image-classification\n";
    assert!(card.starts_with(head), "{card}");
    for line in [
        "datasets:\n- ylecun/mnist\n---\n",
        "# VGG16 with batch norm on mnist",
        "- parameters: 1256442",
        "timm has no VGG with these widths.",
        "model.load_state_dict(load_file(\"model.safetensors\"), strict=True)",
    ] {
        assert!(card.contains(line), "no {line:?} in {card}");
    }
    // The command of the card, and the same weights as the program's.
    let digit = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pictures/digit.png");
    let predict = ["predict", "--device", "cpu", digit.to_str().unwrap()];
    let own = succeed(dir.path(), &predict).stdout;
    let theirs = [&predict[..], &["--weights", "digits/model.safetensors"]].concat();
    assert_eq!(text(&succeed(dir.path(), &theirs).stdout), text(&own));
}

#[test]
fn what_is_in_the_way_is_refused_and_left_alone() {
    let dir = tempdir().unwrap();
    let refused = |folder: &str, more: &[&str], says: &[&str]| {
        fail(dir.path(), &[&["export", "--format", "hub", "-o", folder], more].concat(), 2, says);
    };
    fs::create_dir_all(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/README.md"), "mine").unwrap();
    fs::write(dir.path().join("file"), "mine").unwrap();
    for name in ["mine", "mine/", "file"] {
        refused(name, &[], &[&format!("{name} already exists"), "a new or an empty folder"]);
    }
    assert_eq!(
        (read(dir.path(), "mine/README.md"), read(dir.path(), "file")),
        ("mine".into(), "mine".into())
    );
    refused("new", &["--fold-batch-norm"], &["--format onnx"]);
    refused("new", &["--quantized"], &["--format onnx"]);
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/weights/small.safetensors");
    let quantized = ["export", "--format", "hub", "-o", "new", "--weights", small.to_str().unwrap()];
    fail(dir.path(), &quantized, 1, &["quantised to 8-bit integers", "give those that it was made from"]);
    let license = ["export", "--format", "onnx", "-o", "a.onnx", "--license", "mit"];
    fail(dir.path(), &license, 2, &["--license is for the model card of --format hub"]);
    assert_eq!(runs::names(dir.path()), ["file", "mine"]);
    // An empty folder is none in the way.
    fs::create_dir(dir.path().join("empty")).unwrap();
    succeed(
        dir.path(),
        &["export", "--format", "hub", "-o", "empty", "--dtype", "f16", "--license", "cc0-1.0"],
    );
    let card = read(dir.path(), "empty/README.md");
    assert!(card.starts_with("---\nlicense:\n- cc0-1.0\nlibrary_name"), "{card}");
    assert!(fs::metadata(dir.path().join("empty/model.safetensors")).unwrap().len() < 2_600_000);
}

/// The card of a run's weights has the result of their epoch; that of the same weights elsewhere has none.
#[test]
fn the_card_of_a_run_has_its_result() {
    let dir = tempdir().unwrap();
    let run = dir.path().join("run");
    let config = TrainConfig { epochs: 2, ..runs::config(&run) };
    runs::finish(&mut runs::start(&config));
    let best = Weights::read(&run.join("best.safetensors"), None).unwrap();
    let epoch = best.steps().unwrap() / runs::STEPS_PER_EPOCH;
    let line = read(&run, "metrics.csv").lines().nth(epoch as usize).unwrap().to_owned();
    let accuracy: f64 = line.split(',').nth(5).unwrap().parse().unwrap();
    fs::copy(run.join("best.safetensors"), dir.path().join("moved.safetensors")).unwrap();
    let card = |weights: &str, folder: &str| {
        succeed(dir.path(), &["export", "--format", "hub", "-o", folder, "--weights", weights]);
        read(dir.path(), &format!("{folder}/README.md"))
    };
    let (of_run, moved) = (card("run/best.safetensors", "a"), card("moved.safetensors", "b"));
    let result = format!("- accuracy: {:.2} % on the test images\n", 100.0 * accuracy);
    let trained = format!("- trained: epoch {epoch}, {} steps\n", best.steps().unwrap());
    assert!(of_run.contains(&result) && of_run.contains(&trained), "{of_run}, not {result}{trained}");
    assert!(
        of_run.contains("- data set: mnist\n") && of_run.contains("- classes: 4: flat, rows,"),
        "{of_run}"
    );
    assert!(!moved.contains("accuracy") && !moved.contains("data set"), "{moved}");
}

/// A narrow network has timm's names and shapes, but for its widths.
#[test]
fn timms_names_and_shapes_are_written() {
    let dir = tempdir().unwrap();
    let config = VggConfig {
        width: 0.0625,
        hidden: Some(16),
        classes: 7,
        ..VggConfig::torchvision(Architecture::Vgg11)
    };
    let tensors = Tensors::of(&config.network().unwrap());
    let weights = Weights::read(&tensors.write(dir.path()), None).unwrap();
    let path = dir.path().join("model.safetensors");
    write_timm_weights(&path, &weights, DType::F32).unwrap();
    let file = fs::read(&path).unwrap();
    let found = safetensors::SafeTensors::deserialize(&file).unwrap();
    let expected = tensors.timm().0;
    assert_eq!(found.len(), expected.len());
    for (name, (_, shape, bytes)) in &expected {
        let tensor = found.tensor(name).unwrap();
        assert_eq!((tensor.shape(), tensor.data()), (&shape[..], &bytes[..]), "{name}");
    }
    let again = Weights::read(&path, None).unwrap();
    assert_eq!((&again.info, again.values(16)), (&weights.info, weights.values(16)));
}

/// timm and PyTorch build the networks by the lines of the card, and have the program's answers.
#[test]
fn timm_and_pytorch_have_the_same_answers() {
    if std::env::var_os("VGG_TEST_PYTHON").is_none() {
        eprintln!("not run: set VGG_TEST_PYTHON=1 where python3 has torch, timm and safetensors");
        return;
    }
    let dir = tempdir().unwrap();
    // The smallest that timm has: its classifier is large for every input.
    let config =
        VggConfig { image_size: [32, 32], classes: 4, ..VggConfig::torchvision(Architecture::Vgg11Bn) };
    let mut tensors = Tensors::of(&config.network().unwrap());
    let (_, _, head) = tensors.0.get_mut("classifier.6.weight").unwrap();
    let larger: Vec<f32> =
        head.chunks_exact(4).map(|v| HEAD * f32::from_le_bytes(v.try_into().unwrap())).collect();
    *head = bytemuck::cast_slice(&larger).to_vec();
    let timm = tensors.write(dir.path());
    drop(tensors);
    let builtin = dir.path().join("builtin.safetensors");
    succeed(dir.path(), &["export", "--format", "safetensors", "-o", "builtin.safetensors"]);
    for (file, size, channels) in [(timm, 32, 3), (builtin, 28, 1)] {
        let file = file.to_str().unwrap();
        let export = ["export", "--format", "hub", "-o", "folder", "--weights", file, "--image-size"];
        succeed(dir.path(), &[&export[..], &[&size.to_string()]].concat());
        let model = dir.path().join("folder/model.safetensors");
        let trained = Trained::read(&model, None).unwrap();
        let normalization = trained.info().normalization();
        let mut session = Device::find("cpu").unwrap().session(&trained, 6, [size; 2]).unwrap();
        let bytes: Vec<u8> = (0..6 * channels * size * size).map(|i| (i * 7919 % 251) as u8).collect();
        let probs = session.predict(&bytes).unwrap().concat();
        let log_probs: Vec<f32> = probs.iter().map(|p| p.ln()).collect();
        drop((session, trained));
        // [N, H, W, C] to [N, C, H, W].
        let pixels = size * size;
        let image = |n: usize, c: usize, p: usize| {
            let byte = bytes[(n * pixels + p) * channels + c];
            (f32::from(byte) / 255.0 - normalization.mean[c]) / normalization.std[c]
        };
        let images: Vec<f32> = (0..6)
            .flat_map(|n| (0..channels).flat_map(move |c| (0..pixels).map(move |p| (n, c, p))))
            .map(|(n, c, p)| image(n, c, p))
            .collect();
        let files = [("images.bin", &images), ("log_probs.bin", &log_probs)].map(|(name, values)| {
            let path = dir.path().join(name);
            fs::write(&path, bytemuck::cast_slice(values)).unwrap();
            path
        });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/hub.py");
        let folder = dir.path().join("folder");
        let output = Command::new("python3").arg(script).arg(&folder).args(files).output().unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        print!("{}", text(&output.stdout));
        fs::remove_dir_all(folder).unwrap();
    }
}

/// Makes the answers differ.
const HEAD: f32 = 1e2;
