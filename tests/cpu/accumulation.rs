//! Gradients of several batches averaged for one optimiser step.

use vgg_wgpu::{
    dtype::DType,
    model::{Architecture, VggConfig},
    ops::Control,
    program::{DeviceLimits, Executor, Mode, Pass, Training},
};

use crate::support::{ADAM, Fixture, Tolerance, compare, control, fixture_of, read};

/// No norm, whose statistics are of a batch, and no dropout, whose masks depend on the batch.
fn config() -> VggConfig {
    VggConfig {
        image_size: [28; 2],
        width: 0.0625,
        hidden: Some(16),
        dropout: 0.0,
        model: Architecture::Vgg16,
        ..VggConfig::default()
    }
}

fn training(accumulate: bool) -> Mode {
    Mode::Train(Training {
        accumulate,
        clip_grad_norm: Some(0.5),
        average: Some(0.9),
        ..Training::from(ADAM)
    })
}

/// Uploads images `range` of another fixture's batch.
fn take(part: &mut Fixture<f64>, whole: &mut Fixture<f64>, range: std::ops::Range<usize>) {
    let pairs = [
        (part.lowered.inputs.images, whole.lowered.inputs.images),
        (part.lowered.inputs.labels, whole.lowered.inputs.labels),
    ];
    for (to, from) in pairs {
        let bytes = whole.executor.read(from).unwrap();
        let item = bytes.len() / whole.batch;
        part.executor.upload(to, &bytes[range.start * item..range.end * item]).unwrap();
    }
}

/// Two steps of three batches of 4 are two steps of one batch of 12, up to the order of sums.
#[test]
fn several_batches_make_the_step_of_one_large_batch() {
    let mut whole = fixture_of::<f64>(config(), 12, DeviceLimits::NONE, training(false));
    let mut parts = fixture_of::<f64>(config(), 4, DeviceLimits::NONE, training(true));
    let program = &parts.lowered.program;
    let accumulate = program.pass(Pass::Accumulate).end;
    let labels: Vec<&str> = program.steps[..accumulate].iter().map(|step| step.label.as_str()).collect();
    assert_eq!(labels.last(), Some(&"classifier.6.bias.accumulate"));
    assert!(
        program.steps[accumulate..program.pass(Pass::Train).end]
            .iter()
            .all(|step| !step.label.ends_with(".accumulate"))
    );
    for step in 1..=2 {
        whole.control(step, 1e-2);
        whole.executor.run(Pass::Train).unwrap();
        for part in 0..3 {
            take(&mut parts, &mut whole, 4 * part..4 * (part + 1));
            let block = Control {
                batch: 3 * step + part as u32,
                share: 1.0 / 3.0,
                first: u32::from(part == 0),
                ..control(&ADAM, step, 77, 4, 1e-2)
            };
            parts.executor.upload(parts.lowered.inputs.control, bytemuck::bytes_of(&block)).unwrap();
            parts.executor.run(if part == 2 { Pass::Train } else { Pass::Accumulate }).unwrap();
        }
        let tensors = whole.lowered.parameters.iter().zip(&parts.lowered.parameters).collect::<Vec<_>>();
        for (one, several) in tensors.into_iter().map(|(a, b)| (a.clone(), b.clone())) {
            let pairs = [
                (one.value, several.value),
                (one.gradient.unwrap(), several.gradient.unwrap()),
                (one.average.unwrap(), several.average.unwrap()),
            ];
            for (one, several) in pairs {
                let tensor = whole.lowered.program.tensor(one).clone();
                assert_eq!(tensor.dtype, DType::F32);
                let [expected, found] = [read(&mut whole.executor, one), read(&mut parts.executor, several)];
                // `share` is an f32: a third is off by 3e-8 of itself; Adam's quotient passes that on where gradients are near eps.
                let scale = expected.iter().fold(1e-9, |largest: f64, v| largest.max(v.abs()));
                compare(
                    &tensor.name,
                    &tensor.shape,
                    &found,
                    &expected,
                    Tolerance { absolute: 1e-6 * scale, relative: 1e-6 },
                );
            }
        }
    }
}
