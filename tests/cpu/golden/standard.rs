//! A network of torchvision's kind against PyTorch.

use vgg_wgpu::{
    cpu::Scalar,
    model::{Architecture, VggConfig},
    program::{DeviceLimits, Executor, Pass},
};

use crate::support::{Golden, Tolerance, compare, fixture, largest, read, write};

/// The gradients of a whole VGG11 without batch norm and with adaptive average pooling; with `qat` with the roundings of quantisation-aware
/// training.
fn standard<S: Scalar>(qat: bool, tolerance: f64) {
    let mut golden = Golden::load("standard");
    if qat {
        golden.0.extend(Golden::load("rounded").0);
    }
    let config = VggConfig {
        image_size: [64, 64],
        classes: 5,
        width: 0.0625,
        hidden: Some(16),
        dropout: 0.0,
        avgpool: 3,
        qat,
        ..VggConfig::torchvision(Architecture::Vgg11)
    };
    let mut net = fixture::<S>(config, 4, DeviceLimits::NONE);
    for (name, id) in [("images", net.lowered.inputs.images), ("labels", net.lowered.inputs.labels)] {
        write(&mut net.executor, id, &golden.0[name].1);
    }
    for (parameter, tensors) in net.network.parameters.iter().zip(&net.lowered.parameters) {
        let before: Vec<f32> = golden.get("before", &parameter.name).iter().map(|&v| v as f32).collect();
        let values = parameter.layout.to_device(&parameter.shape, &before);
        net.executor.upload(tensors.value, bytemuck::cast_slice(&values)).unwrap();
    }
    net.executor.run(Pass::Train).unwrap();
    let loss = read(&mut net.executor, net.lowered.inputs.loss);
    let mean = loss.iter().sum::<f64>() / loss.len() as f64;
    compare("loss", &[1].into(), &[mean], &golden.0["loss"].1, Tolerance::relative(tolerance));
    for (parameter, tensors) in net.network.parameters.iter().zip(&net.lowered.parameters) {
        let Some(grad) = tensors.gradient else {
            assert!(parameter.name.ends_with(".range"), "{} has no gradient", parameter.name);
            continue;
        };
        let values: Vec<f32> = read(&mut net.executor, grad).into_iter().map(|v| v as f32).collect();
        let actual: Vec<f64> =
            parameter.layout.to_disk(&parameter.shape, &values).into_iter().map(f64::from).collect();
        let expected = golden.get("grad", &parameter.name);
        // Both sides are rounded to f32.
        let tolerance =
            Tolerance { absolute: tolerance * largest(expected), relative: 2.0 * f64::from(f32::EPSILON) };
        compare(&format!("grad.{}", parameter.name), &parameter.shape, &actual, expected, tolerance);
        assert!(largest(expected) > 0.0, "{}: the expected gradient is 0", parameter.name);
    }
}

#[test]
fn standard_in_f64() {
    standard::<f64>(false, 1e-9);
}

#[test]
fn standard_in_f32() {
    standard::<f32>(false, 1e-4);
}

#[test]
fn rounded_in_f64() {
    standard::<f64>(true, 1e-9);
}

/// A value next to a half may round the other way than in f64: one step of 255, of a few values.
#[test]
fn rounded_in_f32() {
    standard::<f32>(true, 2e-2);
}
