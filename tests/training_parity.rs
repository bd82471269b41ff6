//! Ten training steps of a small network: the GPU against the CPU twin, in f32 and in f64, and against itself.
//!
//! The single kernels are checked elsewhere (`tests/parity`); this checks what they make together: the lowering,
//! the memory plan, the order of the steps and the state that passes from one to the next.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

use vgg_wgpu::{
    cpu::CpuExecutor,
    gpu::{Adapter, GpuExecutor, Options, adapters},
    model::{Network, VggConfig},
    ops::{Adam, Control},
    program::{DeviceLimits, Executor, Lowered, Mode, Pass, Settings, lower},
};

const BATCH: usize = 8;
/// Fewer than [`BATCH`] in the last step, so that padding is on trial too.
const VALID_LAST: usize = 5;
const STEPS: u32 = 10;
const SIDE: usize = 28;
const CLASSES: usize = 10;
const LEARNING_RATE: f32 = 1e-3;
/// So narrow a classifier would begin with logits near 0 and hide every error in front of it. Much more, and kinks (a
/// ReLU or a maximum that flips) throw even two f64 runs apart that begin 1e-7 from each other.
const CLASSIFIER_GAIN: f32 = 6.0;
const SEED: u64 = 0x5eed_0f_0a11;
const ADAM: Adam = Adam { len: 0, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 1e-4 };

fn network() -> Network {
    let image_size = [SIDE, SIDE];
    VggConfig { image_size, width: 0.125, hidden: Some(32), dropout: 0.5, ..VggConfig::default() }
        .network()
        .unwrap()
}

fn lowered(network: &Network, limits: DeviceLimits) -> Lowered {
    let (mean, std) = (vec![0.1307], vec![0.3081]);
    let mode = Mode::Train(ADAM);
    lower(network, &Settings { batch: BATCH, source: [SIDE, SIDE], mean, std, mode, limits }).unwrap()
}

/// Words that look random, the same in every run.
fn noise(index: u32) -> u32 {
    let x = index.wrapping_mul(0x9E37_79B9) ^ 0x85EB_CA6B;
    let x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D);
    (x ^ (x >> 12)).wrapping_mul(0x297A_2D39) >> 8
}

/// A bright bar at a height that tells the class, over noise.
fn batch(step: u32) -> (Vec<u8>, Vec<u32>) {
    let mut images = Vec::with_capacity(BATCH * SIDE * SIDE);
    let mut labels = Vec::with_capacity(BATCH);
    for n in 0..BATCH {
        let image = step * BATCH as u32 + n as u32;
        let label = noise(image) % CLASSES as u32;
        labels.push(label);
        let top = 4 + 2 * label as usize;
        for pixel in 0..SIDE * SIDE {
            let (y, x) = (pixel / SIDE, pixel % SIDE);
            let bar = (top..top + 3).contains(&y) && (6..22).contains(&x);
            let grain = noise(image * 1009 + pixel as u32) % 60;
            images.push((if bar { 190 } else { 5 } + grain) as u8);
        }
    }
    (images, labels)
}

fn control(step: u32, valid: usize, learning_rate: f32) -> Control {
    let correction = |beta: f32| (1.0 - f64::from(beta).powi(step as i32)) as f32;
    Control {
        step,
        seed_low: SEED as u32,
        seed_high: (SEED >> 32) as u32,
        valid: valid as u32,
        learning_rate,
        bias_correction1: correction(ADAM.beta1),
        bias_correction2: correction(ADAM.beta2),
        ..Control::default()
    }
}

/// What training leaves behind.
struct Outcome {
    /// The mean loss of each step's valid images, and of the evaluation at the end.
    losses: Vec<f64>,
    /// The bytes of every parameter and statistic, in the network's order.
    parameters: Vec<Vec<u8>>,
}

impl Outcome {
    fn values(&self, index: usize) -> Vec<f64> {
        bytemuck::pod_collect_to_vec::<u8, f32>(&self.parameters[index]).into_iter().map(f64::from).collect()
    }
}

fn train(executor: &mut dyn Executor, network: &Network, lowered: &Lowered, learning_rate: f32) -> Outcome {
    for (index, (parameter, tensors)) in network.parameters.iter().zip(&lowered.parameters).enumerate() {
        let mut values = parameter.layout.to_device(&parameter.shape, &parameter.initial(SEED, index));
        if parameter.name.starts_with("classifier.") {
            values.iter_mut().for_each(|v| *v *= CLASSIFIER_GAIN);
        }
        executor.upload(tensors.value, bytemuck::cast_slice(&values)).unwrap();
    }
    let inputs = &lowered.inputs;
    let straight: Vec<f32> = (0..BATCH).flat_map(|_| [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).collect();
    executor.upload(inputs.transforms, bytemuck::cast_slice(&straight)).unwrap();
    let mut losses = Vec::new();
    let mut allocations = None;
    for step in 1..=STEPS + 1 {
        // The evaluation behind the last step takes a fresh batch.
        let pass = if step <= STEPS { Pass::Train } else { Pass::Evaluate };
        let valid = if step == STEPS { VALID_LAST } else { BATCH };
        let (images, labels) = batch(step);
        executor.upload(inputs.images, &images).unwrap();
        executor.upload(inputs.labels, bytemuck::cast_slice(&labels)).unwrap();
        executor.upload(inputs.control, bytemuck::bytes_of(&control(step, valid, learning_rate))).unwrap();
        executor.upload(inputs.metrics, &[0; 16]).unwrap();
        executor.run(pass).unwrap();
        executor.request(inputs.metrics).unwrap();
        let answer = executor.collect(true).unwrap().unwrap();
        let [loss, correct, count, _]: [f32; 4] = bytemuck::pod_read_unaligned(&answer);
        assert_eq!(count, valid as f32);
        assert!(correct <= count);
        losses.push(f64::from(loss) / f64::from(count));
        let before = *allocations.get_or_insert(executor.allocations());
        assert_eq!(executor.allocations(), before, "step {step} allocates");
    }
    let parameters = lowered.parameters.iter().map(|p| executor.read(p.value).unwrap()).collect();
    Outcome { losses, parameters }
}

fn adapter() -> Option<Adapter> {
    if std::env::var_os("VGG_SKIP_GPU").is_some_and(|v| v == "1") {
        eprintln!("skipped: VGG_SKIP_GPU=1");
        return None;
    }
    let adapter = adapters().into_iter().next();
    assert!(adapter.is_some(), "no adapter: run scripts/test, or set VGG_SKIP_GPU=1 to skip these tests");
    adapter
}

fn train_on_gpu(adapter: &Adapter, network: &Network) -> Outcome {
    let lowered = lowered(network, adapter.limits());
    let mut executor = GpuExecutor::open(adapter, lowered.program.clone(), &Options::default())
        .unwrap_or_else(|error| panic!("{error}"));
    train(&mut executor, network, &lowered, LEARNING_RATE)
}

/// The root mean square of the differences; NaN stays NaN.
fn rms(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    (a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / a.len() as f64).sqrt()
}

/// Both devices compute in f32 and differ in nothing but the order of their sums, so the GPU's error against f64 is
/// of the size of the CPU twin's. Which of the two is luckier at a step varies; eight times the twin's worst so far
/// covers that. The test itself checks that one per cent of the learning rate is far outside.
const TIMES_THE_TWIN: f64 = 8.0;

/// For steps where the twin is lucky: f32's rounding (6e-8) times the root of the longest sum (576 products) times
/// the number of layers with sums (16).
const LOSS_FLOOR: f64 = 6e-8 * 24.0 * 16.0;

/// How far Adam can have moved a value.
const REACH: f64 = LEARNING_RATE as f64 * STEPS as f64;

#[test]
fn ten_steps_follow_the_cpu_twin() {
    let Some(adapter) = adapter() else { return };
    let network = network();
    let lowered = lowered(&network, DeviceLimits::NONE);
    let on_f64 =
        |rate| train(&mut CpuExecutor::<f64>::new(lowered.program.clone()), &network, &lowered, rate);
    let truth = on_f64(LEARNING_RATE);
    let other = on_f64(1.01 * LEARNING_RATE);
    let twin =
        train(&mut CpuExecutor::<f32>::new(lowered.program.clone()), &network, &lowered, LEARNING_RATE);
    let gpu = train_on_gpu(&adapter, &network);

    let mut report = String::new();
    let mut worst: f64 = 0.0;
    let (mut follows, mut would_show) = (true, false);
    for (step, truth) in truth.losses.iter().enumerate() {
        let [twin, gpu, other] = [&twin, &gpu, &other].map(|outcome| outcome.losses[step] - truth);
        worst = worst.max(twin.abs());
        let tolerance = TIMES_THE_TWIN * worst + LOSS_FLOOR;
        follows &= gpu.abs() <= tolerance;
        would_show |= other.abs() > 5.0 * tolerance;
        report += &format!(
            "{:3}: f64 {truth:.6}, twin {twin:+.1e}, gpu {gpu:+.1e} of {tolerance:.1e}; rate + 1 % {other:+.1e}\n",
            step + 1
        );
    }
    assert!(follows, "the loss leaves the twin's path\n{report}");
    assert!(would_show, "one per cent of the learning rate would go unseen\n{report}");

    for (index, parameter) in network.parameters.iter().enumerate() {
        let (gpu, truth) = (gpu.values(index), truth.values(index));
        let error = rms(&gpu, &truth);
        // Batch normalisation takes the convolution's bias away again: its gradient is rounding alone, which Adam
        // blows up to full steps of any sign, and the running mean follows it. Elsewhere only the few values whose
        // gradient is almost 0 do that.
        let free = parameter.name.ends_with(".running_mean")
            || (parameter.name.starts_with("features.") && parameter.name.ends_with(".bias"));
        let tolerance = if free { REACH } else { REACH / 50.0 };
        assert!(error <= tolerance, "{}: rms error {error:.1e} of {tolerance:.1e}\n{report}", parameter.name);
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let Some(adapter) = adapter() else { return };
    let network = network();
    let [first, second] = [(); 2].map(|()| train_on_gpu(&adapter, &network));
    assert_eq!(first.losses, second.losses);
    for (index, parameter) in network.parameters.iter().enumerate() {
        assert!(first.parameters[index] == second.parameters[index], "{} differs", parameter.name);
    }
}
