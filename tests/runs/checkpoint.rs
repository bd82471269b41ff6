//! Files of weights and checkpoints: their content, and what is refused.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{OnceLock, atomic::AtomicBool},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tempfile::{TempDir, tempdir};
use vgg_wgpu::{
    data::Loader,
    model::{ActivationKind, Norm, PoolStride, Semantics, VggConfig},
    ops::Activation,
    train::{Checkpoint, Event, RunDirectory, RunError, TrainConfig, TrainError},
    weights::{Part, Pretrained, Weights},
};

use crate::support::{
    command::fail,
    runs::{self, config, finish, names, resume, start, tensors},
};

/// A finished run of two steps, shared by the tests.
fn run() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    let folder = RUN.get_or_init(|| {
        let folder = tempdir().unwrap();
        finish(&mut start(&TrainConfig { steps: Some(2), ..config(folder.path()) }));
        folder
    });
    folder.path()
}

/// A file's tensors and metadata, to be changed and written again.
#[derive(Clone)]
struct Parts {
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    metadata: Option<HashMap<String, String>>,
}

impl Parts {
    fn of(name: &str) -> Self {
        let bytes = fs::read(run().join(name)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, tensor)| {
            (name.to_owned(), (tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()))
        });
        Self { tensors: tensors.collect(), metadata: header.metadata().clone() }
    }

    fn metadata(&mut self) -> &mut String {
        self.metadata.as_mut().unwrap().get_mut("vgg_wgpu").unwrap()
    }

    fn write(&self, folder: &Path) -> PathBuf {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let path = folder.join("changed.safetensors");
        fs::write(&path, safetensors::serialize(views, self.metadata.clone()).unwrap()).unwrap();
        path
    }
}

fn weights_error(change: impl FnOnce(&mut Parts)) -> String {
    let (folder, mut parts) = (tempdir().unwrap(), Parts::of("best.safetensors"));
    change(&mut parts);
    Weights::read(&parts.write(folder.path()), None).unwrap_err().to_string()
}

fn checkpoint_error(change: impl FnOnce(&mut Parts)) -> String {
    let (folder, mut parts) = (tempdir().unwrap(), Parts::of("checkpoint.safetensors"));
    change(&mut parts);
    Checkpoint::read(&parts.write(folder.path())).unwrap_err().to_string()
}

#[test]
fn weights_have_torchvisions_names_shapes_and_types() {
    let parts = Parts::of("best.safetensors");
    let shape = |name: &str| parts.tensors[name].1.clone();
    assert_eq!(shape("features.0.weight"), [8, 1, 3, 3]);
    assert_eq!(shape("features.40.weight"), [32, 32, 3, 3]);
    assert_eq!(shape("features.41.running_var"), [32]);
    assert_eq!(shape("classifier.0.weight"), [16, 32]);
    assert_eq!(shape("classifier.6.weight"), [4, 16]);
    // 13 convolutions and 3 linear layers of two tensors, 13 batch norms of five.
    assert_eq!(parts.tensors.len(), 16 * 2 + 13 * 5);
    let (dtype, shape, data) = &parts.tensors["features.1.num_batches_tracked"];
    assert_eq!((*dtype, shape.len(), data.as_slice()), (Dtype::I64, 0, 2i64.to_le_bytes().as_slice()));
    assert!(parts.metadata.unwrap()["vgg_wgpu"].contains("class_names = [\"flat\", \"rows\""));
}

#[test]
fn weights_describe_their_network() {
    for name in ["best.safetensors", "checkpoint.safetensors"] {
        let weights = Weights::read(&run().join(name), None).unwrap();
        let expected = VggConfig { hidden: Some(16), ..config(run()).vgg(1, 4) };
        assert_eq!(weights.network.config, expected);
        assert_eq!(
            (weights.info.mean.as_slice(), weights.info.std.as_slice()),
            (&[0.2f32][..], &[0.25f32][..])
        );
        assert_eq!(weights.info.class_names, ["flat", "rows", "columns", "checks"]);
        assert_eq!(weights.steps(), Some(2));
        assert_eq!(weights.values(0).len(), 72);
    }
}

#[test]
fn a_checkpoint_has_the_optimisers_state_and_the_progress() {
    let checkpoint = Checkpoint::read(&run().join("checkpoint.safetensors")).unwrap();
    assert_eq!(checkpoint.config, TrainConfig { steps: Some(2), ..config(run()) });
    let progress = &checkpoint.progress;
    assert_eq!((progress.epoch, progress.batch, progress.step, progress.history.len()), (0, 2, 2, 1));
    assert_eq!(progress.device[2], 16.0, "the device's sums before the evaluation");
    let state = |place| checkpoint.parts().find(|(part, _)| *part == Part::State(0, place)).unwrap().1;
    let [m, v] = [0, 1].map(state);
    assert!(m.iter().any(|&m| m != 0.0) && v.iter().all(|&v| v >= 0.0) && m.len() == v.len());
    let names: Vec<String> = tensors(&run().join("checkpoint.safetensors")).into_keys().collect();
    assert!(names.contains(&"optimizer.m.features.0.weight".to_owned()));
    assert!(names.iter().all(|name| !name.starts_with("optimizer.") || !name.contains("running")));
}

#[test]
fn every_difference_is_listed_at_once() {
    let error = weights_error(|parts| {
        parts.tensors.remove("features.0.bias");
        parts.tensors.remove("classifier.6.bias");
        let wide = (Dtype::F32, vec![8, 2, 3, 3], vec![0; 8 * 2 * 9 * 4]);
        parts.tensors.insert("features.0.weight".into(), wide);
        let whole = (Dtype::I64, vec![8], vec![0; 64]);
        parts.tensors.insert("features.1.weight".into(), whole);
        parts.tensors.insert("head.extra".into(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    for line in [
        "missing: features.0.bias [8]",
        "missing: classifier.6.bias [4]",
        "wrong shape: features.0.weight is [8, 2, 3, 3], not [8, 1, 3, 3]",
        "wrong type: features.1.weight is I64, not F32",
        "extra: head.extra",
    ] {
        assert!(error.contains(line), "{line}\n{error}");
    }
    assert_eq!(error.lines().count(), 6, "{error}");
    assert!(error.contains("changed.safetensors does not fit VGG16 with batch norm at 28x28 px"), "{error}");
}

#[test]
fn batch_counters_may_be_absent() {
    let (folder, mut parts) = (tempdir().unwrap(), Parts::of("best.safetensors"));
    parts.tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    assert_eq!(Weights::read(&parts.write(folder.path()), None).unwrap().steps(), None);
}

#[test]
fn values_that_are_not_finite_are_refused_by_name() {
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let poison = |name: &'static str| {
            move |parts: &mut Parts| {
                parts.tensors.get_mut(name).unwrap().2[8..12].copy_from_slice(&value.to_le_bytes());
            }
        };
        let error = weights_error(poison("features.4.running_var"));
        assert!(error.contains(&format!("features.4.running_var is {shown} at element 2")), "{error}");
        let error = checkpoint_error(poison("optimizer.v.classifier.3.weight"));
        assert!(error.contains("optimizer.v.classifier.3.weight is "), "{error}");
    }
}

/// Half-precision files likewise.
#[test]
fn halves_that_are_not_finite_are_refused_by_name() {
    let error = weights_error(|parts| {
        let (dtype, _, data) = parts.tensors.get_mut("classifier.3.bias").unwrap();
        *dtype = Dtype::F16;
        *data = vec![0; 32];
        data[10..12].copy_from_slice(&0xfc00u16.to_le_bytes());
    });
    assert!(error.contains("tensor classifier.3.bias is -inf at element 5"), "{error}");
}

#[test]
fn a_normalisation_that_is_not_finite_is_refused() {
    for (from, to) in [
        ("std = [0.25]", "std = [0.0]"),
        ("std = [0.25]", "std = [-0.25]"),
        ("std = [0.25]", "std = [nan]"),
        ("std = [0.25]", "std = [inf]"),
        ("std = [0.25]", "std = [1e-40]"),
        ("mean = [0.2]", "mean = [nan]"),
        ("mean = [0.2]", "mean = [-inf]"),
    ] {
        let change = |parts: &mut Parts| {
            let text = parts.metadata();
            assert!(text.contains(from), "{text}");
            *text = text.replacen(from, to, 1);
        };
        for error in [weights_error(change), checkpoint_error(change)] {
            assert!(error.contains("changed.safetensors"), "{to}: {error}");
            assert!(error.contains("channel 0 is normalised with mean"), "{to}: {error}");
            assert!(error.contains("finite and std above 0"), "{to}: {error}");
        }
    }
}

/// Weights that are finite, but too large: their answers are an error that names the file and the image, and the session can
/// load others afterwards.
#[test]
fn answers_that_are_not_finite_are_an_error() {
    let folder = tempdir().unwrap();
    let data = runs::data();
    let mut session = runs::session(&config(run()), &data, |executor, _| executor);
    let good = Weights::read(&run().join("best.safetensors"), None).unwrap();
    let loader = Loader::evaluate(data.test.clone(), 8).unwrap();
    let images: Vec<u8> = (0..12).flat_map(|index| data.test.image(index).unwrap()).collect();
    session.load(&good).unwrap();
    let expected = (session.evaluate(&loader, |_, _| {}).unwrap(), session.predict(&images).unwrap());
    // Infinite scores, and infinities that meet inside the network.
    for name in ["classifier", "features"] {
        let mut parts = Parts::of("best.safetensors");
        for layer in if name == "features" { [3, 7] } else { [3, 6] } {
            let values = parts.tensors.get_mut(&format!("{name}.{layer}.weight")).unwrap();
            values.2.as_chunks_mut().0.fill(f32::MAX.to_le_bytes());
        }
        let bad = Weights::read(&parts.write(folder.path()), None).unwrap();
        session.load(&bad).unwrap();
        let errors = [session.evaluate(&loader, |_, _| {}).err(), session.predict(&images).err()];
        for (error, what) in errors.into_iter().zip(["loss", "probability of a class"]) {
            let error = error.expect(name);
            assert!(matches!(error, TrainError::NotFinite { image: 0, .. }), "{name}: {error}");
            let text = error.to_string();
            assert!(
                text.contains(&format!("changed.safetensors cannot be used: the {what} of image 0 is")),
                "{text}"
            );
            assert!(text.contains("take another checkpoint, or train again with a smaller --lr"), "{text}");
        }
        session.load(&good).unwrap();
        let after = (session.evaluate(&loader, |_, _| {}).unwrap(), session.predict(&images).unwrap());
        assert_eq!(after, expected, "{name}");
    }
}

#[test]
fn truncated_and_damaged_files_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("damaged.safetensors");
    let whole = fs::read(run().join("checkpoint.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for len in [0, 1, 7, 8, 100, header - 1, header, header + 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        for error in [
            Checkpoint::read(&path).unwrap_err().to_string(),
            Weights::read(&path, None).unwrap_err().to_string(),
        ] {
            assert!(
                error.contains("damaged.safetensors is not a complete safetensors file"),
                "{len}: {error}"
            );
        }
    }
    // Trailing bytes, a header of another length, and noise.
    let longer = [whole.as_slice(), b"more"].concat();
    let mut misled = whole.clone();
    misled[0] ^= 0xff;
    for bytes in [longer, misled, vec![0xff; 4096], b"PK\x03\x04 a torch.save file".to_vec()] {
        fs::write(&path, bytes).unwrap();
        assert!(Checkpoint::read(&path).is_err());
    }
    // Any one byte of the header damaged: an error, or a file that is still whole, but no panic.
    for at in (0..header).step_by(13) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x15;
        fs::write(&path, bytes).unwrap();
        let _ = Checkpoint::read(&path);
    }
    let error = Checkpoint::read(&folder.path().join("none")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read") && error.contains("none"), "{error}");
    assert!(Checkpoint::read(folder.path()).unwrap_err().to_string().starts_with("cannot read"));
}

#[test]
fn another_version_is_refused_before_anything_else() {
    let newer = |parts: &mut Parts| {
        let text = parts.metadata();
        *text = text.replace("version = 1", "version = 2") + "\nunheard_of = 1\n";
        parts.tensors.clear();
    };
    for error in [weights_error(newer), checkpoint_error(newer)] {
        assert!(error.contains("format version 2, but this program reads version 1"), "{error}");
    }
}

#[test]
fn metadata_that_contradict_are_refused() {
    let change = |from: &'static str, to: &'static str| {
        move |parts: &mut Parts| {
            let text = parts.metadata();
            assert!(text.contains(from), "{text}");
            *text = text.replacen(from, to, 1);
        }
    };
    // The first of two places with this value.
    let error = checkpoint_error(change("hidden = 16", "hidden = 24"));
    assert!(error.contains("its model does not match its configuration"), "{error}");
    let error = checkpoint_error(change("lr = 0.002", "lr = nan"));
    assert!(error.contains("lr is NaN"), "{error}");
    let error = checkpoint_error(change("batch_size", "batch_sizes"));
    assert!(error.contains("metadata cannot be read") && error.contains("batch_sizes"), "{error}");
    let error = weights_error(change("hidden = 16", "hidden = 24"));
    assert!(error.contains("classifier.0.weight is [16, 32], not [24, 32]"), "{error}");
    let error = weights_error(change("width = 0.0625", "width = 1e300"));
    assert!(error.contains("width is 1"), "{error}");
    let error = weights_error(change("mean = [0.2]", "mean = [0.2, 0.3]"));
    assert!(error.contains("1 channels, but normalisation for 2"), "{error}");
}

#[test]
fn weights_are_not_a_checkpoint() {
    let error = Checkpoint::read(&run().join("best.safetensors")).unwrap_err().to_string();
    assert!(error.contains("contains only weights") && error.contains("--weights"), "{error}");
}

/// A file that PyTorch wrote: no metadata, everything from the shapes.
#[test]
fn the_network_of_plain_files_is_inferred_from_their_shapes() {
    let (folder, mut parts) = (tempdir().unwrap(), Parts::of("best.safetensors"));
    parts.metadata = None;
    let path = parts.write(folder.path());
    let weights = Weights::read(&path, None).unwrap();
    let vgg = &weights.network.config;
    assert_eq!((vgg.image_size, vgg.channels, vgg.classes, vgg.hidden), ([28, 28], 1, 4, Some(16)));
    assert_eq!(
        (vgg.width, vgg.semantics, vgg.pool_stride),
        (0.0625, Semantics::Pytorch, PoolStride::Adaptive)
    );
    assert_eq!(weights.info.mean, [0.1307]);
    assert!(Weights::read(&path, Some([32, 32])).is_ok(), "32 px end in one pixel, too");
    let error = Weights::read(&path, Some([64, 64])).unwrap_err().to_string();
    assert!(error.contains("classifier.0.weight is [16, 32], not [16, 128]"), "{error}");

    let error = weights_error(|parts| {
        parts.metadata = None;
        parts.tensors.remove("features.40.weight");
    });
    assert!(error.contains("there is no features.40.weight"), "{error}");
}

/// No parameter reveals the activation: the metadata record it, and older files without it have ReLU.
#[test]
fn files_record_their_activation() {
    let folder = tempdir().unwrap();
    let (activation, negative_slope) = (ActivationKind::LeakyRelu, 0.25);
    finish(&mut start(&TrainConfig { steps: Some(1), activation, negative_slope, ..config(folder.path()) }));
    let weights = Weights::read(&folder.path().join("best.safetensors"), None).unwrap();
    assert_eq!(weights.network.activation(), Activation::LeakyRelu { negative_slope: 0.25 });

    // A run from these weights with another activation would not be a run from these weights.
    let path = folder.path().join("best.safetensors");
    assert!(Pretrained::read(&path, &weights.network).is_ok());
    for (kind, slope) in [(ActivationKind::Relu, 0.25), (ActivationKind::LeakyRelu, 0.5)] {
        let vgg = VggConfig { activation: kind, negative_slope: slope, ..weights.network.config.clone() };
        let error = Pretrained::read(&path, &vgg.network().unwrap()).unwrap_err().to_string();
        let says = "was trained with leaky ReLU, slope 0.25, but this run has";
        let way = "give --activation leaky_relu --negative-slope 0.25";
        assert!(error.contains(says) && error.ends_with(way), "{error}");
    }

    let (folder, mut parts) = (tempdir().unwrap(), Parts::of("best.safetensors"));
    let metadata = parts.metadata();
    let old = |line: &&str| !line.starts_with("activation") && !line.starts_with("negative_slope");
    let lines: Vec<&str> = metadata.lines().collect();
    let without: Vec<&str> = lines.iter().copied().filter(old).collect();
    assert_eq!(without.len(), lines.len() - 2);
    *metadata = without.join("\n");
    let weights = Weights::read(&parts.write(folder.path()), None).unwrap();
    assert!(matches!(weights.network.activation(), Activation::Relu { .. }));
}

/// Names and shapes are the same for all norms of an image or a pixel: the metadata record which it was.
#[test]
fn files_record_their_norm() {
    let folder = tempdir().unwrap();
    let norm = Some(Norm::Group(2));
    finish(&mut start(&TrainConfig { steps: Some(1), norm, ..config(folder.path()) }));
    let path = folder.path().join("best.safetensors");
    let weights = Weights::read(&path, None).unwrap();
    assert_eq!(weights.network.config.norm(), Norm::Group(2));
    assert!(weights.network.config.to_string().ends_with("with group norm, 2 groups"));
    assert!(Pretrained::read(&path, &weights.network).is_ok());
    for other in [Norm::Batch, Norm::Layer, Norm::Group(4), Norm::Layer2d, Norm::None] {
        let vgg = VggConfig { norm: Some(other), ..weights.network.config.clone() };
        let network = vgg.network().unwrap();
        let error = Pretrained::read(&path, &network).unwrap_err().to_string();
        let says = format!("was trained with norm group:2, but this run has {other}; give --norm group:2");
        assert!(error.ends_with(&says), "{error}");
        let error = weights.fits(&network).unwrap_err().to_string();
        assert!(error.contains("give the --model and --norm that it was trained with"), "{error}");
    }

    // Without the metadata nothing says it, but a run may start from the tensors.
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let bare = folder.path().join("bare.safetensors");
    fs::write(&bare, safetensors::serialize(tensors.tensors(), None).unwrap()).unwrap();
    let error = Weights::read(&bare, None).unwrap_err().to_string();
    assert!(error.contains("no running statistics") && error.contains("--norm layer, group:G"), "{error}");
    assert!(Pretrained::read(&bare, &weights.network).is_ok());

    // There are no batch norms to fold.
    let name = path.to_str().unwrap();
    let line = ["export", "--weights", name, "--format", "onnx", "--fold-batch-norm", "--output", "a.onnx"];
    fail(folder.path(), &line, 2, &["has nothing to fold", "group norm, 2 groups"]);
    assert!(!folder.path().join("a.onnx").exists());
}

/// A file of the shapes of [`runs`] is loaded by PyTorch, strictly, and has the same outputs there.
#[test]
fn pytorch_loads_the_weights() {
    if std::env::var_os("VGG_TEST_PYTHON").is_none() {
        eprintln!("not run: set VGG_TEST_PYTHON=1 where python3 has torch, torchvision and safetensors");
        return;
    }
    let folder = tempdir().unwrap();
    let path = run().join("best.safetensors");
    let weights = Weights::read(&path, None).unwrap();
    let config = config(run());
    let data = runs::data();
    let mut session = runs::session(&config, &data, |executor, _| executor);
    session.load(&weights).unwrap();
    let bytes: Vec<u8> = (0..12).flat_map(|index| data.test.image(index).unwrap()).collect();
    let probs: Vec<f32> = session.predict(&bytes).unwrap().concat();
    // The images have the network's size, so preparing them is normalisation alone.
    let images: Vec<f32> = bytes.iter().map(|&byte| (f32::from(byte) / 255.0 - 0.2) / 0.25).collect();
    let files = [("images.bin", &images), ("probs.bin", &probs)].map(|(name, values)| {
        let path = folder.path().join(name);
        fs::write(&path, bytemuck::cast_slice(values)).unwrap();
        path
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/load_state_dict.py");
    let status = Command::new("python3").arg(script).arg(path).args(files).status().unwrap();
    assert!(status.success());
}

/// Best weights without a checkpoint: a new run replaces the remains of one that was stopped before its first checkpoint, but not a
/// result.
#[test]
fn best_weights_without_a_checkpoint_are_kept_if_they_are_a_result() {
    let folder = tempdir().unwrap();
    let one = |folder: &Path| TrainConfig { steps: Some(1), ..config(folder) };
    finish(&mut start(&one(folder.path())));
    let [best, metrics] = ["best.safetensors", "metrics.csv"].map(|name| folder.path().join(name));
    let weights = fs::read(&best).unwrap();
    fs::remove_file(folder.path().join("checkpoint.safetensors")).unwrap();
    let kept = |why: &str| {
        let error = RunDirectory::create(&one(folder.path())).unwrap_err();
        assert!(matches!(error, RunError::Results { .. }), "{why}: {error}");
        assert!(error.to_string().contains("best.safetensors"), "{error}");
        let error = resume(folder.path(), "").err().unwrap().to_string();
        assert!(error.contains("no checkpoint to resume"), "{why}: {error}");
        assert!(
            error.contains("vgg train --weights") && error.contains("best.safetensors"),
            "{why}: {error}"
        );
        assert!(fs::read(&best).unwrap() == weights, "{why}");
    };
    kept("with metrics");
    fs::rename(folder.path().join("config.toml"), folder.path().join("config")).unwrap();
    kept("without a configuration");
    fs::remove_file(&metrics).unwrap();
    kept("weights alone");
    fs::rename(folder.path().join("config"), folder.path().join("config.toml")).unwrap();
    let error = resume(folder.path(), "").err().unwrap().to_string();
    assert!(error.contains("stopped before its first; start it again: vgg train --recipe"), "{error}");
    let directory = RunDirectory::create(&one(folder.path())).unwrap();
    assert!(!best.exists(), "another run's weights");
    drop(directory);
    // The command in the error, as calls of the library.
    let recipe = TrainConfig::recipe(folder.path().join("config.toml").to_str().unwrap()).unwrap();
    assert_eq!(recipe, one(folder.path()));
}

/// A directory has the checkpoint's name: the run ends with an error that names it, and leaves no temporary files.
#[test]
fn a_checkpoint_that_cannot_be_written_is_named() {
    let folder = tempdir().unwrap();
    let mut trainer = start(&TrainConfig { steps: Some(1), ..config(folder.path()) });
    fs::create_dir_all(folder.path().join("checkpoint.safetensors/in the way")).unwrap();
    let error = trainer.run(&AtomicBool::new(false), &mut |_: &Event<'_>| {}).unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.contains("checkpoint.safetensors"), "{error}");
    assert!(names(folder.path()).iter().all(|name| !name.ends_with(".tmp")));
}
