//! Mixed precision on a GPU: a step against f64, an overflow, a resumed run.
//!
//! Needs an adapter with 16-bit floats; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

use std::path::Path;

use half::f16;
use vgg_wgpu::{
    cpu::CpuExecutor,
    dtype::DType,
    gpu::{Adapter, GpuExecutor, Options},
    model::{Architecture, Network, VggConfig},
    ops::{Access, Adam, LossScale},
    program::{DeviceLimits, Executor, Lowered, Mode, Pass, Precision, Program, Role, Settings, lower},
    train::{Checkpoint, Event, RunDirectory, Session, TrainConfig, Trainer},
    weights::Part,
};

use crate::support::{self, adapter, runs};

const BATCH: usize = 8;
const ADAM: Adam = support::ADAM;

fn network() -> Network {
    let config = VggConfig { image_size: [28, 28], width: 0.125, hidden: Some(32), ..VggConfig::default() };
    config.network().unwrap()
}

fn lowered(network: &Network, limits: DeviceLimits) -> Lowered {
    let [mean, std] = support::MEAN_STD.map(|v| vec![v]);
    let settings = Settings {
        batch: BATCH,
        source: [28, 28],
        mean,
        std,
        mode: Mode::Train(ADAM.into()),
        precision: Precision::Mixed,
        limits,
    };
    lower(network, &settings).unwrap()
}

/// Uploads the first weights, a batch and the state of the scaling.
fn begin(executor: &mut dyn Executor, network: &Network, lowered: &Lowered, scale: f32) {
    for (index, (parameter, tensors)) in network.parameters.iter().zip(&lowered.parameters).enumerate() {
        let values = parameter.layout.to_device(&parameter.shape, &parameter.initial(3, index));
        executor.upload(tensors.value, bytemuck::cast_slice(&values)).unwrap();
    }
    let data = runs::data().train;
    let images: Vec<u8> = (0..BATCH).flat_map(|index| data.image(index).unwrap()).collect();
    let labels: Vec<u32> = (0..BATCH).map(|index| data.label(index)).collect();
    let inputs = lowered.inputs;
    executor.upload(inputs.images, &images).unwrap();
    executor.upload(inputs.labels, bytemuck::cast_slice(&labels)).unwrap();
    let identity = [1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(BATCH);
    executor.upload(inputs.transforms, bytemuck::cast_slice(&identity)).unwrap();
    let state = LossScale { scale, ..LossScale::initial() };
    executor.upload(lowered.loss_scale.unwrap(), bytemuck::bytes_of(&state)).unwrap();
}

fn prepare(executor: &mut dyn Executor, lowered: &Lowered, step: u32) {
    let control = support::control(&ADAM, step, 77, BATCH, 1e-3);
    executor.upload(lowered.inputs.control, bytemuck::bytes_of(&control)).unwrap();
}

/// One step; the mean loss.
fn step(executor: &mut dyn Executor, lowered: &Lowered, step: u32) -> f64 {
    prepare(executor, lowered, step);
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

/// The reference as an ideal device would run it in mixed precision: sums in f64, and every f16 tensor rounded once, when it
/// is written. F16 tensors share no memory with others, so that the host may write to them.
struct Ideal {
    executor: CpuExecutor<f64>,
    program: Program,
}

impl Ideal {
    fn new(mut program: Program) -> Self {
        for tensor in program.tensors.iter_mut().filter(|tensor| tensor.dtype == DType::F16) {
            tensor.role = Role::Output;
        }
        Self { executor: CpuExecutor::new(program.clone()), program }
    }

    fn run(&mut self) {
        for index in self.program.pass(Pass::Train) {
            self.executor.queue(index..index + 1).unwrap();
            let step = &self.program.steps[index];
            for (operand, view) in step.op.operands().iter().zip(&step.args) {
                if operand.dtype == DType::F16 && operand.access != Access::Read {
                    let mut values = self.executor.read_scalars(view.tensor);
                    values.iter_mut().for_each(|value| *value = f16::from_f64(*value).to_f64());
                    self.executor.write_scalars(view.tensor, &values).unwrap();
                }
            }
        }
    }
}

/// The factor by which a real device may be further from f64 than the ideal one. It rounds at most twice as often: when it stores,
/// and when it normalises in a prologue or casts. The errors, from rounding and from ReLUs and maxima that decide the other way,
/// have random signs, so their squares add up: the root of 2. Another root of 2 allows for the spread among samples.
const BEYOND_IDEAL: f64 = 2.0;

#[test]
fn a_step_is_as_close_to_f64_as_on_an_ideal_device() {
    compare_with_ideal(&network());
}

/// There ReLU is a separate operation, from f16 to f16.
#[test]
fn a_step_without_batch_norm_is_as_close_to_f64_as_on_an_ideal_device() {
    // The last pooling has 2x2 output pixels; average pooling turns them into 3x3, each the mean of one, two or four.
    let config =
        VggConfig { model: Architecture::Vgg11, image_size: [48, 48], avgpool: 3, ..network().config };
    compare_with_ideal(&config.network().unwrap());
}

fn compare_with_ideal(network: &Network) {
    let Some(adapter) = adapter::adapter() else { return };
    let lowered = lowered(network, adapter.limits());
    let scale = LossScale::initial().scale;
    let mut reference = CpuExecutor::<f64>::new(lowered.program.clone());
    let mut ideal = Ideal::new(lowered.program.clone());
    let mut gpu = open(&adapter, &lowered);
    for executor in [&mut reference as &mut dyn Executor, &mut ideal.executor, &mut gpu] {
        begin(executor, network, &lowered, scale);
        prepare(executor, &lowered, 1);
    }
    reference.run(Pass::Train).unwrap();
    ideal.run();
    gpu.run(Pass::Train).unwrap();
    let mut read = |tensor| {
        [&mut reference as &mut dyn Executor, &mut ideal.executor, &mut gpu].map(|executor| {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&executor.read(tensor).unwrap());
            values.into_iter().map(f64::from).collect::<Vec<_>>()
        })
    };
    // Errors of the ideal device and of the real one, as fractions of each tensor's size.
    let mut compare = |name: &str, tensor| {
        let [reference, ideal, found] = read(tensor);
        assert!(found.iter().all(|value| value.is_finite()), "{name}");
        let size = rms(reference.iter().copied());
        // The bias before a batch norm.
        if size == 0.0 {
            assert!(found.iter().all(|&value| value == 0.0), "{name}: the gradient is not 0");
            return None;
        }
        let off = |values: &[f64]| rms(reference.iter().zip(values).map(|(a, b)| a - b)) / size;
        // A few roundings of f32 are added, which matter if f16 loses little.
        Some((name.to_owned(), off(&ideal) + 16.0 * f64::from(f32::EPSILON), off(&found)))
    };
    let (_, allowed, error) = compare("loss", lowered.inputs.loss).unwrap();
    assert!(error <= BEYOND_IDEAL * allowed, "loss: off by {error:.1e}, an ideal device by {allowed:.1e}");
    let gradients: Vec<(String, f64, f64)> = network
        .parameters
        .iter()
        .zip(&lowered.parameters)
        .filter_map(|(parameter, tensors)| compare(&parameter.name, tensors.gradient?))
        .collect();
    let ideal = rms(gradients.iter().map(|gradient| gradient.1));
    let found = rms(gradients.iter().map(|gradient| gradient.2));
    println!("gradients: off by {found:.2e}, an ideal device by {ideal:.2e}");
    assert!(ideal < 0.5, "an ideal device is off by {ideal:.1e}: nothing is checked");
    assert!(found <= BEYOND_IDEAL * ideal, "gradients: off by {found:.1e}, an ideal device by {ideal:.1e}");
    for (name, own, found) in gradients {
        // If few values decide the other way, some do on one device and none on another: such a tensor may be off by as much as
        // the others.
        let allowed = BEYOND_IDEAL * own.max(ideal);
        assert!(found <= allowed, "{name}: off by {found:.1e}, allowed {allowed:.1e}");
    }
    assert_eq!(state(&mut gpu, &lowered), state(&mut reference, &lowered));
}

#[test]
fn an_overflow_is_survived() {
    let Some(adapter) = adapter::adapter() else { return };
    let network = network();
    let lowered = lowered(&network, adapter.limits());
    let mut gpu = open(&adapter, &lowered);
    let huge = f32::from_bits((127 + 34) << 23);
    begin(&mut gpu, &network, &lowered, huge);
    let before = weights(&mut gpu, &lowered);
    step(&mut gpu, &lowered, 1);
    let after = state(&mut gpu, &lowered);
    assert_eq!((after.scale, after.skip, after.skipped, after.good), (huge / 2.0, 1.0, 1.0, 0.0));
    assert!(weights(&mut gpu, &lowered) == before, "a skipped step changes nothing");
    let mut losses: Vec<f64> = (2..40).map(|s| step(&mut gpu, &lowered, s)).collect();
    let end = state(&mut gpu, &lowered);
    assert!(end.skip == 0.0 && end.good > 5.0 && end.skipped > 3.0, "{end:?}");
    assert_eq!(end.scale, huge / end.skipped.exp2(), "every skipped step halves the scale");
    assert!(weights(&mut gpu, &lowered) != before);
    let last = losses.pop().unwrap();
    assert!(last < 0.9 * losses[0], "it learns its batch: {} to {last}", losses[0]);
}

fn config(output_dir: &Path) -> TrainConfig {
    let model = Architecture::Vgg11Bn;
    TrainConfig { precision: Precision::Mixed, model, steps: Some(12), ..runs::config(output_dir) }
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
    let (_, scale) = checkpoint.parts().find(|(part, _)| *part == Part::LossScale).unwrap();
    assert_eq!(scale[1], 9.0, "good steps");
    let config = checkpoint.config.resumed_with(&Default::default()).unwrap();
    let (directory, _) = RunDirectory::resume(&path, None).unwrap();
    let mut trainer = Trainer::new(session(&adapter, &config), config, &runs::data(), directory).unwrap();
    trainer.restore(&checkpoint).unwrap();
    runs::finish(&mut trainer);
    runs::assert_same_run(&whole, &pieces);
}
