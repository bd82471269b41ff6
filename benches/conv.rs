//! The variants of a convolution side by side on one device: each is checked, then all are timed in turns.
//!
//!     cargo bench --bench conv -- --device llvmpipe --shapes 16x28x28x64x64,16x7x7x256x256 \
//!         [--pass forward|grad_input|grad_weight] [--variants lanes,winograd4_lanes] [--turns 5]
//!
//! A shape is images x height x width x input channels x output channels. Prints effective GFLOP/s: those of the direct
//! convolution over the median time, and the fastest and the slowest turn. On a software adapter the time is that of the
//! process on the CPU over the number of cores, so that other work on the machine counts little.

use std::{fs, sync::OnceLock, thread, time::Instant};

use vgg_wgpu::{
    cpu::CpuExecutor,
    gpu::{Adapter, DeviceChoice, DeviceRequest, GpuExecutor, Options, select},
    kernels::variants,
    ops::{Access, Activation, Conv, ConvForward, ConvGradInput, ConvGradWeight, Op},
    program::{Executor, Pass, Program, TensorId},
    rng,
};

/// A turn takes about this long.
const TURN_MS: f64 = 150.0;

/// Milliseconds since an arbitrary start.
type Clock = fn() -> f64;

fn wall_ms() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
}

/// Of all threads of this process, as Linux counts them, over the cores.
fn cpu_ms() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux counts CPU time");
    let nanoseconds = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    tasks.flatten().map(nanoseconds).sum::<f64>() / 1e6 / cores as f64
}

struct Runner {
    clock: Clock,
    name: &'static str,
    gpu: GpuExecutor,
    result: TensorId,
    runs: usize,
    gflops: Vec<f64>,
}

impl Runner {
    /// The milliseconds of several runs.
    fn time(&mut self, runs: usize) -> f64 {
        let start = (self.clock)();
        for _ in 0..runs {
            self.gpu.run(Pass::Train).expect("a run");
        }
        self.gpu.read(self.result).expect("a result");
        (self.clock)() - start
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.map_or(default.to_owned(), |at| arguments[at + 1].clone())
    };
    let request: DeviceRequest = value("--device", "llvmpipe").parse().expect("a device");
    let DeviceChoice::Gpu(adapter) = select(&request).expect("a device").device else {
        panic!("the CPU device has no variants")
    };
    println!("{}", adapter.info());
    let turns: usize = value("--turns", "5").parse().expect("a number of turns");
    let wanted = value("--variants", "");
    for shape in value("--shapes", "16x28x28x64x64").split(',') {
        for pass in value("--pass", "forward,grad_input,grad_weight").split(',') {
            let op = op(shape, pass);
            println!("{shape} {}", op.name());
            let mut runners = runners(&adapter, &op, &wanted);
            for _ in 0..turns {
                for runner in &mut runners {
                    let ms = runner.time(runner.runs) / runner.runs as f64;
                    runner.gflops.push(op.flops() as f64 / ms * 1e-6);
                }
            }
            for runner in &mut runners {
                runner.gflops.sort_by(f64::total_cmp);
                let (least, most) = (runner.gflops[0], runner.gflops[turns - 1]);
                println!(
                    "  {:16} {:7.1} GFLOP/s ({least:.1} to {most:.1})",
                    runner.name,
                    runner.gflops[turns / 2]
                );
            }
        }
    }
}

fn op(shape: &str, pass: &str) -> Op {
    let extents: Vec<usize> = shape.split('x').map(|side| side.parse().expect("a shape")).collect();
    let [n, h, w, c, k] = extents[..] else { panic!("a shape has five extents, not {shape}") };
    let conv = Conv { n, h, w, c, k };
    // A first layer reads images as they are.
    let relu = Activation::Relu { at_zero: 0.5 };
    let normalized = (c > 4).then_some(relu);
    match pass {
        "forward" => ConvForward { conv, normalized, by_image: false, statistics: true }.into(),
        "grad_input" => ConvGradInput { conv, through: Some(relu), statistics: None }.into(),
        "grad_weight" => {
            ConvGradWeight { conv, normalized, by_image: false, through: Some(relu), accumulate: false }
                .into()
        }
        other => panic!("no pass {other}"),
    }
}

/// The variants that support the operation, each with inputs and a result that was compared with the CPU's.
fn runners(adapter: &Adapter, op: &Op, wanted: &str) -> Vec<Runner> {
    let program = Program::single(op.clone());
    let mut cpu = CpuExecutor::<f32>::new(program.clone());
    fill(&mut cpu, op);
    cpu.run(Pass::Train).expect("a run");
    let written = op.operands().iter().position(|o| o.access == Access::Write).expect("a result");
    let result = program.steps[0].args[written].tensor;
    let expected: Vec<f32> = bytemuck::pod_collect_to_vec(&cpu.read(result).expect("a result"));
    let largest = expected.iter().fold(0f32, |most, v| most.max(v.abs()));
    let mut runners = Vec::new();
    for variant in variants().filter(|v| v.op == op.name() && v.supports(op, &adapter.caps())) {
        if !wanted.is_empty() && !wanted.split(',').any(|name| name == variant.name) {
            continue;
        }
        let variants = vec![(variant.op.to_owned(), variant.name.to_owned())];
        let options = Options { variants, ..Options::default() };
        let mut gpu = GpuExecutor::open(adapter, program.clone(), &options).expect("an executor");
        fill(&mut gpu, op);
        let clock = if adapter.caps().software() { cpu_ms } else { wall_ms };
        let mut runner = Runner { clock, name: variant.name, gpu, result, runs: 1, gflops: Vec::new() };
        runner.time(1);
        let actual: Vec<f32> = bytemuck::pod_collect_to_vec(&runner.gpu.read(result).expect("a result"));
        for (index, (a, e)) in actual.iter().zip(&expected).enumerate() {
            assert!(
                (a - e).abs() <= 1e-4 * largest,
                "{}: {a} at {index}, but the CPU says {e}",
                variant.name
            );
        }
        runner.runs = ((TURN_MS / runner.time(1)) as usize).max(1);
        runners.push(runner);
    }
    runners
}

fn fill(executor: &mut dyn Executor, op: &Op) {
    let program = executor.program().clone();
    for (index, (operand, view)) in op.operands().iter().zip(&program.steps[0].args).enumerate() {
        if operand.access == Access::Read {
            let values = rng::normal(1, index as u32, operand.shape.elements(), 1.0);
            executor.upload(view.tensor, bytemuck::cast_slice(&values)).expect("an input");
        }
    }
}
