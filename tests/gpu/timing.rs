//! Times by dispatch, split submissions and measured rates of the GPU executor and its CPU twin.
//!
//! Needs an adapter; a software one will do (`scripts/test` installs one). `VGG_SKIP_GPU=1` skips, visibly.

use std::time::Duration;

use vgg_wgpu::{
    cpu::{self, CpuExecutor},
    gpu::{self, Adapter, GpuExecutor, Options},
    ops::{Conv, ConvForward, ConvGradWeight, Op},
    program::{Clock, Executor, Pass, Phase, Program, Role, Step, TensorId, Timed},
};

const CONV: Conv = Conv { n: 4, h: 14, w: 14, c: 32, k: 32 };

/// A convolution and its gradient for the weights, one after the other, each with its own tensors.
fn program() -> Program {
    let mut program = Program::single(ConvForward::plain(CONV).into());
    let second = Program::single(ConvGradWeight::plain(CONV).into());
    let offset = program.tensors.len();
    program.tensors.extend(second.tensors);
    program.steps.extend(second.steps.into_iter().map(|mut step| {
        step.args.iter_mut().for_each(|view| view.tensor = TensorId(view.tensor.0 + offset));
        Step { phase: Phase::Backward, ..step }
    }));
    program
}

fn fill(executor: &mut dyn Executor) {
    let inputs: Vec<(TensorId, usize)> = (0..executor.program().tensors.len())
        .map(TensorId)
        .filter(|&id| executor.program().tensor(id).role == Role::Input)
        .map(|id| (id, executor.program().tensor(id).shape.elements()))
        .collect();
    for (id, len) in inputs {
        let values: Vec<f32> = (0..len).map(|i| ((i * 7919 + id.0) % 1009) as f32 / 500.0 - 1.0).collect();
        executor.upload(id, bytemuck::cast_slice(&values)).unwrap();
    }
}

fn outputs(executor: &mut dyn Executor) -> Vec<Vec<u8>> {
    let all = (0..executor.program().tensors.len()).map(TensorId);
    let written: Vec<TensorId> =
        all.filter(|&id| executor.program().tensor(id).role == Role::Output).collect();
    written.into_iter().map(|id| executor.read(id).unwrap()).collect()
}

fn open(adapter: &Adapter, timestamps: bool, submit_budget: Duration) -> GpuExecutor {
    let options = Options { timestamps, submit_budget, ..Options::default() };
    GpuExecutor::open(adapter, program(), &options).unwrap()
}

/// Every dispatch once, in order, with its kernel's name and a time; the results are those of a run.
#[track_caller]
fn check(executor: &mut dyn Executor, times: &[Timed]) {
    let steps: Vec<usize> = times.iter().map(|t| t.step).collect();
    assert!(steps.is_sorted() && steps.contains(&0) && steps.contains(&1), "{times:?}");
    for time in times {
        let op = executor.program().steps[time.step].op.name();
        assert!(time.kernel.starts_with(&format!("{op}/")), "{time:?}");
        assert!(executor.kernel(time.step).split('.').eq(time.kernel.split('.').take(2)), "{time:?}");
        assert!(time.ns > 0.0 && time.begin_ns >= 0.0, "{time:?}");
    }
    let begins: Vec<f64> = times.iter().map(|t| t.begin_ns).collect();
    assert!(begins.is_sorted() && begins[0] < 1e9, "{begins:?}");
}

#[test]
fn dispatches_are_timed_by_the_device_and_compute_the_same() {
    let adapter = adapter!();
    if !adapter.info().features.timestamps {
        eprintln!("{} has no timestamps", adapter.info());
        return;
    }
    let mut executor = open(&adapter, true, Options::default().submit_budget);
    assert_eq!(executor.clock(), Clock::Device);
    fill(&mut executor);
    executor.run(Pass::Train).unwrap();
    let expected = outputs(&mut executor);
    let allocations = executor.allocations();
    for _ in 0..3 {
        let times = executor.time(0..2).unwrap();
        check(&mut executor, &times);
        let second = executor.time(1..2).unwrap();
        assert!(second.iter().all(|t| t.step == 1) && second[0].begin_ns == 0.0, "{second:?}");
    }
    assert!(executor.time(0..0).unwrap().is_empty());
    assert_eq!(outputs(&mut executor), expected);
    assert_eq!(executor.allocations(), allocations);
}

#[test]
fn without_timestamps_the_host_times_each_step() {
    let adapter = adapter!();
    let mut executor = open(&adapter, false, Options::default().submit_budget);
    assert_eq!(executor.clock(), Clock::Host);
    fill(&mut executor);
    let times = executor.time(0..2).unwrap();
    assert_eq!(times.len(), 2);
    check(&mut executor, &times);
    let mut cpu = CpuExecutor::<f32>::new(program());
    fill(&mut cpu);
    let times = cpu.time(0..2).unwrap();
    assert_eq!((cpu.clock(), times.len()), (Clock::Host, 2));
    check(&mut cpu, &times);
}

/// However many submissions a step takes, the results are the same to the last bit, timed or not.
#[test]
fn split_steps_compute_the_same_bits() {
    let adapter = adapter!();
    let mut whole = open(&adapter, true, Duration::from_secs(3600));
    let mut split = open(&adapter, true, Duration::from_nanos(1));
    for executor in [&mut whole, &mut split] {
        fill(executor);
        for _ in 0..5 {
            executor.run(Pass::Train).unwrap();
        }
    }
    let expected = outputs(&mut whole);
    assert_eq!(outputs(&mut split), expected);
    let times = split.time(0..2).unwrap();
    check(&mut split, &times);
    assert_eq!(outputs(&mut split), expected);
}

/// Measured rates of arithmetic and of copies, and the time that an operation takes at these rates.
#[test]
fn rates_are_measured() {
    let roofline = cpu::roofline();
    // Less than any processor of this century reaches.
    assert!((1e8..1e15).contains(&roofline.flops_per_second), "{roofline:?}");
    assert!((1e8..1e14).contains(&roofline.bytes_per_second), "{roofline:?}");
    let op = Op::from(ConvForward::plain(CONV));
    let by_arithmetic = 1e9 * op.flops() as f64 / roofline.flops_per_second;
    let by_traffic = 1e9 * op.bytes() as f64 / roofline.bytes_per_second;
    // The order of the products may round the last bit differently.
    assert!((roofline.ns(&op) / by_arithmetic.max(by_traffic) - 1.0).abs() <= 4.0 * f64::EPSILON);
    let adapter = adapter!();
    let roofline = gpu::roofline(&adapter).unwrap();
    assert!((1e8..1e15).contains(&roofline.flops_per_second), "{roofline:?}");
    assert!((1e8..1e14).contains(&roofline.bytes_per_second), "{roofline:?}");
}
