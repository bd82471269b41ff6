//! The time of training steps on the CPU executor, without anything around them.
//!
//!     cargo bench --bench cpu_step -- --batch 64 --width 0.25 --hidden 512 --steps 5 [--side 28] [--by-op]
//!
//! Prints one line a step: images per second. With `--serve` it takes turns as the peers of `scripts/compare
//! --cpu-time` do: a JSON object after the first step, then one more for each line `N` on standard input, after N
//! steps. With `--by-op` it runs each operation of the step alone and prints where the time goes.

use std::{
    collections::BTreeMap,
    io::{BufRead, stdin},
    time::Instant,
};

use vgg_wgpu::{
    cpu::CpuExecutor,
    model::VggConfig,
    ops::{Adam, Control},
    program::{DeviceLimits, Executor, Lowered, Mode, Pass, Precision, Program, Settings, Step, lower},
};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let flag = |name: &str| arguments.iter().any(|a| a == name);
    let value = |name: &str, default: f64| {
        let at = arguments.iter().position(|a| a == name);
        at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
    };
    let (batch, side) = (value("--batch", 16.0) as usize, value("--side", 28.0) as usize);
    let hidden = value("--hidden", 0.0) as usize;
    let config = VggConfig {
        image_size: [side, side],
        width: value("--width", 1.0),
        hidden: (hidden > 0).then_some(hidden),
        ..VggConfig::default()
    };
    let network = config.network().expect("a network");
    let settings = Settings {
        batch,
        source: [28, 28],
        mean: vec![0.1307],
        std: vec![0.3081],
        mode: Mode::Train(Adam::DEFAULT.into()),
        precision: Precision::F32,
        limits: DeviceLimits::NONE,
    };
    let lowered = lower(&network, &settings).expect("a program");
    let mut executor = CpuExecutor::<f32>::new(lowered.program.clone());
    for (index, (parameter, tensors)) in network.parameters.iter().zip(&lowered.parameters).enumerate() {
        let values = parameter.layout.to_device(&parameter.shape, &parameter.initial(1, index));
        executor.upload(tensors.value, bytemuck::cast_slice(&values)).expect("a parameter");
    }
    inputs(&mut executor, &lowered, batch);
    let mut steps = 0;
    let mut step = |executor: &mut CpuExecutor<f32>| {
        steps += 1;
        let control = Control {
            step: steps,
            valid: batch as u32,
            learning_rate: 1e-3,
            bias_correction1: (1.0 - 0.9f64.powi(steps as i32)) as f32,
            bias_correction2: (1.0 - 0.999f64.powi(steps as i32)) as f32,
            ..Control::default()
        };
        executor.upload(lowered.inputs.control, bytemuck::bytes_of(&control)).expect("a control block");
        let start = Instant::now();
        executor.run(Pass::Train).expect("a step");
        start.elapsed().as_secs_f64()
    };
    if flag("--by-op") {
        return by_op(&lowered.program);
    }
    let mut turn = |steps: usize| {
        let seconds: f64 = (0..steps).map(|_| step(&mut executor)).sum();
        let losses = executor.read(lowered.inputs.loss).expect("losses");
        let losses: &[f32] = bytemuck::cast_slice(&losses);
        (seconds, losses.iter().sum::<f32>() / batch as f32)
    };
    let say = |(seconds, loss): (f64, f32)| println!(r#"{{"seconds": {seconds}, "loss": {loss}}}"#);
    let first = turn(1);
    if flag("--serve") {
        say(first);
        for line in stdin().lock().lines() {
            say(turn(line.expect("a line").parse().expect("a number of steps")));
        }
    } else {
        for _ in 0..value("--steps", 5.0) as usize {
            println!("{:.1} images/s", batch as f64 / turn(1).0);
        }
    }
}

fn inputs(executor: &mut CpuExecutor<f32>, lowered: &Lowered, batch: usize) {
    let pixels = executor.program().tensor(lowered.inputs.images).shape.elements();
    let images: Vec<u8> = (0..pixels).map(|i| (i * 7919 % 251) as u8).collect();
    let labels: Vec<u32> = (0..batch as u32).map(|n| n % 10).collect();
    let identity = [1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(batch);
    executor.upload(lowered.inputs.images, &images).expect("images");
    executor.upload(lowered.inputs.labels, bytemuck::cast_slice(&labels)).expect("labels");
    executor.upload(lowered.inputs.transforms, bytemuck::cast_slice(&identity)).expect("transforms");
}

/// Runs each step of the program as a program of its own: milliseconds and GFLOP/s, the slowest kinds first.
fn by_op(program: &Program) {
    let mut kinds: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut total = 0.0;
    for Step { op, label, .. } in &program.steps[program.pass(Pass::Train)] {
        let mut executor = CpuExecutor::<f32>::new(Program::single(op.clone()));
        executor.run(Pass::Train).expect("an operation");
        let start = cpu_ms();
        let mut runs = 0;
        while cpu_ms() - start < 60.0 {
            executor.run(Pass::Train).expect("an operation");
            runs += 1;
        }
        let (ms, gflop) = ((cpu_ms() - start) / f64::from(runs), op.flops() as f64 / 1e9);
        if op.name().starts_with("conv.") || op.name().starts_with("linear.") {
            println!("{label:32} {ms:9.3} ms {:7.1} GFLOP/s", gflop / ms * 1e3);
        }
        let kind = kinds.entry(op.name().to_owned()).or_default();
        *kind = (kind.0 + ms, kind.1 + gflop);
        total += ms;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    for (name, (ms, gflop)) in kinds {
        println!("{name:32} {ms:9.3} ms {:7.1} GFLOP/s {:5.1} %", gflop / ms * 1e3, 100.0 * ms / total);
    }
    println!("{:32} {total:9.3} ms", "all");
}

fn cpu_ms() -> f64 {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        sum += text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6;
    }
    sum
}
