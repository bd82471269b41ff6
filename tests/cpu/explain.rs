//! Explanations and probes of a network: a layer's gradient for a class, against central differences in f64; Grad-CAM's map; dead ReLUs
//! and running statistics.

use vgg_wgpu::{
    cpu::CpuExecutor,
    data::{Batch, IDENTITY},
    model::{Architecture, LayerKind, Norm, VggConfig},
    program::{DeviceLimits, Executor, Mode, Pass, Precision, Settings, lower},
    train::{Session, explainable},
};

use crate::support::{Fixture, Tolerance, compare, fixture_of, read, write};

/// The classes whose logits' difference is differentiated.
const CLASSES: [usize; 2] = [4, 7];

/// `log p[4] - log p[7]` of each image, which is the difference of the logits, in evaluation.
fn difference(net: &mut Fixture<f64>) -> Vec<f64> {
    net.executor.run(Pass::Evaluate).unwrap();
    let probs = read(&mut net.executor, net.lowered.inputs.probs);
    probs.chunks_exact(10).map(|p| (p[CLASSES[0]] / p[CLASSES[1]]).ln()).collect()
}

/// A change of beta, or of the convolution's bias without batch norm, shifts a channel before its ReLU, and so the logits by the sum of
/// the gradient over the pixels at which the ReLU is open.
fn check_against_differences(config: VggConfig, conv: &str) {
    let network = config.network().unwrap();
    let (_, relu, _) = *explainable(&network).iter().find(|(name, ..)| *name == conv).unwrap();
    let at = network.layers.iter().position(|layer| layer.name == conv).unwrap();
    let shift = match (network.layers[at].kind, network.layers[at + 1].kind) {
        (_, LayerKind::BatchNorm(norm)) => norm.beta,
        (_, LayerKind::GroupNorm(norm)) => norm.beta,
        (LayerKind::Conv(parameters), _) => parameters.bias,
        _ => unreachable!("a convolution"),
    };
    let mut net = fixture_of::<f64>(config, 2, DeviceLimits::NONE, Mode::Explain(relu));
    let tensors = net.lowered.explained.unwrap();
    let mut logits = vec![0.0; 20];
    for image in 0..2 {
        logits[10 * image + CLASSES[0]] = 1.0;
        logits[10 * image + CLASSES[1]] = -1.0;
    }
    write(&mut net.executor, tensors.logits, &logits);
    net.executor.run(Pass::Train).unwrap();
    let activation = read(&mut net.executor, tensors.activation);
    let gradient = read(&mut net.executor, tensors.gradient);
    let shift = net.lowered.parameters[shift].value;
    let mut values = read(&mut net.executor, shift);
    let channels = values.len();
    let image = gradient.len() / 2;
    let mut sum = 0.0;
    for channel in 0..channels {
        let open = |n: usize| {
            let pixels = (n * image + channel..(n + 1) * image).step_by(channels);
            pixels.filter(|&i| activation[i] > 0.0).map(|i| gradient[i]).sum::<f64>()
        };
        let analytic = [open(0), open(1)];
        let middle = values[channel];
        let step = 1e-6;
        let mut moved = |by: f64| {
            values[channel] = middle + by;
            write(&mut net.executor, shift, &values);
            difference(&mut net)
        };
        let (after, before) = (moved(step), moved(-step));
        moved(0.0);
        let numeric: Vec<f64> = after.iter().zip(&before).map(|(a, b)| (a - b) / (2.0 * step)).collect();
        sum += numeric[0].abs();
        // A ReLU or a maximum between the two ends of the step changes the slope there.
        let tolerance = Tolerance { absolute: 1e-7, relative: 1e-4 };
        compare(&format!("{conv}, channel {channel}"), &[2].into(), &analytic, &numeric, tolerance);
    }
    assert!(sum > 0.0, "{conv}: the gradients are 0, so nothing is checked");
}

#[test]
fn with_batch_norm() {
    for conv in ["conv5_3", "conv3_2", "conv1_1"] {
        let config =
            VggConfig { image_size: [28, 28], width: 0.0625, hidden: Some(24), ..VggConfig::default() };
        check_against_differences(config, conv);
    }
}

#[test]
fn with_norms_of_an_image_or_a_pixel() {
    for (norm, conv) in [(Norm::Group(2), "conv3_2"), (Norm::Layer2d, "conv1_1")] {
        let base =
            VggConfig { image_size: [28, 28], width: 0.0625, hidden: Some(24), ..VggConfig::default() };
        check_against_differences(VggConfig { norm: Some(norm), ..base }, conv);
    }
}

#[test]
fn without_batch_norm_before_average_pooling() {
    for conv in ["conv5_2", "conv2_1"] {
        let config = VggConfig {
            image_size: [64, 64],
            classes: 10,
            width: 0.0625,
            hidden: Some(24),
            avgpool: 3,
            ..VggConfig::torchvision(Architecture::Vgg11)
        };
        check_against_differences(config, conv);
    }
}

/// An untrained network on the CPU that takes one image of 28 x 28 pixels at a time.
fn session(config: VggConfig, mode: Mode) -> Session {
    let network = config.network().unwrap();
    let settings = Settings {
        batch: 1,
        source: [28, 28],
        mean: vec![0.1],
        std: vec![0.3],
        mode,
        precision: Precision::F32,
        limits: DeviceLimits::NONE,
    };
    let lowered = lower(&network, &settings).unwrap();
    let executor = CpuExecutor::<f32>::new(lowered.program.clone());
    let mut session = Session::new(Box::new(executor), &lowered, network);
    session.initialize(5).unwrap();
    session
}

/// The map by hand: channels weighted by the means of their gradients, negative sums at 0.
#[test]
fn the_map_is_grad_cams() {
    let config = VggConfig { image_size: [28, 28], width: 0.0625, hidden: Some(24), ..VggConfig::default() };
    let network = config.network().unwrap();
    let (_, relu, size) = *explainable(&network).iter().find(|(name, ..)| *name == "conv3_3").unwrap();
    assert_eq!(size, [7, 7]);
    let mut session = session(config, Mode::Explain(relu));
    let image: Vec<u8> = (0..784).map(|i| (i * 37 % 251) as u8).collect();
    let found = session.explain(&image, Some(3)).unwrap();
    assert_eq!((found.class, found.size, found.map.len(), found.channels.len()), (3, [7, 7], 49, 16));
    let share = |index: usize| found.channels[index].weight * found.channels[index].map.iter().sum::<f32>();
    assert!((1..16).all(|index| share(index - 1) >= share(index)), "the strongest channel comes first");
    for (place, &value) in found.map.iter().enumerate() {
        let sum: f32 = found.channels.iter().map(|c| c.weight * c.map[place]).sum();
        assert!((value - sum.max(0.0)).abs() <= 1e-5 * sum.abs().max(1e-3), "{place}: {value}, {sum}");
    }
    assert!(found.map.iter().any(|&v| v > 0.0));
    // Without a class it is the most probable one.
    let most = session.explain(&image, None).unwrap();
    let best = most.probabilities.iter().copied().fold(0.0, f32::max);
    assert_eq!(most.probabilities[most.class], best);
}

#[test]
fn the_layers_of_a_batch_are_probed() {
    let config = VggConfig { image_size: [28, 28], width: 0.0625, hidden: Some(8), ..VggConfig::default() };
    let network = config.network().unwrap();
    let mut net = fixture_of::<f64>(config.clone(), 1, DeviceLimits::NONE, Mode::Evaluate);
    let (lowered, parameters) = (net.lowered.clone(), network.parameters.clone());
    for (index, parameter) in parameters.iter().enumerate() {
        // The first layer: one channel that is always 0 and seven that never are.
        let values: &[f64] = match parameter.name.as_str() {
            "features.1.bias" => &[-1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6],
            "features.1.running_mean" => &[-2.0; 8],
            "features.1.running_var" => &[0.25; 8],
            _ => continue,
        };
        write(&mut net.executor, lowered.parameters[index].value, values);
    }
    let mut session = Session::new(Box::new(net.executor), &lowered, network);
    let batch = Batch {
        mixes: Vec::new(),
        images: vec![90; 784],
        labels: vec![0],
        transforms: IDENTITY.to_vec(),
        valid: 1,
        epoch: 0,
        index: 0,
    };
    let rows = session.probe(&batch, 7).unwrap();
    let layers: Vec<&str> = rows.iter().map(|row| row.layer.as_str()).collect();
    assert_eq!((layers[0], layers[1], layers[12], layers.len()), ("conv1_1", "conv1_2", "conv5_3", 13));
    let first = &rows[0];
    assert_eq!((first.epoch, first.dead, first.zero), (7, 0.125, 0.125));
    assert_eq!((first.running_mean, first.running_var), (Some(2.0), Some(0.25)));
    assert!(rows.iter().all(|row| (0.0..=1.0).contains(&row.zero) && row.dead <= row.zero));
}
