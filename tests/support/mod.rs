//! Code shared by several tests: comparing numbers, running one operation or a small network, whole runs, data sets, the
//! adapter.

#![allow(dead_code, unused_macros, unused_imports, reason = "each test binary uses its own part")]

pub mod adapter;
pub mod command;
mod golden;
pub mod quantized;
pub mod runs;
pub mod synthetic;

use std::{collections::BTreeMap, process::Command};

use vgg_wgpu::{
    cpu::{CpuExecutor, Scalar, instruction_sets},
    dtype::DType,
    model::{Network, VggConfig},
    ops::{Adam, Control, Op},
    program::{DeviceLimits, Executor, Lowered, Mode, Pass, Precision, Program, Settings, TensorId, lower},
    shape::Shape,
    verify::check,
};

pub(crate) use golden::{Golden, both, golden_network};
pub use vgg_wgpu::verify::Tolerance;

/// As [`check`], but panics with the difference.
#[track_caller]
pub fn compare(name: &str, shape: &Shape, actual: &[f64], expected: &[f64], tolerance: Tolerance) {
    if let Err(difference) = check(name, shape, actual, expected, tolerance) {
        panic!("{difference}");
    }
}

/// Runs those tests of this binary whose names contain `filter` again, on each instruction set of this machine (AVX-512, AVX2,
/// NEON, scalar) but the widest. Does nothing if `VGG_SIMD` has picked one.
#[track_caller]
pub fn on_narrower_instruction_sets(filter: &str) {
    if std::env::var_os("VGG_SIMD").is_some() {
        return;
    }
    for set in &instruction_sets()[1..] {
        let binary = std::env::current_exe().unwrap();
        let output = Command::new(binary).arg(filter).env("VGG_SIMD", set).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "on {set}:\n{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains(" 0 passed"), "on {set}: no test is called {filter:?}");
    }
}

/// The machine epsilon of a scalar type.
pub fn epsilon<S: Scalar>() -> f64 {
    if size_of::<S>() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON }
}

/// The largest magnitude.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| if v.abs() > most || v.is_nan() { v.abs() } else { most })
}

/// Fills a tensor of any type from `f64` values.
pub fn write<S: Scalar>(executor: &mut CpuExecutor<S>, tensor: TensorId, values: &[f64]) {
    match executor.program().tensor(tensor).dtype {
        DType::F32 | DType::F16 => {
            let scalars: Vec<S> = values.iter().map(|&v| S::of(v)).collect();
            executor.write_scalars(tensor, &scalars)
        }
        DType::U32 => {
            let words: Vec<u32> = values.iter().map(|&v| v as u32).collect();
            executor.upload(tensor, bytemuck::cast_slice(&words))
        }
        DType::U8 => executor.upload(tensor, &values.iter().map(|&v| v as u8).collect::<Vec<u8>>()),
    }
    .unwrap();
}

/// The contents of a tensor of any type, as `f64`.
pub fn read<S: Scalar>(executor: &mut CpuExecutor<S>, tensor: TensorId) -> Vec<f64> {
    match executor.program().tensor(tensor).dtype {
        DType::F32 | DType::F16 => executor.read_scalars(tensor).into_iter().map(Scalar::f64).collect(),
        DType::U32 => {
            let bytes = executor.read(tensor).unwrap();
            bytes.chunks_exact(4).map(|b| f64::from(bytemuck::pod_read_unaligned::<u32>(b))).collect()
        }
        DType::U8 => executor.read(tensor).unwrap().into_iter().map(f64::from).collect(),
    }
}

/// Runs one operation on named operands; the result holds every operand by name afterwards.
///
/// Other operands are initialised with NaN, which shows what the operation does not write.
pub fn run_op<S: Scalar>(
    op: impl Into<Op>,
    control: Control,
    given: &[(&str, &[f64])],
) -> BTreeMap<&'static str, Vec<f64>> {
    let op = op.into();
    let operands = op.operands();
    for (name, _) in given {
        assert!(operands.iter().any(|o| o.name == *name), "{} has no operand {name}", op.name());
    }
    let mut executor = CpuExecutor::<S>::new(Program::single(op));
    for (index, operand) in operands.iter().enumerate() {
        let id = TensorId(index);
        match given.iter().find(|(name, _)| *name == operand.name) {
            Some((_, values)) => write(&mut executor, id, values),
            None if operand.name == "control" => {
                executor.upload(id, bytemuck::bytes_of(&control)).unwrap();
            }
            None => write(&mut executor, id, &vec![f64::NAN; operand.shape.elements()]),
        }
    }
    executor.run(Pass::Train).unwrap();
    operands.iter().enumerate().map(|(i, o)| (o.name, read(&mut executor, TensorId(i)))).collect()
}

/// The optimiser's constants that the tests train with.
pub const ADAM: Adam = Adam::DEFAULT;
/// The normalisation of the test images.
pub const MEAN_STD: [f32; 2] = [0.1307, 0.3081];

/// The control block of optimiser step `step`, counted from 1.
pub fn control(adam: &Adam, step: u32, seed: u64, valid: usize, learning_rate: f32) -> Control {
    let correction = |beta: f32| (1.0 - f64::from(beta).powi(step as i32)) as f32;
    Control {
        step,
        batch: step,
        seed_low: seed as u32,
        seed_high: (seed >> 32) as u32,
        valid: valid as u32,
        learning_rate,
        bias_correction1: correction(adam.beta1),
        bias_correction2: correction(adam.beta2),
        ..Control::default()
    }
}

/// A network that is lowered and on the CPU.
pub struct Fixture<S: Scalar> {
    pub network: Network,
    pub lowered: Lowered,
    pub executor: CpuExecutor<S>,
    pub batch: usize,
}

/// A program and its executor for images of the network's size, with initial parameters and one batch of
/// deterministic images and labels.
pub fn fixture<S: Scalar>(config: VggConfig, batch: usize, limits: DeviceLimits) -> Fixture<S> {
    fixture_of(config, batch, limits, Mode::Train(ADAM.into()))
}

/// As [`fixture`], for any mode.
pub fn fixture_of<S: Scalar>(
    config: VggConfig,
    batch: usize,
    limits: DeviceLimits,
    mode: Mode,
) -> Fixture<S> {
    let network = config.network().unwrap();
    let [mean, std] = MEAN_STD.map(|v| vec![v; network.config.channels]);
    let source = network.config.image_size;
    let settings = Settings { batch, source, mean, std, mode, precision: Precision::F32, limits };
    let lowered = lower(&network, &settings).unwrap();
    let mut executor = CpuExecutor::<S>::new(lowered.program.clone());
    for (index, parameter) in network.parameters.iter().enumerate() {
        let values = parameter.layout.to_device(&parameter.shape, &parameter.initial(3, index));
        executor.upload(lowered.parameters[index].value, bytemuck::cast_slice(&values)).unwrap();
    }
    let pixels = executor.program().tensor(lowered.inputs.images).shape.elements();
    let noise = vgg_wgpu::rng::normal(9, 0, pixels, 60.0);
    let images: Vec<u8> = noise.iter().map(|v| (v + 100.0).clamp(0.0, 255.0) as u8).collect();
    let labels: Vec<u32> = (0..batch as u32).map(|n| n * 7 % network.config.classes as u32).collect();
    let identity = [1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(batch);
    let inputs = lowered.inputs;
    executor.upload(inputs.images, &images).unwrap();
    executor.upload(inputs.labels, bytemuck::cast_slice(&labels)).unwrap();
    executor.upload(inputs.transforms, bytemuck::cast_slice(&identity)).unwrap();
    let mut fixture = Fixture { network, lowered, executor, batch };
    fixture.control(1, 1e-3);
    fixture
}

impl<S: Scalar> Fixture<S> {
    /// Uploads the control block of a step.
    pub fn control(&mut self, step: u32, learning_rate: f32) {
        let control = control(&ADAM, step, 77, self.batch, learning_rate);
        self.executor.upload(self.lowered.inputs.control, bytemuck::bytes_of(&control)).unwrap();
    }

    /// Runs training steps 1 to `steps`.
    pub fn train(&mut self, steps: u32, learning_rate: f32) {
        for step in 1..=steps {
            self.control(step, learning_rate);
            self.executor.run(Pass::Train).unwrap();
        }
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> TensorId {
        self.lowered.program.find(name).unwrap_or_else(|| panic!("no tensor {name}"))
    }

    /// The contents of every persistent tensor that training changes, by name.
    pub fn state(&mut self) -> BTreeMap<String, Vec<f64>> {
        let parameters = self.lowered.parameters.clone();
        let ids = parameters.iter().flat_map(|p| {
            [p.value].into_iter().chain(p.gradient).chain(p.state.iter().copied()).chain(p.average)
        });
        let ids: Vec<TensorId> = ids.chain([self.lowered.inputs.metrics]).collect();
        ids.into_iter()
            .map(|id| (self.lowered.program.tensor(id).name.clone(), read(&mut self.executor, id)))
            .collect()
    }
}
