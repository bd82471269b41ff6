//! Pruning: smaller networks that compute the same where they can, and say where they cannot.

use std::{fs, path::Path, process::Command};

use half::f16;
use safetensors::{Dtype, SafeTensors};
use tempfile::tempdir;
use vgg_wgpu::{
    data::mnist,
    device::Device,
    model::{LayerKind, Network, NormParameters, WeightBias},
    weights::{Criterion, PruneError, Pruned, Pruning, Removed, Target, Weights, prune, write_pruned},
};

use crate::support::command::{fail, succeed, text};

/// The weights inside the program with some values of tensors replaced: those of every eighth channel.
fn with_every_eighth(folder: &Path, changes: &[(String, f32)]) -> Weights {
    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/weights/quick.safetensors");
    let mut bytes = fs::read(original).unwrap();
    for (name, value) in changes {
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor(name).unwrap();
        let (rows, data, dtype) = (tensor.shape()[0], tensor.data(), tensor.dtype());
        let (start, row) = (data.as_ptr() as usize - bytes.as_ptr() as usize, data.len() / rows);
        let value = match dtype {
            Dtype::F16 => f16::from_f32(*value).to_le_bytes().to_vec(),
            dtype => {
                assert_eq!(dtype, Dtype::F32);
                value.to_le_bytes().to_vec()
            }
        };
        for at in (1..rows).step_by(8) {
            bytes[start + at * row..][..row].copy_from_slice(&value.repeat(row / value.len()));
        }
    }
    let path = folder.join("changed.safetensors");
    fs::write(&path, bytes).unwrap();
    Weights::read(&path, None).unwrap()
}

/// Changes after which every eighth channel is 0 after its activation, but for the convolution `but`, where it is `value`.
fn silenced(network: &Network, but: &str, value: f32) -> Vec<(String, f32)> {
    let mut changes = Vec::new();
    let mut set = |parameter: usize, value| changes.push((network.parameters[parameter].name.clone(), value));
    for layer in &network.layers[..network.layers.len() - 1] {
        match layer.kind {
            LayerKind::BatchNorm(NormParameters { gamma, beta, .. }) => {
                set(gamma, 0.0);
                set(beta, if layer.name == but { value } else { -0.5 });
            }
            LayerKind::Linear(WeightBias { weight, bias }) => {
                set(weight, 0.0);
                set(bias, -0.5);
            }
            _ => {}
        }
    }
    changes
}

fn share(criterion: Criterion, amount: f64) -> Pruning {
    Pruning { criterion, target: Target::Amount(amount), global: false, round_to: 1 }
}

/// The probabilities of both networks for test images, `[2][image][class]`.
fn probabilities(folder: &Path, weights: &Weights, pruned: &Pruned) -> [Vec<Vec<f32>>; 2] {
    let path = folder.join("pruned.safetensors");
    write_pruned(&path, pruned).unwrap();
    let read = Weights::read(&path, None).unwrap();
    assert_eq!(read.network, pruned.network);
    let test = mnist::builtin().unwrap().test;
    let images: Vec<u8> = (0..8).flat_map(|index| test.image(index).unwrap()).collect();
    [weights, &read]
        .map(|weights| Device::find("cpu").unwrap().evaluation(weights, 8).unwrap().predict(&images).unwrap())
}

fn largest_difference([a, b]: &[Vec<Vec<f32>>; 2]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp).unwrap()
}

/// f32 sums of the same terms in another order: logits of about 10 differ by a few of their roundings, 1e-6, in each of 16 layers.
const ROUNDING: f32 = 2e-5;

#[test]
fn channels_that_are_always_zero_are_removed_exactly() {
    let folder = tempdir().unwrap();
    let network = Weights::builtin().unwrap().network;
    let weights = with_every_eighth(folder.path(), &silenced(&network, "", 0.0));
    let pruned = prune(&weights, &share(Criterion::Gamma, 0.125)).unwrap();
    assert_eq!(pruned.removed, Removed { zero: 260, ..Removed::default() });
    let both = probabilities(folder.path(), &weights, &pruned);
    assert!(largest_difference(&both) <= ROUNDING, "{both:?}");
    // The images are told apart, so that equal outputs mean something.
    assert!(largest_difference(&[both[0][..7].to_vec(), both[0][1..].to_vec()]) > 0.1, "{both:?}");
}

#[test]
fn constants_are_folded_into_the_next_bias() {
    let folder = tempdir().unwrap();
    let network = Weights::builtin().unwrap().network;
    // Before the first linear layer a constant is one at every pixel that the layer sees.
    let weights = with_every_eighth(folder.path(), &silenced(&network, "bn5_3", 2.0));
    let pruned = prune(&weights, &share(Criterion::Gamma, 0.125)).unwrap();
    assert_eq!(pruned.removed, Removed { zero: 260 - 16, constant: 16, ..Removed::default() });
    assert!(largest_difference(&probabilities(folder.path(), &weights, &pruned)) <= ROUNDING);
    // Before a convolution it is not: the padding is 0.
    let weights = with_every_eighth(folder.path(), &silenced(&network, "bn2_1", 2.0));
    let pruned = prune(&weights, &share(Criterion::Gamma, 0.125)).unwrap();
    let expected = Removed { zero: 260 - 4, constant_but_at_borders: 4, ..Removed::default() };
    assert_eq!(pruned.removed, expected);
    assert!(largest_difference(&probabilities(folder.path(), &weights, &pruned)) > ROUNDING);
}

#[test]
fn channels_are_chosen_by_their_score() {
    let weights = Weights::builtin().unwrap();
    let random = |seed| prune(&weights, &share(Criterion::Random { seed }, 0.5)).unwrap();
    let l1 = prune(&weights, &share(Criterion::L1, 0.5)).unwrap();
    assert_eq!(l1.network, random(1).network);
    assert_eq!(l1.removed.used, 1040);
    // The first convolution keeps the half of its 16 filters with the largest sums.
    let filters = weights.values(0);
    let mut filters: Vec<&[f32]> = filters.chunks_exact(9).collect();
    let sum = |filter: &[f32]| filter.iter().map(|w| f64::from(w.abs())).sum::<f64>();
    let mut sums: Vec<f64> = filters.iter().map(|filter| sum(filter)).collect();
    sums.sort_by(f64::total_cmp);
    filters.retain(|filter| sum(filter) >= sums[8]);
    let folder = tempdir().unwrap();
    let path = folder.path().join("l1.safetensors");
    write_pruned(&path, &l1).unwrap();
    assert_eq!(Weights::read(&path, None).unwrap().values(0), filters.concat());
    let [_, one] = probabilities(folder.path(), &weights, &random(1));
    let [_, again] = probabilities(folder.path(), &weights, &random(1));
    let [_, other] = probabilities(folder.path(), &weights, &random(2));
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[test]
fn targets_are_met_and_impossible_ones_refused() {
    let weights = Weights::builtin().unwrap();
    let all = weights.network.values() as u64;
    let to = |multiply_adds: Option<u64>, parameters: Option<u64>, global, round_to| {
        let target = Target::AtMost { multiply_adds, parameters };
        prune(&weights, &Pruning { criterion: Criterion::L1, target, global, round_to })
    };
    for global in [false, true] {
        for round_to in [1, 8] {
            let network = to(None, Some(all / 2), global, round_to).unwrap().network;
            let left = network.values() as u64;
            assert!(left <= all / 2 && left > all * 2 / 5, "{left} of {all}");
            assert!(network.config.blocks().iter().flatten().all(|channels| channels % round_to == 0));
        }
    }
    let both = to(Some(7_000_000), Some(300_000), true, 8).unwrap().network;
    assert!(both.multiply_adds() <= 7_000_000 && both.values() <= 300_000);
    let error = to(Some(1000), None, false, 8).unwrap_err();
    assert!(matches!(error, PruneError::Unreachable { target: 1000, .. }), "{error}");
    let error = to(Some(weights.network.multiply_adds()), None, false, 8).unwrap_err();
    assert!(matches!(error, PruneError::Nothing { .. }), "{error}");
    let amount =
        |amount| Pruning { target: Target::Amount(amount), round_to: 8, ..share(Criterion::L1, 0.5) };
    let error = prune(&weights, &amount(0.9)).unwrap_err();
    assert!(matches!(error, PruneError::Empty { .. }), "{error}");
}

/// Every command takes the smaller network; PyTorch loads it with the printed lines.
#[test]
fn the_whole_way_of_a_pruned_network() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let prune = ["prune", "--device", "cpu", "--amount", "0.75", "-o", "small.safetensors"];
    let said = text(&succeed(path, &prune).stdout);
    for expected in
        ["conv1_1     16 -> 8", "fc1      512 -> 128", "accuracy ", "depending on the image, lost"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    fail(path, &prune, 1, &["small.safetensors already exists", "--output"]);
    let (_, flags) = said.split_once("vgg train ").unwrap();
    let flags: Vec<&str> = flags.lines().next().unwrap().split(' ').collect();
    succeed(path, &["eval", "--device", "cpu", "--weights", "small.safetensors"]);
    let export = ["export", "--weights", "small.safetensors", "--format", "onnx", "-o", "small.onnx"];
    succeed(path, &export);
    let own = &flags[2..];
    let summary = [&["summary", "--recipe", "quick"], own].concat();
    assert!(text(&succeed(path, &summary).stdout).contains("VGG16 with batch norm and its own widths"));
    assert!(!text(&succeed(path, &summary).stdout).contains("The paper says"));
    fail(path, &["prune", "--seed", "1", "-o", "x.safetensors"], 2, &["--seed 1", "--method random"]);
    let train = ["train", "--device", "cpu", "--recipe", "quick", "--steps", "2", "--epochs", "1"];
    let train = [&train[..], &["--batch-size", "4", "--output-dir", "run"], flags.as_slice()].concat();
    succeed(path, &train);
    succeed(path, &["eval", "--device", "cpu", "--weights", "run/best.safetensors"]);
    // From scratch: the same run as one that never heard of the file.
    let plain = &train[..train.len() - flags.len() - 2];
    let begin = |dir, more: &[&str]| succeed(path, &[plain, &["--output-dir", dir], own, more].concat());
    begin("random", &[]);
    let said = text(&begin("scratch", &["--weights", "small.safetensors", "--from-scratch"]).stderr);
    assert!(said.contains("random, in the shape of small.safetensors"), "{said}");
    let tensors = |dir: &str| {
        let file = fs::read(path.join(dir).join("best.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap();
        ["features.0.weight", "classifier.6.weight"].map(|name| tensors.tensor(name).unwrap().data().to_vec())
    };
    assert_eq!(tensors("scratch"), tensors("random"));
    assert_ne!(tensors("scratch"), tensors("run"));
    fail(path, &[plain, &["--from-scratch"]].concat(), 2, &["from_scratch", "--weights FILE"]);
    // Without the widths, the error gives them.
    let plain = ["train", "--device", "cpu", "--recipe", "quick", "--output-dir", "other"];
    let plain = [&plain[..], &["--weights", "small.safetensors", "--hidden", "128"]].concat();
    fail(
        path,
        &plain,
        1,
        &["its own widths", "--widths 8,8,M,8,8,M,16,16,16,M,32,32,32,M,32,32,32,M --hidden 128"],
    );
    for (wrong, says) in [("8,x,M", "64,64,M"), ("8,16", "M for each pooling layer"), ("0,M", "1 to 8192")] {
        fail(path, &["summary", "--recipe", "quick", "--widths", wrong], 2, &["widths", wrong, says]);
    }
    if std::env::var_os("VGG_TEST_PYTHON").is_some() {
        let (_, lines) = said.split_once("In PyTorch:\n").unwrap();
        let lines: Vec<&str> = lines.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        let status = Command::new("python3").arg("-c").arg(lines.join("\n")).current_dir(path).status();
        assert!(status.unwrap().success());
    }
}
