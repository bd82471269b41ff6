//! Ten training steps of a small network: the GPU against the CPU twin, in f32 and in f64, and against itself.
//!
//! The single kernels are checked elsewhere (`tests/gpu/parity/`); this checks them together: the lowering, the
//! memory plan, the order of the steps and the state that passes from one to the next.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

use std::time::Duration;

use vgg_wgpu::{
    cpu::CpuExecutor,
    gpu::{Adapter, GpuExecutor, Options},
    model::{Architecture, LayerKind, Network, Norm, Parameter, VggConfig},
    ops::{Adam, Control, Mix, Sgd},
    program::{
        DeviceLimits, Executor, Lowered, Mode, Pass, Precision, Program, Settings, TensorId, Training, lower,
    },
};

use crate::support::adapter;

const BATCH: usize = 8;
/// Fewer than [`BATCH`] in the last step, so that padding is tested too.
const VALID_LAST: usize = 5;
const STEPS: u32 = 10;
const SIDE: usize = 28;
const CLASSES: usize = 10;
const LEARNING_RATE: f32 = 1e-3;
/// A factor for the weights of so narrow a classifier: without it the logits would begin near 0 and hide every error before it;
/// with a much larger one, training becomes chaotic.
const CLASSIFIER_GAIN: f32 = 6.0;
const SEED: u64 = 0x005e_ed0f;
const ADAM: Adam = Adam { weight_decay: 1e-4, ..Adam::DEFAULT };

fn network() -> Network {
    let image_size = [SIDE, SIDE];
    VggConfig { image_size, width: 0.125, hidden: Some(32), dropout: 0.5, ..VggConfig::default() }
        .network()
        .unwrap()
}

fn lowered(network: &Network, training: Training, limits: DeviceLimits) -> Lowered {
    let (mean, std) = (vec![0.1307], vec![0.3081]);
    let mode = Mode::Train(training);
    lower(
        network,
        &Settings { batch: BATCH, source: [SIDE, SIDE], mean, std, mode, precision: Precision::F32, limits },
    )
    .unwrap()
}

/// Pseudorandom words, the same in every run.
fn noise(index: u32) -> u32 {
    let x = index.wrapping_mul(0x9E37_79B9) ^ 0x85EB_CA6B;
    let x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D);
    (x ^ (x >> 12)).wrapping_mul(0x297A_2D39) >> 8
}

/// A bright bar at a height that depends on the class, over noise.
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

fn control(step: u32, valid: usize) -> Control {
    let correction = |beta: f32| (1.0 - f64::from(beta).powi(step as i32)) as f32;
    Control {
        step,
        batch: step,
        seed_low: SEED as u32,
        seed_high: (SEED >> 32) as u32,
        valid: valid as u32,
        learning_rate: LEARNING_RATE,
        bias_correction1: correction(ADAM.beta1),
        bias_correction2: correction(ADAM.beta2),
        range_momentum: 0.25,
        ..Control::default()
    }
}

/// Uploads the initial weights and everything else that is constant.
fn begin(executor: &mut dyn Executor, network: &Network, lowered: &Lowered) {
    // A convolution from C to K channels multiplies the mean square by C / K: by 8 / 512 in all after the last, an eighth of
    // the size. Without batch norm the classifier's three layers compensate for that.
    let gain = CLASSIFIER_GAIN * if network.config.model.batch_norm() { 1.0 } else { 2.0 };
    for (index, (parameter, tensors)) in network.parameters.iter().zip(&lowered.parameters).enumerate() {
        let mut values = parameter.layout.to_device(&parameter.shape, &parameter.initial(SEED, index));
        if parameter.name.starts_with("classifier.") {
            values.iter_mut().for_each(|v| *v *= gain);
        }
        executor.upload(tensors.value, bytemuck::cast_slice(&values)).unwrap();
    }
    let straight: Vec<f32> = (0..BATCH).flat_map(|_| [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).collect();
    executor.upload(lowered.inputs.transforms, bytemuck::cast_slice(&straight)).unwrap();
    if let Some(mixes) = lowered.inputs.mixes {
        executor.upload(mixes, bytemuck::cast_slice(&mixed_images())).unwrap();
    }
}

/// Mixup, CutMix and erased rectangles in turn, and images as they are.
fn mixed_images() -> Vec<Mix> {
    let each = [
        Mix { share: 0.75, target: 0.75, ..Mix::NONE },
        Mix { swapped: [4.0, 4.0, 12.0, 20.0], target: 0.8, ..Mix::NONE },
        Mix { erased: [0.0, 6.0, 9.0, 13.0], ..Mix::NONE },
        Mix::NONE,
    ];
    each.into_iter().cycle().take(BATCH).collect()
}

/// Runs a step, or the evaluation after the last one, and returns the mean loss of the valid images.
fn run(executor: &mut dyn Executor, lowered: &Lowered, step: u32) -> f64 {
    let inputs = &lowered.inputs;
    let pass = if step <= STEPS { Pass::Train } else { Pass::Evaluate };
    let valid = if step == STEPS { VALID_LAST } else { BATCH };
    let (images, labels) = batch(step);
    executor.upload(inputs.images, &images).unwrap();
    executor.upload(inputs.labels, bytemuck::cast_slice(&labels)).unwrap();
    executor.upload(inputs.control, bytemuck::bytes_of(&control(step, valid))).unwrap();
    executor.upload(inputs.metrics, &[0; 16]).unwrap();
    executor.run(pass).unwrap();
    executor.request(inputs.metrics).unwrap();
    let answer = executor.collect(true).unwrap().unwrap();
    let [loss, correct, count, _]: [f32; 4] = bytemuck::pod_read_unaligned(&answer);
    assert_eq!(count, valid as f32);
    assert!(correct <= count);
    f64::from(loss) / f64::from(count)
}

fn open(adapter: &Adapter, program: Program) -> GpuExecutor {
    GpuExecutor::open(adapter, program, &Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// All steps and the evaluation: the losses, and the bytes of every parameter and statistic.
fn train(executor: &mut dyn Executor, network: &Network, lowered: &Lowered) -> (Vec<f64>, Vec<Vec<u8>>) {
    begin(executor, network, lowered);
    let mut losses = vec![run(executor, lowered, 1)];
    let allocations = executor.allocations();
    losses.extend((2..=STEPS + 1).map(|step| run(executor, lowered, step)));
    assert_eq!(executor.allocations(), allocations, "steps allocate");
    (losses, lowered.parameters.iter().map(|p| executor.read(p.value).unwrap()).collect())
}

/// The tensors that pass from one step to the next, with the parameter that they belong to and a word for each.
fn state<'a>(
    network: &'a Network,
    lowered: &'a Lowered,
) -> impl Iterator<Item = (&'a Parameter, &'static str, TensorId)> {
    network.parameters.iter().zip(&lowered.parameters).flat_map(|(parameter, tensors)| {
        let memory = tensors.state.iter().map(|&id| ("state", id));
        let average = tensors.average.map(|id| ("average", id));
        let all = [("value", tensors.value)].into_iter().chain(memory).chain(average);
        all.map(move |(what, id)| (parameter, what, id))
    })
}

fn read(executor: &mut dyn Executor, tensor: TensorId) -> Vec<f64> {
    let bytes = executor.read(tensor).unwrap();
    bytemuck::pod_collect_to_vec::<u8, f32>(&bytes).into_iter().map(f64::from).collect()
}

/// The root mean square; NaN stays NaN.
fn rms(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    (values.map(|v| v * v).sum::<f64>() / count).sqrt()
}

/// Rounding of f32 (6e-8) times the root of the longest sum (576 products) times the number of layers with sums (16).
const LOSS_TOLERANCE: f64 = 6e-8 * 24.0 * 16.0;

/// The allowed root mean square of a tensor's error after one step; `size` is that of the reference.
fn tolerance(network: &Network, parameter: &Parameter, what: &str, size: f64) -> f64 {
    // Batch normalisation cancels the convolution's bias, so its gradient consists of rounding errors, which Adam amplifies
    // to whole steps of any sign.
    let noise = network.config.model.batch_norm()
        && network.layers.iter().any(|layer| match layer.kind {
            LayerKind::Conv(conv) => network.parameters[conv.bias].name == parameter.name,
            _ => false,
        });
    let rate = f64::from(LEARNING_RATE);
    match what {
        // One of 255 steps.
        _ if parameter.name.ends_with(".range") => size / 255.0,
        // A ReLU that flips at 0 because of a rounding is one of 512 in the last layers, 4 % of a gradient's size, and the
        // layers before it have more. The kernels' own tolerances are tight; this test is about how they are connected.
        "state" if !noise => 0.25 * size + 1e-12,
        "state" => 1e-5,
        // Adam moves a value by about the learning rate; values whose gradient is nearly 0 may move either way.
        _ if noise => 2.5 * rate,
        _ if parameter.trained() => 0.6 * rate,
        _ => 1e-5 * size.max(1.0),
    }
}

/// The device fuses the update of linear layers with their gradient; the reference stores the gradient first.
#[test]
fn each_step_matches_f64_from_the_same_state() {
    follow(&network(), Training { fused_update: true, ..ADAM.into() });
}

/// There ReLU is a separate operation, forwards and backwards.
#[test]
fn each_step_without_batch_norm_and_with_average_pooling_matches_f64() {
    // The last pooling has 2x2 output pixels; average pooling turns them into 3x3, each the mean of one, two or four.
    let config =
        VggConfig { model: Architecture::Vgg11, image_size: [48, 48], avgpool: 3, ..network().config };
    follow(&config.network().unwrap(), Training { fused_update: true, ..ADAM.into() });
}

/// Norms of each image or pixel by itself.
#[test]
fn each_step_with_group_and_layer_norm_matches_f64() {
    for norm in [Norm::Group(4), Norm::Layer, Norm::Layer2d] {
        let config = VggConfig { norm: Some(norm), ..network().config };
        follow(&config.network().unwrap(), Training { fused_update: true, ..ADAM.into() });
    }
}

/// Quantisation-aware training. A value next to a half may round to another step of 255 than in f64, which moves the loss by more than
/// roundings do.
#[test]
fn each_step_with_roundings_is_near_f64() {
    let config = VggConfig { qat: true, ..network().config };
    let network = config.network().unwrap();
    assert_eq!(network.parameters.iter().filter(|p| p.name.ends_with(".range")).count(), 15);
    follow_within(1e-2, &network, Training { fused_update: true, ..ADAM.into() });
}

/// All other options of a training step.
#[test]
fn each_step_with_momentum_penalty_clipping_smoothing_and_an_average_matches_f64() {
    let sgd = Sgd { len: 0, momentum: 0.9, nesterov: true, weight_decay: 1e-4, scaled: false, sparse: false };
    let training = Training {
        label_smoothing: 0.1,
        mixed: true,
        reflect: true,
        bn_l1: 1e-2,
        // A norm that most steps exceed.
        clip_grad_norm: Some(2.0),
        average: Some(0.9),
        ..sgd.into()
    };
    follow(&network(), training);
}

fn follow(network: &Network, training: Training) {
    follow_within(LOSS_TOLERANCE, network, training);
}

fn follow_within(loss_tolerance: f64, network: &Network, training: Training) {
    let Some(adapter) = adapter::adapter() else { return };
    let plain = Training { fused_update: false, ..training };
    let whole = lowered(network, plain, DeviceLimits::NONE);
    let sliced = lowered(network, training, adapter.limits());
    let mut reference = CpuExecutor::<f64>::new(whole.program.clone());
    let mut gpu = open(&adapter, sliced.program.clone());
    begin(&mut reference, network, &whole);
    begin(&mut gpu, network, &sliced);
    // Training is chaotic: two f64 runs that begin 1e-6 apart can be 0.1 apart after ten steps, if a ReLU or a
    // maximum flips. So every step begins with the reference's state.
    for step in 1..=STEPS + 1 {
        for ((_, _, from), (_, _, to)) in state(network, &whole).zip(state(network, &sliced)) {
            let data = reference.read(from).unwrap();
            reference.upload(from, &data).unwrap();
            gpu.upload(to, &data).unwrap();
        }
        let [expected, found] = [run(&mut reference, &whole, step), run(&mut gpu, &sliced, step)];
        let error = (found - expected).abs();
        assert!(error <= loss_tolerance, "step {step}: loss {found}, f64 {expected}");
        for ((parameter, what, from), (_, _, to)) in state(network, &whole).zip(state(network, &sliced)) {
            let [expected, found] = [read(&mut reference, from), read(&mut gpu, to)];
            let error = rms(expected.iter().zip(&found).map(|(a, b)| a - b));
            let tolerance = tolerance(network, parameter, what, rms(expected.iter().copied()));
            assert!(
                error <= tolerance,
                "step {step}: {} {what} is off by {error:.1e} of {tolerance:.1e}",
                parameter.name
            );
        }
    }
}

/// A run with its own state may diverge from the reference, but not far.
#[test]
fn ten_steps_in_sequence_stay_near_the_reference() {
    let Some(adapter) = adapter::adapter() else { return };
    let network = network();
    let [whole, sliced] =
        [DeviceLimits::NONE, adapter.limits()].map(|limits| lowered(&network, ADAM.into(), limits));
    let (reference, _) = train(&mut CpuExecutor::<f64>::new(whole.program.clone()), &network, &whole);
    let (gpu, _) = train(&mut open(&adapter, sliced.program.clone()), &network, &sliced);
    for (step, (reference, gpu)) in reference.iter().zip(&gpu).enumerate() {
        let tolerance = if step == 0 { LOSS_TOLERANCE } else { 0.1 };
        assert!((gpu - reference).abs() <= tolerance, "step {}: loss {gpu}, f64 {reference}", step + 1);
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_in_any_number_of_submissions() {
    let Some(adapter) = adapter::adapter() else { return };
    let network = network();
    let lowered = lowered(&network, ADAM.into(), adapter.limits());
    let day = Duration::from_secs(86_400);
    // Each step as a whole, and each dispatch by itself.
    let [first, second] = [day, Duration::from_nanos(1)].map(|submit_budget| {
        let options = Options { submit_budget, ..Options::default() };
        let mut executor = GpuExecutor::open(&adapter, lowered.program.clone(), &options).unwrap();
        train(&mut executor, &network, &lowered)
    });
    assert_eq!(first.0, second.0);
    for (index, parameter) in network.parameters.iter().enumerate() {
        assert!(first.1[index] == second.1[index], "{} differs", parameter.name);
    }
}
