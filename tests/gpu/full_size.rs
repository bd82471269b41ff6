//! The paper's network at its full size, 134,308,810 parameters at 224x224, on a GPU whose bindings are smaller than
//! its tensors: FC1's weights have 392 MiB, and llvmpipe and WebGPU's defaults bind 128 MiB.

use vgg_wgpu::{
    cpu::CpuExecutor,
    gpu::{GpuExecutor, Options},
    model::{Network, VggConfig},
    ops::{Adam, Control},
    program::{Executor, Lowered, Mode, Pass, Precision, Settings, TensorId, lower},
    rng,
};

use crate::support::adapter::adapter;

const ADAM: Adam = Adam::DEFAULT;
const BATCH: usize = 2;
/// The largest binding of the device here: less than two images of 64 channels, so that images are sliced like FC1.
const BINDING: u64 = 16 << 20;

/// The first values of every parameter, in the device's order.
fn initial(network: &Network) -> Vec<Vec<f32>> {
    let parameters = network.parameters.iter().enumerate();
    parameters.map(|(index, p)| p.layout.to_device(&p.shape, &p.initial(5, index))).collect()
}

fn begin(executor: &mut dyn Executor, lowered: &Lowered, initial: &[Vec<f32>]) {
    for (tensors, values) in lowered.parameters.iter().zip(initial) {
        executor.upload(tensors.value, bytemuck::cast_slice(values)).unwrap();
    }
    let noise = rng::normal(8, 0, BATCH * 28 * 28, 60.0);
    let images: Vec<u8> = noise.iter().map(|v| (v + 90.0).clamp(0.0, 255.0) as u8).collect();
    let identity = [1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(BATCH);
    let control = Control {
        step: 1,
        batch: 1,
        seed_low: 3,
        valid: BATCH as u32,
        learning_rate: 1e-3,
        bias_correction1: 0.1,
        bias_correction2: 0.001,
        ..Control::default()
    };
    let inputs = lowered.inputs;
    executor.upload(inputs.images, &images).unwrap();
    executor.upload(inputs.labels, bytemuck::cast_slice(&[3u32, 7])).unwrap();
    executor.upload(inputs.transforms, bytemuck::cast_slice(&identity)).unwrap();
    executor.upload(inputs.control, bytemuck::bytes_of(&control)).unwrap();
}

fn floats(executor: &mut dyn Executor, tensor: TensorId) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&executor.read(tensor).unwrap())
}

/// The norm of the difference over the norm of the expected values; NaN if any value is.
fn relative_error(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let square = |v: f64| v * v;
    let difference: f64 =
        actual.iter().zip(expected).map(|(&a, &e)| square(f64::from(a) - f64::from(e))).sum();
    (difference / expected.iter().map(|&e| square(f64::from(e))).sum::<f64>()).sqrt()
}

#[test]
fn the_papers_network_trains_a_step_in_slices() {
    let Some(adapter) = adapter() else { return };
    let adapter = adapter.limited(|limits| limits.binding_bytes = limits.binding_bytes.min(BINDING));
    let network = VggConfig::default().network().unwrap();
    assert_eq!(network.values(), 134_308_810);
    let settings = Settings {
        batch: BATCH,
        source: [28, 28],
        mean: vec![0.1307],
        std: vec![0.3081],
        mode: Mode::Train(ADAM.into()),
        precision: Precision::F32,
        limits: adapter.limits(),
    };
    let lowered = lower(&network, &settings).unwrap();
    assert!(
        lowered.program.steps.iter().any(|s| s.label.starts_with("fc1.grad_weight[")),
        "nothing is sliced"
    );
    let fc1 = network.parameters.iter().position(|p| p.name == "classifier.0.weight").unwrap();
    let gradient = |index: usize| lowered.parameters[index].gradient.unwrap();
    let looked_at = [
        // Sixteen layers of sums of up to 25,088 terms, each off by about sqrt(terms) eps / 2: some 1e-5 each.
        ("loss", lowered.inputs.loss, 1e-4),
        // After ReLUs and pools a rounding occasionally flips a mask. A fraction f of flipped gradients is an error of
        // sqrt(f), so 1e-3 and 5e-2 allow one in a million after two layers, and one in 400 after forty.
        ("fc1's gradient", gradient(fc1), 1e-3),
        ("conv1_1's gradient", gradient(0), 5e-2),
    ];
    let initial = initial(&network);
    let mut cpu = CpuExecutor::<f32>::new(lowered.program.clone());
    begin(&mut cpu, &lowered, &initial);
    cpu.run(Pass::Train).unwrap();
    let expected = looked_at.map(|(_, tensor, _)| floats(&mut cpu, tensor));
    drop(cpu);

    let mut gpu = GpuExecutor::open(&adapter, lowered.program.clone(), &Options::default()).unwrap();
    begin(&mut gpu, &lowered, &initial);
    gpu.run(Pass::Train).unwrap();
    for ((name, tensor, tolerance), expected) in looked_at.into_iter().zip(expected) {
        let actual = floats(&mut gpu, tensor);
        let error = relative_error(&actual, &expected);
        println!("{name}: relative error {error:.2e}");
        assert!(error <= tolerance, "{name}: relative error {error:e} is above {tolerance:e}");
    }
    let before = &initial[fc1];
    let after = floats(&mut gpu, lowered.parameters[fc1].value);
    let moved = before.iter().zip(&after).filter(|(b, a)| b != a).count();
    assert!(moved > before.len() / 10, "Adam moved {moved} of {} weights of FC1", before.len());
}
