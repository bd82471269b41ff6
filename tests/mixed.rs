//! Mixed precision on a GPU: a step against f64, an overflow, a resumed run.
//!
//! Needs an adapter with 16-bit floats; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

mod adapter;
mod common;
mod runs;

use std::path::Path;

use vgg_wgpu::{
    cpu::CpuExecutor,
    gpu::{Adapter, GpuExecutor, Options},
    model::{Network, VggConfig},
    ops::{Adam, LossScale},
    program::{DeviceLimits, Executor, Lowered, Mode, Pass, Precision, Settings, lower},
    train::{Checkpoint, Event, RunDirectory, Session, TrainConfig, Trainer},
};

const BATCH: usize = 8;
const ADAM: Adam = common::ADAM;

fn lowered(limits: DeviceLimits) -> (Network, Lowered) {
    let config = VggConfig { image_size: [28, 28], width: 0.125, hidden: Some(32), ..VggConfig::default() };
    let network = config.network().unwrap();
    let [mean, std] = common::MEAN_STD.map(|v| vec![v]);
    let settings = Settings {
        batch: BATCH,
        source: [28, 28],
        mean,
        std,
        mode: Mode::Train(ADAM.into()),
        precision: Precision::Mixed,
        limits,
    };
    let lowered = lower(&network, &settings).unwrap();
    (network, lowered)
}

/// Uploads the first weights, a batch and the state of the scaling.
fn begin(executor: &mut dyn Executor, network: &Network, lowered: &Lowered, scale: f32) {
    for (index, (parameter, tensors)) in network.parameters.iter().zip(&lowered.parameters).enumerate() {
        let values = parameter.layout.to_device(&parameter.shape, &parameter.initial(3, index));
        executor.upload(tensors.value, bytemuck::cast_slice(&values)).unwrap();
    }
    let data = runs::data().train;
    let images: Vec<u8> = (0..BATCH).flat_map(|index| data.image(index).to_vec()).collect();
    let labels: Vec<u32> = (0..BATCH).map(|index| data.label(index)).collect();
    let inputs = lowered.inputs;
    executor.upload(inputs.images, &images).unwrap();
    executor.upload(inputs.labels, bytemuck::cast_slice(&labels)).unwrap();
    let identity = [1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(BATCH);
    executor.upload(inputs.transforms, bytemuck::cast_slice(&identity)).unwrap();
    let state = LossScale { scale, ..LossScale::initial() };
    executor.upload(lowered.loss_scale.unwrap(), bytemuck::bytes_of(&state)).unwrap();
}

/// One step; the mean loss.
fn step(executor: &mut dyn Executor, lowered: &Lowered, step: u32) -> f64 {
    let control = common::control(&ADAM, step, 77, BATCH, 1e-3);
    executor.upload(lowered.inputs.control, bytemuck::bytes_of(&control)).unwrap();
    executor.run(Pass::Train).unwrap();
    let losses: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read(lowered.inputs.loss).unwrap());
    losses.iter().copied().map(f64::from).sum::<f64>() / BATCH as f64
}

fn state(executor: &mut dyn Executor, lowered: &Lowered) -> LossScale {
    bytemuck::pod_read_unaligned(&executor.read(lowered.loss_scale.unwrap()).unwrap())
}

/// The bytes of every parameter and of its moments.
fn weights(executor: &mut dyn Executor, lowered: &Lowered) -> Vec<Vec<u8>> {
    let trained = lowered.parameters.iter().filter(|p| p.gradient.is_some());
    let tensors = trained.flat_map(|p| [p.value].into_iter().chain(p.state.iter().copied()));
    tensors.map(|tensor| executor.read(tensor).unwrap()).collect()
}

fn open(adapter: &Adapter, lowered: &Lowered) -> GpuExecutor {
    GpuExecutor::open(adapter, lowered.program.clone(), &Options::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v * v, count + 1.0));
    f64::sqrt(sum / count)
}

/// f16 rounds by 2^-11; sixteen layers with sums read and write it once each.
const LOSS_TOLERANCE: f64 = 16.0 * 2.0 / 2048.0;

#[test]
fn a_step_is_that_of_f64_but_for_rounding() {
    let Some(adapter) = adapter::adapter() else { return };
    let (network, lowered) = lowered(adapter.limits());
    let mut truth = CpuExecutor::<f64>::new(lowered.program.clone());
    let mut gpu = open(&adapter, &lowered);
    let [expected, found] = [&mut truth as &mut dyn Executor, &mut gpu].map(|executor| {
        begin(executor, &network, &lowered, LossScale::initial().scale);
        step(executor, &lowered, 1)
    });
    assert!((found - expected).abs() <= LOSS_TOLERANCE, "loss {found}, f64 {expected}");
    assert_eq!(state(&mut gpu, &lowered), state(&mut truth, &lowered));
    for (parameter, tensors) in network.parameters.iter().zip(&lowered.parameters) {
        let Some(gradient) = tensors.gradient else { continue };
        let [expected, found] = [&mut truth as &mut dyn Executor, &mut gpu]
            .map(|executor| bytemuck::pod_collect_to_vec::<u8, f32>(&executor.read(gradient).unwrap()));
        let error = rms(expected.iter().zip(&found).map(|(a, b)| f64::from(a - b)));
        let size = rms(expected.iter().copied().map(f64::from));
        // The next batch norm takes a common factor or shift of a batch norm's channels away again, so that the few values
        // of its gradients are what is left of sums that cancel.
        if parameter.shape.dims().len() == 1 {
            continue;
        }
        // A ReLU or a maximum whose input is near enough to 0 or to its neighbour falls the other way. Behind some layers a value
        // is off by a few times 2^-11 of its deviation, so that one in 700 does, and each layer changes the gradient by the
        // root of that, 0.04; thirteen of them by 0.14, and with the few values of the last layers it may be thrice that.
        assert!(error <= 0.4 * size + 1e-12, "{}: off by {error:.1e} of {size:.1e}", parameter.name);
    }
}

#[test]
fn an_overflow_is_survived() {
    let Some(adapter) = adapter::adapter() else { return };
    let (network, lowered) = lowered(adapter.limits());
    let mut gpu = open(&adapter, &lowered);
    let huge = f32::from_bits((127 + 34) << 23);
    begin(&mut gpu, &network, &lowered, huge);
    let before = weights(&mut gpu, &lowered);
    step(&mut gpu, &lowered, 1);
    let after = state(&mut gpu, &lowered);
    assert_eq!((after.scale, after.skip, after.skipped, after.good), (huge / 2.0, 1.0, 1.0, 0.0));
    assert!(weights(&mut gpu, &lowered) == before, "a step that is not taken changes nothing");
    let mut losses: Vec<f64> = (2..40).map(|s| step(&mut gpu, &lowered, s)).collect();
    let end = state(&mut gpu, &lowered);
    assert!(end.skip == 0.0 && end.good > 5.0 && end.skipped > 3.0, "{end:?}");
    assert_eq!(end.scale, huge / end.skipped.exp2(), "every step that is not taken halves the scale");
    assert!(weights(&mut gpu, &lowered) != before);
    let last = losses.pop().unwrap();
    assert!(last < 0.9 * losses[0], "it learns its batch: {} to {last}", losses[0]);
}

fn config(output_dir: &Path) -> TrainConfig {
    TrainConfig { precision: Precision::Mixed, epochs: 1, ..runs::config(output_dir) }
}

fn session(adapter: &Adapter, config: &TrainConfig) -> Session {
    let data = runs::data();
    let network = config.vgg(data.train.channels(), data.train.classes()).network().unwrap();
    let lowered = lower(&network, &config.settings(&*data.train, adapter.limits())).unwrap();
    Session::new(Box::new(open(adapter, &lowered)), &lowered, network)
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let Some(adapter) = adapter::adapter() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [whole, pieces] = ["whole", "pieces"].map(|name| folder.path().join(name));
    let start = |path: &Path| {
        let config = config(path);
        let directory = RunDirectory::create(&config).unwrap();
        Trainer::new(session(&adapter, &config), config, &runs::data(), directory).unwrap()
    };
    runs::finish(&mut start(&whole));
    let path =
        runs::interrupt(&mut start(&pieces), |event| matches!(event, Event::Step(step) if step.step == 9));
    let checkpoint = Checkpoint::read(&path).unwrap();
    assert_eq!(checkpoint.loss_scale().unwrap().good, 9.0);
    let config = checkpoint.config.resumed_with(&Default::default()).unwrap();
    let directory = RunDirectory::resume(&path, &config).unwrap();
    let mut trainer = Trainer::new(session(&adapter, &config), config, &runs::data(), directory).unwrap();
    trainer.restore(&checkpoint).unwrap();
    runs::finish(&mut trainer);
    runs::assert_same_run(&whole, &pieces);
}
