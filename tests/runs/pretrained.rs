//! Weights from elsewhere: torchvision's and timm's names and shapes, fine-tuning, frozen layers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};
use tempfile::tempdir;
use vgg_wgpu::{
    data::Normalization,
    model::{Architecture, Freeze, Network, PoolStride, VggConfig},
    train::{NormalizeBy, RunDirectory, TrainConfig, Trainer},
    weights::{Pretrained, Weights},
};

use crate::support::{
    command::{run, succeed, text, words},
    runs, synthetic,
};

/// A file's tensors.
#[derive(Clone)]
pub(super) struct Tensors(pub(super) BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    /// The first values of a network's parameters, as PyTorch would save them.
    pub(super) fn of(network: &Network) -> Self {
        let tensors = network.parameters.iter().enumerate().map(|(index, p)| {
            let bytes = bytemuck::cast_slice(&p.initial(5, index)).to_vec();
            (p.name.clone(), (Dtype::F32, p.shape.dims().to_vec(), bytes))
        });
        Self(tensors.collect())
    }

    pub(super) fn write(&self, folder: &Path) -> PathBuf {
        let views = self.0.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let path = folder.join("foreign.safetensors");
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        path
    }

    /// The same under timm's names and in timm's shapes.
    pub(super) fn timm(mut self) -> Self {
        for (torchvision, timm) in [("0", "pre_logits.fc1"), ("3", "pre_logits.fc2"), ("6", "head.fc")] {
            for field in ["weight", "bias"] {
                let (dtype, mut shape, bytes) =
                    self.0.remove(&format!("classifier.{torchvision}.{field}")).unwrap();
                if field == "weight" && timm != "head.fc" {
                    let side = if torchvision == "0" { 7 } else { 1 };
                    shape = vec![shape[0], shape[1] / side / side, side, side];
                }
                self.0.insert(format!("{timm}.{field}"), (dtype, shape, bytes));
            }
        }
        self
    }
}

/// torchvision's, a sixteenth wide.
fn torchvision(model: Architecture) -> VggConfig {
    VggConfig { width: 0.0625, hidden: Some(16), classes: 7, ..VggConfig::torchvision(model) }
}

/// A configuration whose network takes the weights of [`torchvision`] for the test's images of one channel.
fn fine_tuning(folder: &Path) -> TrainConfig {
    TrainConfig {
        model: Architecture::Vgg11,
        image_size: 32,
        avgpool: 7,
        pool_stride: PoolStride::Fixed,
        semantics: vgg_wgpu::model::Semantics::Pytorch,
        ..runs::config(folder)
    }
}

#[test]
fn the_names_identify_the_network_of_the_family() {
    let folder = tempdir().unwrap();
    for model in Architecture::all() {
        let network = torchvision(model).network().unwrap();
        let tensors = Tensors::of(&network);
        for tensors in [tensors.clone(), tensors.timm()] {
            let weights = Weights::read(&tensors.write(folder.path()), None).unwrap();
            assert_eq!(weights.network.config, network.config);
            assert_eq!(weights.info.mean, [0.485, 0.456, 0.406]);
            for (index, parameter) in network.parameters.iter().enumerate() {
                assert_eq!(weights.values(index), parameter.initial(5, index), "{}", parameter.name);
            }
        }
    }
    // Adaptive average pooling takes any size.
    let path = Tensors::of(&torchvision(Architecture::Vgg13).network().unwrap()).write(folder.path());
    assert_eq!(Weights::read(&path, Some([64, 40])).unwrap().network.config.image_size, [64, 40]);
}

#[test]
fn a_file_with_gaps_is_compared_with_the_nearest_of_the_family() {
    let folder = tempdir().unwrap();
    let mut tensors = Tensors::of(&torchvision(Architecture::Vgg13Bn).network().unwrap());
    for gone in ["features.3.bias", "features.8.running_mean", "classifier.3.bias"] {
        tensors.0.remove(gone).unwrap();
    }
    tensors.0.insert("extra".to_owned(), (Dtype::I64, vec![], vec![0; 8]));
    let error = Weights::read(&tensors.write(folder.path()), None).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().map(str::trim).collect();
    assert!(lines[0].contains("does not fit VGG13 with batch norm at 224x224 px"), "{error}");
    let expected = [
        "missing: features.3.bias [8]",
        "missing: features.8.running_mean [8]",
        "missing: classifier.3.bias [16]",
        "extra: extra",
    ];
    assert_eq!(lines[1..], expected, "{error}");
}

#[test]
fn smaller_floats_are_widened() {
    let folder = tempdir().unwrap();
    let network = torchvision(Architecture::Vgg11).network().unwrap();
    type Narrow = fn(f32) -> ([u8; 2], f32);
    let kinds: [(Dtype, Narrow); 2] = [
        (Dtype::F16, |v| (f16::from_f32(v).to_le_bytes(), f16::from_f32(v).to_f32())),
        (Dtype::BF16, |v| (bf16::from_f32(v).to_le_bytes(), bf16::from_f32(v).to_f32())),
    ];
    for (dtype, narrow) in kinds {
        let mut tensors = Tensors::of(&network);
        let values = network.parameters[0].initial(5, 0);
        let entry = tensors.0.get_mut("features.0.weight").unwrap();
        (entry.0, entry.2) = (dtype, values.iter().flat_map(|&v| narrow(v).0).collect());
        let weights = Weights::read(&tensors.write(folder.path()), None).unwrap();
        let expected: Vec<f32> = values.iter().map(|&v| narrow(v).1).collect();
        assert_eq!(weights.values(0), expected);

        tensors.0.get_mut("features.0.weight").unwrap().2[..2].copy_from_slice(&narrow(f32::INFINITY).0);
        let error = Weights::read(&tensors.write(folder.path()), None).unwrap_err().to_string();
        assert!(error.contains("features.0.weight is inf at element 0"), "{error}");
    }
}

/// A trainer that starts from the weights of a file.
fn begin(config: &TrainConfig, pretrained: &Path) -> (Trainer, Vec<String>) {
    let data = runs::data();
    let session = runs::session(config, &data, |executor, _| executor);
    let pretrained = Pretrained::read(pretrained, session.network()).unwrap();
    let directory = RunDirectory::create(config).unwrap();
    let mut trainer = Trainer::new(session, config.clone(), &data, directory).unwrap();
    trainer.begin_with(&pretrained).unwrap();
    (trainer, pretrained.notes)
}

#[test]
fn colours_are_summed_and_other_classes_are_reinitialised() {
    let folder = tempdir().unwrap();
    let network = torchvision(Architecture::Vgg11).network().unwrap();
    let path = Tensors::of(&network).timm().write(folder.path());
    let config = fine_tuning(&folder.path().join("run"));
    let (mut trainer, notes) = begin(&config, &path);
    assert_eq!(
        notes,
        [
            "the file's first convolution is summed over its 3 channels",
            "the last layer is reinitialised: the file has 7 classes, the data have 4"
        ]
    );
    let own = trainer.session().network().clone();
    let head = own.parameters.len() - 2;
    for (index, parameter) in own.parameters.iter().enumerate() {
        let file = network.parameters[index].initial(5, index);
        let expected = match index {
            0 => {
                let kernels = file.chunks_exact(27);
                kernels.flat_map(|k| (0..9).map(|i| k[i] + k[i + 9] + k[i + 18])).collect()
            }
            index if index >= head => parameter.initial(config.seed, index),
            _ => file,
        };
        assert_eq!(trainer.session().values(index).unwrap(), expected, "{}", parameter.name);
    }
}

/// The file's own; ImageNet's if it has none, averaged like its first convolution for grey images.
#[test]
fn a_run_uses_the_normalisation_of_its_weights() {
    let folder = tempdir().unwrap();
    let path = Tensors::of(&torchvision(Architecture::Vgg11).network().unwrap()).write(folder.path());
    let [grey, colour] = [1, 3].map(|channels| {
        let network = fine_tuning(folder.path()).vgg(channels, 4).network().unwrap();
        Pretrained::read(&path, &network).unwrap().normalization
    });
    assert_eq!(colour, Normalization::usual(3));
    assert_eq!(colour.mean, [0.485, 0.456, 0.406]);
    for (found, expected) in [(grey.mean[0], 0.449), (grey.std[0], 0.226)] {
        assert!((found - expected).abs() < 1e-6, "{found}");
    }

    let config = TrainConfig { steps: Some(1), ..runs::config(&folder.path().join("run")) };
    let mut trainer = runs::start(&config);
    runs::finish(&mut trainer);
    let best = folder.path().join("run/best.safetensors");
    let read = Pretrained::read(&best, trainer.session().network()).unwrap().normalization;
    assert_eq!(&read, runs::data().train.normalization());

    let data = runs::data();
    let own = data.train.normalization().clone();
    let fine = TrainConfig { weights: Some("a file".to_owned()), ..config.clone() };
    let by_data = TrainConfig { normalize_by: NormalizeBy::Data, ..fine.clone() };
    for (config, expected) in [(config, &own), (fine, &grey), (by_data, &own)] {
        let normalized = config.normalized(data.clone(), &grey);
        for set in [&normalized.train, &normalized.test] {
            assert_eq!(set.normalization(), expected);
        }
    }
}

/// A run that hardly trains has the same test loss as `vgg eval` of its initial weights: the frozen backbone gets inputs normalised
/// as in its training, also in evaluations of the run's own weights and in a resumed run.
#[test]
fn fine_tuning_and_evaluation_normalise_alike() {
    let dir = tempdir().unwrap();
    let vgg = |arguments: &str| {
        let output = succeed(dir.path(), &[&words(arguments)[..], &["--device", "cpu"]].concat());
        (text(&output.stdout), text(&output.stderr))
    };
    let classes = ["a", "b", "c", "d", "e", "f", "g"];
    synthetic::folder(&dir.path().join("pets"), &classes, [4, 2], [40, 40], "png");
    // Weights large enough for the inputs to affect the answers.
    let network = torchvision(Architecture::Vgg11Bn).network().unwrap();
    let mut tensors = Tensors::of(&network);
    let (_, _, head) = tensors.0.get_mut("classifier.6.weight").unwrap();
    let larger: Vec<f32> =
        head.chunks_exact(4).map(|v| 1e5 * f32::from_le_bytes(v.try_into().unwrap())).collect();
    *head = bytemuck::cast_slice(&larger).to_vec();
    tensors.write(dir.path());
    let loss_of = |weights: &str| {
        let (json, _) = vgg(&format!("eval --data folder:pets --json {weights}"));
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["loss"].as_f64().unwrap()
    };
    let file = loss_of("--weights foreign.safetensors --image-size 32");
    let train = "train --recipe quick --model vgg11_bn --width 0.0625 --hidden 16 --image-size 32 --avgpool 7 \
                 --pool-stride fixed --data folder:pets --weights foreign.safetensors --freeze features --lr 1e-12 \
                 --batch-size 7 --dropout 0";
    let row = |run: &str| {
        let csv = fs::read_to_string(dir.path().join(run).join("metrics.csv")).unwrap();
        let mut lines = csv.lines().map(|line| line.split(','));
        let index = lines.next().unwrap().position(|head| head == "test_loss").unwrap();
        lines.next_back().unwrap().nth(index).unwrap().parse::<f64>().unwrap()
    };
    let info = |run: &str| Weights::read(&dir.path().join(run).join("best.safetensors"), None).unwrap().info;
    let (_, said) = vgg(&format!("{train} --steps 2 --output-dir run"));
    assert!(said.contains("mean [0.485, 0.456, 0.406], deviation [0.229, 0.224, 0.225]"), "{said}");
    assert!(said.contains("--normalize-by data"), "{said}");
    // The means of fourteen losses, in batches of seven and of fourteen.
    let alike = |a: f64, b: f64| (a - b).abs() <= 1e-5 * a.max(1.0);
    assert!(alike(row("run"), file), "{} {file}", row("run"));
    assert_eq!(info("run").normalization(), Normalization::usual(3));
    assert!(alike(loss_of("--weights run/best.safetensors"), file));
    // A resumed run needs no file: its checkpoint has the normalisation.
    fs::rename(dir.path().join("foreign.safetensors"), dir.path().join("moved.safetensors")).unwrap();
    vgg("train --resume run --steps 4");
    assert!(alike(row("run"), file));
    fs::rename(dir.path().join("moved.safetensors"), dir.path().join("foreign.safetensors")).unwrap();

    let (_, said) = vgg(&format!("{train} --steps 2 --output-dir own --normalize-by data"));
    assert!(!said.contains("deviation"), "{said}");
    assert!((row("own") - file).abs() > 1e-3, "the inputs do not affect the loss: {} {file}", row("own"));
    assert_ne!(info("own").normalization(), Normalization::usual(3));
    assert!(alike(loss_of("--weights own/best.safetensors"), row("own")));
    vgg("train --resume own --steps 4");
    assert!(alike(row("own"), loss_of("--weights own/best.safetensors")));
}

#[test]
fn a_file_that_does_not_fit_the_training_is_refused_with_every_difference() {
    let folder = tempdir().unwrap();
    let network = fine_tuning(folder.path()).vgg(1, 4).network().unwrap();
    let mut tensors = Tensors::of(&torchvision(Architecture::Vgg11).network().unwrap());
    tensors.0.remove("features.3.bias").unwrap();
    let wide = (Dtype::F32, vec![24, 32 * 49], vec![0; 4 * 24 * 32 * 49]);
    tensors.0.insert("classifier.0.weight".to_owned(), wide);
    tensors.0.insert("features.99.weight".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
    let error = Pretrained::read(&tensors.write(folder.path()), &network).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().map(str::trim).collect();
    assert!(lines[0].contains("does not fit the VGG11 without batch norm to be trained"), "{error}");
    let expected = [
        "missing: features.3.bias [8]",
        "wrong shape: classifier.0.weight is [24, 1568], not [16, 1568]",
        "extra: features.99.weight",
    ];
    assert_eq!(lines[1..], expected, "{error}");
}

/// Features stay bit for bit, running statistics included; the classifier learns; a resumed run is the same.
#[test]
fn frozen_features_stay_through_a_run_and_its_resumption() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = Architecture::Vgg11Bn;
    let path = Tensors::of(&torchvision(model).network().unwrap()).write(folder.path());
    let config = |name: &str| TrainConfig {
        model,
        weights: Some(path.to_str().unwrap().to_owned()),
        freeze: Freeze::Features,
        epochs: 1,
        ..fine_tuning(&at(name))
    };
    let (mut whole, _) = begin(&config("whole"), &path);
    let network = whole.session().network().clone();
    let before: Vec<Vec<f32>> =
        (0..network.parameters.len()).map(|i| whole.session().values(i).unwrap()).collect();
    // The test's weights are too small to learn much: only which of them change matters.
    runs::finish(&mut whole);
    for (index, parameter) in network.parameters.iter().enumerate() {
        let same = whole.session().values(index).unwrap() == before[index];
        assert_eq!(same, parameter.name.starts_with("features"), "{}", parameter.name);
    }

    let (mut first, _) = begin(&config("parts"), &path);
    runs::interrupt(
        &mut first,
        |event| matches!(event, vgg_wgpu::train::Event::Step(step) if step.step == 9),
    );
    drop(first);
    runs::finish(&mut runs::resume(&at("parts"), "").unwrap());
    runs::assert_same_run(&at("whole"), &at("parts"));
    let names = runs::tensors(&at("whole").join("checkpoint.safetensors"));
    assert!(
        names.keys().all(|name| !name.starts_with("optimizer.m.features")),
        "frozen parameters need no optimiser state"
    );
}

#[test]
fn the_command_line_refuses_before_it_writes() {
    let folder = tempdir().unwrap();
    let network = VggConfig { image_size: [32, 32], ..torchvision(Architecture::Vgg11) }.network().unwrap();
    let mut tensors = Tensors::of(&network);
    tensors.0.remove("features.0.bias").unwrap();
    tensors.write(folder.path());
    let train = |flags: &str| {
        let always = words("train --recipe quick --device cpu --output-dir run");
        let output = run(folder.path(), &[always, words(flags)].concat());
        (output.status.code(), text(&output.stderr))
    };
    let network = "--model vgg11 --width 0.0625 --hidden 16 --avgpool 7";
    for (flags, code, says) in [
        ("--freeze features", 2, "without weights they would stay random"),
        ("--normalize-by data", 2, "the run begins with no weights: give --weights FILE"),
        ("--weights foreign.safetensors", 1, "missing: features.0.bias [16]"),
        (&format!("--weights foreign.safetensors {network}"), 1, "missing: features.0.bias [8]"),
        ("--weights absent.safetensors", 1, "cannot read absent.safetensors"),
        ("--pool-stride fixed", 2, "the smallest side that works with a pooling stride that is always 2"),
        ("--model vgg17", 2, "vgg11_bn"),
    ] {
        let (found, stderr) = train(flags);
        assert_eq!(found, Some(code), "{flags}: {stderr}");
        assert!(stderr.contains(says) && !stderr.contains("panicked"), "{flags}: {stderr}");
    }
    assert!(!folder.path().join("run").exists(), "nothing is written");
    let path = Tensors::of(&torchvision(Architecture::Vgg11).network().unwrap()).write(folder.path());
    assert!(path.exists());
    let (code, stderr) =
        train(&format!("--weights foreign.safetensors --freeze features --steps 2 {network}"));
    assert_eq!(code, Some(0), "{stderr}");
    for line in [
        "summed over its 3 channels",
        "the last layer is reinitialised: the file has 7 classes, the data have 10",
    ] {
        assert!(stderr.contains(line), "{stderr}");
    }
    assert!(stderr.contains("parameters are trained, the others are frozen"), "{stderr}");
}

/// A thousand classes without names are ImageNet's, in predictions and, for folders named by WordNet's identifiers, in evaluations.
#[test]
fn a_thousand_classes_have_imagenets_names() {
    let folder = tempdir().unwrap();
    let classes = |classes| {
        let config = VggConfig { classes, ..torchvision(Architecture::Vgg11) };
        let path = Tensors::of(&config.network().unwrap()).write(folder.path());
        Weights::read(&path, None).unwrap().info.class_names
    };
    assert_eq!(classes(999)[207], "207");
    let names = classes(1000);
    assert_eq!((&*names[0], &*names[207], &*names[999]), ("tench", "golden retriever", "toilet tissue"));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 1000);
    let identifiers: Vec<String> = (0..1000).map(|class| format!("n{:08}", 1_440_000 + class)).collect();
    let identifiers: Vec<&str> = identifiers.iter().map(String::as_str).collect();
    synthetic::folder(&folder.path().join("pictures"), &identifiers, [1, 1], [32, 32], "png");
    let vgg = |arguments: &str| {
        let network = "--weights foreign.safetensors --image-size 32 --device cpu";
        let output = succeed(folder.path(), &words(&format!("{arguments} {network}")));
        (text(&output.stdout), text(&output.stderr))
    };
    let (said, notes) = vgg("eval --data folder:pictures");
    assert!(!said.contains("n0144") && !notes.contains("name their classes"), "{said}{notes}");
    let (_, table) = said.split_once("predicted").unwrap();
    assert!(names.iter().any(|name| table.contains(name)), "{said}");
    let (said, _) = vgg("predict --sure 0 pictures/val/n01440000");
    let answer = said.split_once(": ").and_then(|(_, rest)| rest.split_once(" (")).unwrap().0;
    assert!(names.iter().any(|name| name == answer), "{said}");
}
