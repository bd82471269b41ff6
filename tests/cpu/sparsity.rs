//! `--sparsity`: weights that become 0 and stay 0.

use std::{collections::BTreeMap, fs, path::Path};

use tempfile::tempdir;
use vgg_wgpu::{
    ops::{Adam, Control, Linear, LinearUpdate, Lion, Rule, RuleOperands, Sgd},
    train::{LrScheduler, Optimizer, SparsitySchedule, TrainConfig},
};

use crate::support::{run_op, runs};

/// Weights that are not 0 are updated as without `sparse`, to the bit, and the optimiser's state of all; the others stay 0.
#[test]
fn an_optimiser_step_leaves_zeros() {
    const LEN: usize = 37;
    let adam = Adam { weight_decay: 0.01, ..Adam::DEFAULT };
    let sgd = Sgd { len: 0, momentum: 0.9, nesterov: true, weight_decay: 0.01, scaled: false, sparse: false };
    let rules: [Rule; 5] = [
        adam.into(),
        Adam { decoupled: true, ..adam }.into(),
        sgd.into(),
        Sgd { momentum: 0.0, ..sgd }.into(),
        Lion { len: 0, beta1: 0.9, beta2: 0.99, weight_decay: 0.1, scaled: false, sparse: false }.into(),
    ];
    let wave = |from: f64| (0..LEN).map(|i| (from + 0.7 * i as f64).sin()).collect::<Vec<f64>>();
    let mut parameter = wave(0.1);
    let zeros = [1, 2, 8, 36];
    zeros.iter().for_each(|&i| parameter[i] = 0.0);
    let control = Control {
        step: 1,
        learning_rate: 0.1,
        bias_correction1: 0.1,
        bias_correction2: 0.001,
        ..Control::default()
    };
    let gradient = wave(1.0);
    let positive: Vec<f64> = wave(2.0).iter().map(|v| v * v + 0.01).collect();
    let check = |dense: &BTreeMap<&str, Vec<f64>>, sparse: &BTreeMap<&str, Vec<f64>>| {
        for (name, values) in dense {
            let mut expected = values.clone();
            if *name == "parameter" {
                assert!(zeros.iter().all(|&i| values[i] != 0.0), "the dense step moves every weight");
                zeros.iter().for_each(|&i| expected[i] = 0.0);
            }
            assert_eq!(sparse[name], expected, "{name}");
        }
    };
    for rule in rules {
        let [dense, sparse] = [false, true].map(|sparse| {
            let state = vec![(); rule.state().len()];
            let operands = RuleOperands { control: (), loss_scale: None, gradient: (), parameter: (), state };
            let (op, _) = rule.step(LEN, sparse, operands);
            let mut given: Vec<(&str, &[f64])> = vec![("gradient", &gradient), ("parameter", &parameter)];
            given.extend(rule.state().iter().map(|&name| (name, positive.as_slice())));
            run_op::<f64>(op, control, &given)
        });
        check(&dense, &sparse);
    }
    // Fused with the gradient of a linear layer: one image, one output.
    let [dense, sparse] = [false, true].map(|sparse| {
        let op = LinearUpdate { linear: Linear::whole(1, LEN, 1), adam: Adam { sparse, ..adam } };
        let given: [(&str, &[f64]); 5] = [
            ("input", &gradient),
            ("grad_output", &[1.0]),
            ("parameter", &parameter),
            ("m", &positive),
            ("v", &positive),
        ];
        run_op::<f64>(op, control, &given)
    });
    check(&dense, &sparse);
}

/// Six epochs of 24 steps: the cubic schedule prunes after steps 100 and 108.
fn config(folder: &Path) -> TrainConfig {
    TrainConfig { sparsity: 0.75, epochs: 6, ..runs::config(folder) }
}

/// The zeros of each parameter of a file, and its number of values.
fn zeros(file: &Path) -> BTreeMap<String, (usize, usize)> {
    let tensors = runs::tensors(file).into_iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
    let count = |bytes: &[u8]| bytes.chunks_exact(4).filter(|value| **value == [0; 4]).count();
    tensors.map(|(name, bytes)| (name, (count(&bytes), bytes.len() / 4))).collect()
}

#[test]
fn a_run_ends_with_the_share_of_zeros() {
    let averaged = |folder: &Path| TrainConfig { model_ema: true, opt: Optimizer::Adamw, ..config(folder) };
    let sgd = |folder: &Path| TrainConfig { opt: Optimizer::Sgd, lr: 0.01, ..config(folder) };
    let constant = |folder: &Path| TrainConfig {
        sparsity_schedule: SparsitySchedule::Constant,
        epochs: 1,
        opt: Optimizer::Lion,
        lr: 1e-4,
        ..config(folder)
    };
    for config in [config, averaged, sgd, constant] {
        let folder = tempdir().unwrap();
        let config = config(folder.path());
        let mut trainer = runs::start(&config);
        let summary = runs::finish(&mut trainer);
        let weights: Vec<String> = trainer
            .session()
            .network()
            .parameters
            .iter()
            .filter(|parameter| parameter.is_weight())
            .map(|parameter| parameter.name.clone())
            .collect();
        assert!(weights.len() > 8 && weights.iter().all(|name| name.ends_with(".weight")));
        // The best epoch is one after the last pruning, though earlier ones may be more accurate.
        assert_eq!((summary.last.sparsity, summary.best.sparsity), (0.75, 0.75));
        let prefix = if config.model_ema { "ema." } else { "" };
        let [best, checkpoint] =
            ["best.safetensors", "checkpoint.safetensors"].map(|name| zeros(&folder.path().join(name)));
        for name in &weights {
            let all = checkpoint[name].1;
            let expected = all * 3 / 4;
            assert!(expected > 0);
            assert_eq!(checkpoint[name], (expected, all), "{name}");
            assert_eq!(best[name], (expected, all), "{name} of the best");
            assert_eq!(checkpoint[&format!("{prefix}{name}")], (expected, all), "{name}");
        }
        // Nothing else is pruned: biases begin at 0 and move.
        assert_eq!(checkpoint["classifier.6.bias"], (0, 4));
    }
}

#[test]
fn a_resumed_sparse_run_equals_an_uninterrupted_one() {
    for (schedule, steps) in
        [(SparsitySchedule::Cubic, [99, 100, 101, 108].as_slice()), (SparsitySchedule::Constant, &[1])]
    {
        let epochs = if schedule == SparsitySchedule::Cubic { 6 } else { 1 };
        let config = |folder: &Path| TrainConfig { sparsity_schedule: schedule, epochs, ..config(folder) };
        let whole = tempdir().unwrap();
        runs::finish(&mut runs::start(&config(whole.path())));
        runs::assert_resumed_runs_are_the_same(whole.path(), config, steps);
    }
}

#[test]
fn the_schedule_fixes_the_number_of_epochs() {
    let folder = tempdir().unwrap();
    let start = |flags: &str| TrainConfig::default().with(&flags.parse().unwrap());
    let cubic = start("sparsity = 0.9").unwrap();
    let longer = "epochs = 20".parse().unwrap();
    let error = cubic.resumed_with(&longer).unwrap_err().to_string();
    assert!(error.contains("cubic schedule of the sparsity") && error.contains("--weights"), "{error}");
    let constant = start("sparsity = 0.9\nsparsity_schedule = \"constant\"").unwrap();
    assert_eq!(constant.resumed_with(&longer).unwrap().epochs, 20);
    let error = start("sparsity_schedule = \"cubic\"").unwrap_err().to_string();
    assert!(error.contains("--sparsity above 0"), "{error}");
    for wrong in ["1.0", "-0.1", "nan"] {
        let error = start(&format!("sparsity = {wrong}")).unwrap_err().to_string();
        assert!(error.contains("sparsity") && error.contains("at least 0, below 1"), "{error}");
    }
    // A finished run says how to go on.
    let config = TrainConfig { epochs: 1, lr_scheduler: LrScheduler::Constant, ..config(folder.path()) };
    runs::finish(&mut runs::start(&config));
    let error = runs::resume(folder.path(), "").err().unwrap().to_string();
    assert!(error.contains("cubic schedule of the sparsity ends there"), "{error}");
    assert!(fs::read_to_string(folder.path().join("metrics.csv")).unwrap().trim_end().ends_with(",0.750000"));
}
