//! Whole networks.

use vgg_wgpu::{
    model::{ActivationKind, Architecture, Freeze, Norm, Semantics, VggConfig},
    program::{DeviceLimits, Executor, Pass, Phase},
};

use super::{STEP, TOLERANCE};
use crate::support::{Fixture, Tolerance, compare, fixture, largest, read, write};

/// torchvision's kind: no batch norm, adaptive average pooling.
fn standard() -> VggConfig {
    VggConfig {
        image_size: [48, 70],
        width: 0.0625,
        hidden: Some(24),
        avgpool: 3,
        ..VggConfig::torchvision(Architecture::Vgg11)
    }
}

fn small() -> VggConfig {
    VggConfig { image_size: [28, 24], width: 0.0625, hidden: Some(24), ..VggConfig::default() }
}

/// A whole step, for its gradients. Without a learning rate it changes no parameter.
fn step(fixture: &mut Fixture<f64>) {
    fixture.control(1, 0.0);
    fixture.executor.run(Pass::Train).unwrap();
}

/// The loss of a training step's forward part.
fn mean_loss(fixture: &mut Fixture<f64>) -> f64 {
    let forward = fixture.lowered.program.steps.iter().take_while(|s| s.phase == Phase::Forward).count();
    fixture.executor.queue(0..forward).unwrap();
    let loss = read(&mut fixture.executor, fixture.lowered.inputs.loss);
    loss.iter().sum::<f64>() / loss.len() as f64
}

/// Every parameter tensor of a whole network, at its largest gradient, its first and its last element.
#[test]
fn the_whole_network() {
    let of = |semantics| VggConfig { semantics, ..small() };
    let gelu = VggConfig { activation: ActivationKind::Gelu, ..small() };
    let silu = VggConfig { activation: ActivationKind::Silu, ..standard() };
    let celu = VggConfig { activation: ActivationKind::Celu, celu_alpha: 0.5, logit_scale: 0.125, ..small() };
    let one_linear_layer = VggConfig { hidden: Some(0), ..small() };
    let [layer, group, pixel] = [Norm::Layer, Norm::Group(4), Norm::Layer2d].map(|norm| VggConfig {
        norm: Some(norm),
        activation: ActivationKind::Silu,
        ..small()
    });
    for config in [
        of(Semantics::Paper),
        of(Semantics::Pytorch),
        standard(),
        gelu,
        silu,
        celu,
        one_linear_layer,
        layer,
        group,
        pixel,
    ] {
        let mut net = fixture::<f64>(config, 3, DeviceLimits::NONE);
        step(&mut net);
        let parameters = net.lowered.parameters.clone();
        for (index, tensors) in parameters.iter().enumerate() {
            let Some(gradient) = tensors.gradient else { continue };
            let name = net.network.parameters[index].name.clone();
            let gradient = read(&mut net.executor, gradient);
            let mut values = read(&mut net.executor, tensors.value);
            let most =
                (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs())).unwrap();
            let (mut analytic, mut numeric) = (Vec::new(), Vec::new());
            // Smaller steps than elsewhere, because there are tens of thousands of kinks.
            let apart = 1e-6;
            for at in [most, 0, gradient.len() - 1] {
                let middle = values[at];
                let mut value = |moved: f64, net: &mut Fixture<f64>| {
                    values[at] = moved;
                    write(&mut net.executor, tensors.value, &values);
                    mean_loss(net)
                };
                let (after, before) = (value(middle + apart, &mut net), value(middle - apart, &mut net));
                numeric.push((after - before) / (2.0 * apart));
                analytic.push(gradient[at]);
                values[at] = middle;
            }
            write(&mut net.executor, tensors.value, &values);
            let tolerance = Tolerance { absolute: 1e-7, relative: 1e-5 };
            compare(&name, &[3].into(), &analytic, &numeric, tolerance);
        }
    }
}

/// The same gradients and the same training if images and linear layers are processed in slices.
#[test]
fn slices_change_nothing() {
    let labels = [
        "conv1_1.forward[",
        "bn1_1.statistics[",
        "pool1.forward[",
        "conv1_2.grad_weight[",
        "fc2.grad_input[",
    ];
    slicing(VggConfig { hidden: Some(512), ..small() }, 4, 50_000, &labels);
    let labels = ["relu1_1.forward[", "relu1_1.grad_input[", "avgpool.forward[", "avgpool.grad_input["];
    let config = VggConfig { image_size: [32, 32], avgpool: 12, classes: 10, hidden: Some(8), ..standard() };
    slicing(config, 6, 74_000, &labels);
    for norm in [Norm::Group(4), Norm::Layer2d] {
        let forward = if norm == Norm::Layer2d { "norm1_1.forward[" } else { "norm1_1.affine[" };
        let labels = [forward, "norm1_1.grad_input["];
        let config = VggConfig { norm: Some(norm), hidden: Some(512), ..small() };
        slicing(config, 4, 50_000, &labels);
    }
}

/// A norm of each image or pixel by itself computes the same in training and in evaluation.
#[test]
fn own_norms_evaluate_as_they_train() {
    for norm in [Norm::Layer, Norm::Group(2), Norm::Layer2d, Norm::None] {
        let config = VggConfig { norm: Some(norm), dropout: 0.0, ..small() };
        let mut net = fixture::<f64>(config, 3, DeviceLimits::NONE);
        let probs = net.lowered.inputs.probs;
        mean_loss(&mut net);
        let trained = read(&mut net.executor, probs);
        write(&mut net.executor, probs, &vec![f64::NAN; trained.len()]);
        net.executor.run(Pass::Evaluate).unwrap();
        assert!(trained == read(&mut net.executor, probs) && trained.iter().all(|p| *p > 0.0), "{norm}");
    }
}

fn slicing(config: VggConfig, batch: usize, binding_bytes: u64, labels: &[&str]) {
    let limits = DeviceLimits { binding_bytes, offset_alignment: 16, ..DeviceLimits::NONE };
    let mut sliced = fixture::<f64>(config.clone(), batch, limits);
    for label in labels {
        assert!(sliced.lowered.program.steps.iter().any(|s| s.label.starts_with(label)), "{label}");
    }
    let mut whole = fixture::<f64>(config, batch, DeviceLimits::NONE);
    sliced.train(2, 1e-3);
    whole.train(2, 1e-3);
    let expected = whole.state();
    for (name, actual) in sliced.state() {
        let expected = &expected[&name];
        // The gradient of a bias before a batch norm consists of rounding errors of about 1e-16, which Adam divides by
        // eps = 1e-8 and multiplies by 1e-3.
        let tolerance = Tolerance { absolute: 1e-11 * largest(expected) + 1e-10, relative: 1e-9 };
        compare(&name, &[expected.len()].into(), &actual, expected, tolerance);
    }
}

/// With frozen features, the classifier learns as if it came after a network in evaluation, and nothing else changes.
#[test]
fn frozen_features_stay_and_cost_nothing() {
    let config = VggConfig { freeze: Freeze::Features, ..small() };
    let mut net = fixture::<f64>(config, 3, DeviceLimits::NONE);
    let backward: Vec<&str> = net.lowered.program.steps.iter().map(|s| s.label.as_str()).collect();
    assert!(backward.contains(&"fc1.grad_weight") && !backward.contains(&"fc1.grad_input"));
    assert!(backward.iter().all(|label| !label.starts_with("conv") || !label.contains("grad")));
    assert!(backward.iter().all(|label| !label.contains("running") && !label.contains("statistics")));
    let before = net.state();
    net.train(2, 1e-3);
    for (name, after) in net.state() {
        let changed = before[&name] != after;
        assert_eq!(changed, !name.starts_with("features"), "{name}");
    }
    // Against central differences: the frozen batch norms use the running statistics in the forward pass, too.
    step(&mut net);
    let bias = net.network.parameters.iter().position(|p| p.name == "classifier.0.bias").unwrap();
    let tensors = net.lowered.parameters[bias].clone();
    let gradient = read(&mut net.executor, tensors.gradient.unwrap());
    let mut values = read(&mut net.executor, tensors.value);
    let mut expected = Vec::new();
    for at in 0..values.len() {
        let middle = values[at];
        let mut loss = |moved: f64| {
            values[at] = moved;
            write(&mut net.executor, tensors.value, &values);
            mean_loss(&mut net)
        };
        expected.push((loss(middle + STEP) - loss(middle - STEP)) / (2.0 * STEP));
        values[at] = middle;
    }
    compare("classifier.0.bias", &[24].into(), &gradient, &expected, TOLERANCE);
}
