//! `--bn-l1`: the L1 penalty on batch norm's gamma, of network slimming.

use std::{collections::BTreeMap, path::Path};

use tempfile::tempdir;
use vgg_wgpu::{
    model::{Architecture, Freeze, Layer, LayerKind, NormParameters},
    ops::{ClipGradient, LossScale, Op, Sgd},
    program::{DeviceLimits, Executor, Precision, Training, lower},
    train::TrainConfig,
};

use crate::support::{Golden, Tolerance, compare, golden_network, read, runs, write};

/// The penalty is added to the gradient without the loss scale, before clipping.
#[test]
fn an_l1_penalty_on_gamma() {
    const STRENGTH: f32 = 0.01;
    const MAX_NORM: f32 = 0.5;
    let sgd = Sgd { len: 0, momentum: 0.0, nesterov: false, weight_decay: 0.0, scaled: false, sparse: false };
    let plain = Training::from(sgd);
    let penalized = Training { bn_l1: STRENGTH, ..plain };
    let clipped = Training { clip_grad_norm: Some(MAX_NORM), ..penalized };
    for precision in [Precision::F32, Precision::Mixed] {
        let scale = if precision == Precision::Mixed { 65_536.0 } else { 1.0 };
        let [plain, penalized, clipped] = [plain, penalized, clipped].map(|training| {
            let mut net = golden_network::<f64>(&Golden::load("network"), training, precision);
            let gammas: Vec<usize> = net.network.layers.iter().filter_map(gamma).collect();
            for &gamma in &gammas {
                let tensor = net.lowered.parameters[gamma].value;
                let mut values = read(&mut net.executor, tensor);
                (values[0], values[1]) = (0.0, -values[1]);
                write(&mut net.executor, tensor, &values);
            }
            // This step doubles the scale, after which the gradients still have the old one.
            if let Some(state) = net.lowered.loss_scale {
                let good = LossScale::GROWTH_INTERVAL as f32 - 1.0;
                let state_before = LossScale { good, ..LossScale::initial() };
                net.executor.upload(state, bytemuck::bytes_of(&state_before)).unwrap();
            }
            // Without a learning rate the gammas stay.
            net.train(1, 0.0);
            let mut gradients = BTreeMap::new();
            for (index, tensors) in net.lowered.parameters.clone().into_iter().enumerate() {
                let Some(gradient) = tensors.gradient else { continue };
                let signs = gammas.contains(&index).then(|| read(&mut net.executor, tensors.value));
                gradients.insert(index, (read(&mut net.executor, gradient), signs));
            }
            gradients
        });
        let squares = |(values, _): &(Vec<f64>, _)| values.iter().map(|v| (v / scale).powi(2)).sum::<f64>();
        let norm = penalized.values().map(squares).sum::<f64>().sqrt();
        let factor = f64::from(MAX_NORM) / (norm + ClipGradient::EPS);
        assert!(factor < 0.9, "{norm}");
        for (index, (gradient, gamma)) in &plain {
            let mut expected = gradient.clone();
            for (expected, &gamma) in expected.iter_mut().zip(gamma.iter().flatten()) {
                let sign = if gamma == 0.0 { 0.0 } else { gamma.signum() };
                *expected += f64::from(STRENGTH) * scale * sign;
            }
            // Sums of the same values: the same bits.
            assert_eq!(penalized[index].0, expected);
            let expected: Vec<f64> = expected.iter().map(|v| v * factor).collect();
            let tolerance = Tolerance { absolute: 0.0, relative: 1e-12 };
            compare("clipped", &[expected.len()].into(), &clipped[index].0, &expected, tolerance);
        }
        let signs: Vec<f64> = plain.values().flat_map(|(_, gamma)| gamma.iter().flatten()).copied().collect();
        assert!(signs.iter().any(|&v| v < 0.0) && signs.contains(&0.0) && signs.iter().any(|&v| v > 0.0));
    }
}

/// The index of a batch norm's gamma.
fn gamma(layer: &Layer) -> Option<usize> {
    match layer.kind {
        LayerKind::BatchNorm(NormParameters { gamma, .. }) => Some(gamma),
        _ => None,
    }
}

/// torchvision's `--norm-weight-decay` and `--bias-weight-decay`.
#[test]
fn norms_and_biases_have_their_own_weight_decay() {
    let data = runs::data();
    let decays = |flags: &str| {
        let config = TrainConfig { model: Architecture::Vgg11Bn, ..runs::config(Path::new("unused")) };
        let config = config.with(&flags.parse().unwrap()).unwrap();
        let network = config.vgg(1, 4).network().unwrap();
        let lowered = lower(&network, &config.settings(&*data.train, DeviceLimits::NONE)).unwrap();
        let decay = |op: &Op| match op {
            Op::Adam(op) => Some(op.weight_decay),
            Op::Sgd(op) => Some(op.weight_decay),
            Op::Lion(op) => Some(op.weight_decay),
            Op::LinearUpdate(op) => Some(op.adam.weight_decay),
            _ => None,
        };
        let steps = lowered.program.steps.into_iter();
        steps.filter_map(|step| Some((step.label, decay(&step.op)?))).collect::<BTreeMap<String, f32>>()
    };
    for opt in ["adam", "adamw", "sgd", "lion"] {
        let flags = format!("opt = \"{opt}\"\nweight_decay = 0.1\n");
        let all = decays(&flags);
        assert!(all.len() == 2 * (8 + 8 + 3) && all.values().all(|&decay| decay == 0.1), "{all:?}");
        let apart = decays(&format!("{flags}norm_weight_decay = 0.0\nbias_weight_decay = 0.2"));
        // The parameters' names: `features.0.bias` is a convolution's, `features.1.bias` its norm's.
        let with = |wanted: f32| {
            let labels = apart.iter().filter(|(_, decay)| **decay == wanted).map(|(label, _)| label.as_str());
            labels.map(|label| label.trim_end_matches(".update")).collect::<Vec<_>>()
        };
        let [norms, weights, biases] = [0.0, 0.1, 0.2].map(with);
        assert_eq!([norms.len(), weights.len(), biases.len()], [16, 11, 11], "{apart:?}");
        assert!(biases.contains(&"features.0.bias") && biases.contains(&"classifier.6.bias"), "{biases:?}");
        assert!(norms.contains(&"features.1.bias") && norms.contains(&"features.1.weight"), "{norms:?}");
        assert!(weights.contains(&"features.0.weight") && biases.iter().all(|name| name.ends_with(".bias")));
    }
    let none = TrainConfig { model: Architecture::Vgg11, ..TrainConfig::default() };
    let error = none.with(&"norm_weight_decay = 0.0".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("the network has no norm") && error.contains("--norm batch"), "{error}");
}

/// One step for each trained gamma, none where there is none, and no other change of the program.
#[test]
fn an_l1_penalty_is_a_step_for_each_trained_gamma() {
    let data = runs::data();
    let config = TrainConfig { model: Architecture::Vgg11Bn, ..runs::config(Path::new("unused")) };
    let labels = |bn_l1, freeze, model| {
        let config = TrainConfig { bn_l1, freeze, model, ..config.clone() };
        let network = config.vgg(1, 4).network().unwrap();
        let lowered = lower(&network, &config.settings(&*data.train, DeviceLimits::NONE)).unwrap();
        lowered.program.steps.into_iter().map(|step| step.label).collect::<Vec<_>>()
    };
    for (freeze, model, count) in [
        (Freeze::None, Architecture::Vgg11Bn, 8),
        (Freeze::Features, Architecture::Vgg11Bn, 0),
        (Freeze::None, Architecture::Vgg11, 0),
    ] {
        let [plain, mut penalized] = [0.0, 0.1].map(|bn_l1| labels(bn_l1, freeze, model));
        assert_eq!(penalized.len(), plain.len() + count);
        penalized.retain(|label| !label.ends_with(".l1"));
        assert_eq!(penalized, plain);
    }
}

#[test]
fn an_l1_penalty_makes_gammas_smaller() {
    let folder = tempdir().unwrap();
    let [plain, penalized] = [0.0f64, 1e-2].map(|bn_l1| {
        let output_dir = folder.path().join(bn_l1.to_string());
        let model = Architecture::Vgg11Bn;
        let mut trainer = runs::start(&TrainConfig { model, bn_l1, epochs: 1, ..runs::config(&output_dir) });
        runs::finish(&mut trainer);
        let layers = trainer.session().network().layers.clone();
        let tensors = runs::tensors(&output_dir.join("checkpoint.safetensors"));
        let names = layers
            .iter()
            .filter_map(gamma)
            .map(|index| trainer.session().network().parameters[index].name.clone());
        let sum = |name: String| -> f32 {
            tensors[&name].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).abs()).sum()
        };
        names.map(sum).sum::<f32>()
    });
    assert!(penalized < 0.98 * plain, "{penalized}, {plain}");
}
