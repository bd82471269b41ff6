//! Quantisation-aware training: what it starts from, how its ranges move, that it is resumed bit for bit.

use std::path::Path;

use tempfile::tempdir;
use vgg_wgpu::{
    data::DataSets,
    device::Device,
    model::{Architecture, LayerKind, Norm},
    quantize::{Options, QuantizeError, quantize},
    train::{Event, TrainConfig},
    weights::{Pretrained, PruneError, Pruning, Trained, Weights, WeightsError, prune},
};

use crate::support::runs;

fn config(folder: &Path) -> TrainConfig {
    TrainConfig { model: Architecture::Vgg11Bn, qat: true, epochs: 2, ..runs::config(folder) }
}

/// The ranges of the weights in a file.
fn ranges(path: &Path) -> Vec<f32> {
    let weights = Weights::read(path, None).unwrap();
    let range = |kind| match kind {
        LayerKind::FakeQuantize { range } => Some(weights.values(range)[0]),
        _ => None,
    };
    weights.network.layers.iter().filter_map(|layer| range(layer.kind)).collect()
}

#[test]
fn a_run_is_resumed_bit_for_bit_and_ranges_stay_after_the_first_epoch() {
    let folder = tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    runs::finish(&mut runs::start(&config(&whole)));
    // Interrupted in the first epoch.
    runs::interrupt(
        &mut runs::start(&config(&parts)),
        |event| matches!(event, Event::Step(s) if s.step == 7),
    );
    runs::finish(&mut runs::resume(&parts, "").unwrap());
    runs::assert_same_run(&whole, &parts);
    let file = "checkpoint.safetensors";
    let steps = Some(runs::STEPS_PER_EPOCH);
    let first = TrainConfig { steps, ..config(&folder.path().join("first")) };
    runs::finish(&mut runs::start(&first));
    let [after_one, after_two] =
        [folder.path().join("first").join(file), whole.join(file)].map(|path| ranges(&path));
    assert_eq!(after_one.len(), 10);
    assert!(after_one.iter().all(|&range| range > 0.0 && range.is_finite()), "{after_one:?}");
    assert_eq!(after_one, after_two);
}

/// Weights with batch norm are folded: before any step the network answers as theirs. The quantised file of a trained one has its ranges,
/// and answers as it does.
#[test]
fn training_sees_what_the_quantised_file_computes() {
    let folder = tempdir().unwrap();
    let before = folder.path().join("before");
    let plain = TrainConfig { qat: false, epochs: 1, ..config(&before) };
    runs::finish(&mut runs::start(&plain));
    let best = before.join("best.safetensors");
    let network = config(folder.path()).vgg(1, 4).network().unwrap();
    assert_eq!(network.config.norm(), Norm::None);
    let pretrained = Pretrained::read(&best, &network).unwrap();
    let after = folder.path().join("after");
    let weights = Some(best.display().to_string());
    let mut trainer = runs::start(&TrainConfig { weights, lr: 1e-4, ..config(&after) });
    trainer.begin_with(&pretrained).unwrap();
    let folded = Weights::read(&best, None).unwrap().folded().unwrap();
    let named = |name: &str| folded.network.parameters.iter().position(|p| p.name == name);
    for (index, parameter) in network.parameters.iter().enumerate() {
        let values = trainer.session().values(index).unwrap();
        match named(&parameter.name) {
            Some(own) => assert_eq!(values, folded.values(own), "{}", parameter.name),
            None => assert_eq!((values, parameter.name.ends_with(".range")), (vec![0.0], true)),
        }
    }

    runs::finish(&mut trainer);
    let trained = Weights::read(&after.join("best.safetensors"), None).unwrap();
    let device = Device::find("cpu").unwrap();
    let DataSets { train, .. } = runs::data();
    let quantized = quantize(&device, &trained, &train, &Options::default()).unwrap();
    assert_eq!(quantized.calibration, "ranges from training");
    let ends =
        quantized.quantized.layers.iter().filter_map(|layer| layer.output).map(|output| output.value(255));
    for (end, range) in ends.zip(ranges(&after.join("best.safetensors"))) {
        assert!((end - range).abs() <= 1e-5 * range, "{end} {range}");
    }
    let images: Vec<u8> = (0..64).flat_map(|index| train.image(index).unwrap()).collect();
    let answers =
        |trained: &Trained| device.session(trained, 64, [28, 28]).unwrap().predict(&images).unwrap().concat();
    let [float, integers] =
        [Trained::Float(trained), Trained::Quantized(quantized)].map(|trained| answers(&trained));
    // Only the rounding of the input is not in training.
    for (at, (a, b)) in float.iter().zip(&integers).enumerate() {
        assert!((a - b).abs() <= 0.03, "{at}: {a} {b}");
    }
}

#[test]
fn contradictions_are_refused() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    runs::finish(&mut runs::start(&TrainConfig { epochs: 1, ..config(&here.join("rounded")) }));
    let rounded = here.join("rounded/best.safetensors");
    let plain =
        TrainConfig { qat: false, norm: Some(Norm::None), ..config(here) }.vgg(1, 4).network().unwrap();
    let error = Pretrained::read(&rounded, &plain).unwrap_err();
    assert!(matches!(error, WeightsError::Rounded { .. }), "{error}");
    let layer = TrainConfig { qat: false, norm: Some(Norm::Layer), epochs: 1, ..config(&here.join("layer")) };
    runs::finish(&mut runs::start(&layer));
    let network = config(here).vgg(1, 4).network().unwrap();
    let error = Pretrained::read(&here.join("layer/best.safetensors"), &network).unwrap_err();
    assert!(matches!(error, WeightsError::OtherNorm { .. }), "{error}");
    let weights = Weights::read(&rounded, None).unwrap();
    let pruning = Pruning {
        criterion: vgg_wgpu::weights::Criterion::L1,
        target: vgg_wgpu::weights::Target::Amount(0.5),
        global: false,
        round_to: 8,
    };
    assert_eq!(prune(&weights, &pruning).unwrap_err(), PruneError::Rounded);
    let none = Options { images: 0, ..Options::default() };
    let error = quantize(&Device::find("cpu").unwrap(), &weights, &runs::data().train, &none).unwrap_err();
    assert!(matches!(error, QuantizeError::NoImages));
}
