//! Inputs that can fail a test: outliers, ties, equal channels, large means, exact and negative zeros.

use half::f16;

use crate::{
    dtype::DType,
    ops::{Adam, Average, Control, LossScale, MaxPoolGrad, Op, Operand, Sgd},
    rng,
};

/// The control block of all cases: a late step (the first for one length of an average), and one padding image where there is more than one.
fn control(op: &Op) -> Control {
    let images = op.operands().iter().find(|o| o.name == "labels").map_or(1, |o| o.shape.elements());
    Control {
        step: if matches!(op, Op::Average(Average { len: 257, .. })) { 1 } else { 7 },
        seed_low: 0xdead_beef,
        seed_high: 42,
        valid: (images - usize::from(images > 1)) as u32,
        learning_rate: 1e-3,
        bias_correction1: 0.521_703_1,
        bias_correction2: 0.006_979_035,
        ..Control::default()
    }
}

/// The bytes of an operand before the operation runs.
pub fn bytes(op: &Op, operand: &Operand) -> Vec<u8> {
    let count = operand.shape.elements();
    match (operand.name, operand.dtype) {
        ("control", _) => bytemuck::bytes_of(&control(op)).to_vec(),
        ("images", _) => {
            random(operand, 0x1111).iter().map(|&v| (v * 70.0 + 100.0).clamp(0.0, 255.0) as u8).collect()
        }
        ("labels", _) => {
            let classes = classes(op) as u32;
            bytemuck::cast_slice(&(0..count as u32).map(|n| n * 7 % classes).collect::<Vec<_>>()).to_vec()
        }
        // Clear before gradients are looked at; before the update set in one case of three.
        ("overflow", _) => {
            let set = matches!(op, Op::LossScaleUpdate(update) if update.growth_interval == 6);
            u32::from(set).to_ne_bytes().to_vec()
        }
        ("loss_scale", _) => {
            let taken = !matches!(op, Op::Adam(Adam { len: 255, .. }) | Op::Sgd(Sgd { len: 255, .. }));
            let state = LossScale {
                scale: 1024.0,
                good: 6.0,
                unscale: 1.0 / 512.0,
                skip: f32::from(!taken),
                bias_correction1: 0.521_703_1,
                bias_correction2: 0.006_979_035,
                skipped: 3.0,
                reserved: 0.0,
            };
            bytemuck::bytes_of(&state).to_vec()
        }
        (_, DType::F32) => bytemuck::cast_slice(&floats(op, operand)).to_vec(),
        (_, DType::F16) => floats(op, operand).iter().flat_map(|&v| f16::from_f32(v).to_ne_bytes()).collect(),
        (name, dtype) => unreachable!("no input for {name} {dtype}"),
    }
}

fn classes(op: &Op) -> usize {
    op.operands()
        .iter()
        .find_map(|o| (o.name == "logits" || o.name == "probs").then(|| o.shape.dims()[1]))
        .unwrap()
}

fn random(operand: &Operand, index: u32) -> Vec<f32> {
    rng::normal(12, index, operand.shape.elements(), 1.0)
}

fn floats(op: &Op, operand: &Operand) -> Vec<f32> {
    let op = op.plain();
    let index = operand.name.bytes().fold(0, |sum, b| sum * 31 + u32::from(b));
    let mut values = random(operand, index);
    let channels = operand.shape.dims().last().copied().unwrap_or(1);
    match operand.name {
        // What is not finite stands first, last, or nowhere.
        "gradient" if matches!(op, Op::FiniteCheck(_)) => {
            let len = values.len();
            match len % 3 {
                1 => values[len - 1] = f32::NAN,
                2 => values[0] = f32::NEG_INFINITY,
                _ => values[0] = f32::MAX,
            }
        }
        "variance" | "batch_var" | "running_var" | "v" => values.iter_mut().for_each(|v| *v = v.abs() + 0.05),
        "squares" => values.fill(81.0),
        "transforms" => transforms(&mut values),
        "probs" => softmax(&mut values, channels),
        "logits" => values.iter_mut().enumerate().for_each(|(i, v)| *v = *v * 5.0 + 300.0 * (i % 3) as f32),
        // Ties for pooling and exact zeros of both signs for the ReLU.
        "affine" => affine(&mut values, channels, if op.name().starts_with("conv") { 0.0 } else { 1000.0 }),
        "input"
            if matches!(op, Op::MaxPoolForward(_) | Op::MaxPoolGrad(_) | Op::Relu(_) | Op::ReluGrad(_)) =>
        {
            values.iter_mut().for_each(|v| *v = (*v * 1.5).round());
            // Around the large means of `affine`.
            if matches!(op, Op::MaxPoolForward(_) | Op::MaxPoolGrad(_)) {
                values
                    .iter_mut()
                    .enumerate()
                    .filter(|(i, _)| i % channels % 5 == 1)
                    .for_each(|(_, v)| *v += 1000.0);
            }
            // Sums are not finite where a term is not.
            if matches!(op, Op::MaxPoolGrad(MaxPoolGrad { statistics: Some(_), .. })) {
                return values;
            }
            // What is not a number stays so, and infinities are numbers like others.
            for (at, odd) in [(5, f32::NAN), (6, f32::INFINITY), (11, f32::NEG_INFINITY), (12, -0.0)] {
                if let Some(v) = values.get_mut(at) {
                    *v = odd;
                }
            }
        }
        "grad_affine" => {
            affine(&mut values, channels, if op.name().starts_with("conv") { 0.0 } else { 1000.0 })
        }
        // Few digits, so that ReLU's input is exact.
        "output" | "input" if operand.name == "output" || matches!(op, Op::ConvGradInput(_)) => {
            if let Some(outlier) = values.get_mut(1) {
                *outlier = 50.0;
            }
            values.iter_mut().for_each(|v| *v = (*v * 64.0).round() / 64.0);
        }
        "input" if matches!(op, Op::BatchNormGradStatistics(_) | Op::BatchNormGradInput(_)) => {
            hard_columns(&mut values, channels);
            // Few digits, so that ReLU's input is exact.
            values.iter_mut().for_each(|v| *v = (*v * 64.0).round() / 64.0);
        }
        "input" if op.name().starts_with("batch_norm") => hard_columns(&mut values, channels),
        "mean" if op.name().starts_with("batch_norm") => {
            values.iter_mut().enumerate().filter(|(c, _)| c % 5 == 1).for_each(|(_, v)| *v += 1000.0);
        }
        _ => {
            if let Some(outlier) = values.get_mut(1) {
                *outlier = 50.0;
            }
        }
    }
    values
}

/// Mean, scale, shift and inverse standard deviation, or offset and slope. Means and shifts are multiples of 1 / 8 and scales of 1 / 2, so
/// that inputs of few digits give zeros exactly, on both sides of a comparison.
fn affine(values: &mut [f32], channels: usize, large: f32) {
    for (i, v) in values.iter_mut().enumerate() {
        match i / channels {
            0 => *v = (*v * 8.0).round() / 8.0 + if i % channels % 5 == 1 { large } else { 0.0 },
            1 => *v = (*v * 2.0).round() / 2.0,
            2 => *v = (*v * 8.0).round() / 8.0,
            _ => *v = v.abs() + 0.05,
        }
    }
}

/// Every fifth channel has a large mean, another is constant, a third has an outlier.
fn hard_columns(values: &mut [f32], channels: usize) {
    for (i, v) in values.iter_mut().enumerate() {
        match i % channels % 5 {
            1 => *v += 1000.0,
            2 => *v = 3.25,
            3 if i / channels == 2 => *v = 500.0,
            _ => {}
        }
    }
}

/// The identity, a rotation, and one that leaves the image.
fn transforms(values: &mut [f32]) {
    let kinds = [
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [0.966, -0.2588, 1.7, 0.2588, 0.966, -2.3],
        [0.5, 0.0, -1e6, 0.0, 2.0, 3e9],
    ];
    for (n, transform) in values.chunks_exact_mut(6).enumerate() {
        transform.copy_from_slice(&kinds[n % 3]);
    }
}

fn softmax(values: &mut [f32], classes: usize) {
    for row in values.chunks_exact_mut(classes) {
        let sum: f32 = row.iter().map(|v| v.exp()).sum();
        row.iter_mut().for_each(|v| *v = v.exp() / sum);
    }
}
