//! Layers of VGG16 in 8-bit integers on the CPU, next to the same layers in f32.
//!
//!     [VGG_SIMD=avx2] cargo bench --bench quantized -- [--threads 2] [--batches 1,16] [--seconds 0.3]
//!
//! Prints the time of a layer's run, its throughput in Gop/s (two for each multiply-add), and the ratio of the times. Time is
//! that of the clock on the wall; with `--cpu` it is that of the process's threads, so that other work on the machine counts little:
//! the throughput is then that of a core.

use std::time::Instant;

use vgg_wgpu::{
    cpu::{CpuExecutor, instruction_set},
    dtype::DType,
    ops::{
        Access, Conv, ConvForward, Linear, MaxPool, Op, QuantizeImages, QuantizedConv, QuantizedLinear,
        QuantizedMaxPool, Requantize,
    },
    program::{Executor, Pass, Program},
    rng,
};

fn wall() -> f64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Of all threads of this process, as Linux counts them.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux counts CPU time");
    let nanoseconds = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0)
    };
    tasks.flatten().map(nanoseconds).sum::<f64>() * 1e-9
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.map_or(default.to_owned(), |at| arguments[at + 1].clone())
    };
    let threads = value("--threads", "0").parse().expect("a number of threads");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let seconds: f64 = value("--seconds", "0.3").parse().expect("a number of seconds");
    let clock = if arguments.iter().any(|a| a == "--cpu") { cpu } else { wall };
    println!("{}, {} threads", instruction_set().expect("an instruction set"), pool.current_num_threads());
    for n in value("--batches", "1,16").split(',').map(|n| n.parse().expect("a batch size")) {
        for (name, quantized, float) in layers(n) {
            let time = |op: &Op| pool.install(|| time(op, seconds, clock));
            let (bytes, float) = (time(&quantized), float.map(|op| time(&op)));
            let throughput = quantized.flops() as f64 / bytes * 1e-9;
            print!("{n:3} x {name:22} {:12.0} ns {throughput:7.1} Gop/s", bytes * 1e9);
            match float {
                Some(float) => println!(", f32 {:12.0} ns, {:5.2} times as long", float * 1e9, float / bytes),
                None => println!(),
            }
        }
    }
}

/// The layers of VGG16 for images of 224 and of 28 pixels, and their f32 twins.
fn layers(n: usize) -> Vec<(String, Op, Option<Op>)> {
    let requantize = Requantize { zero: 0, low: 0 };
    let mut layers = Vec::new();
    for (side, c, k) in [
        (224, 4, 64),
        (224, 64, 64),
        (112, 128, 128),
        (56, 256, 256),
        (28, 512, 512),
        (14, 512, 512),
        (28, 64, 64),
        (14, 128, 128),
        (7, 256, 256),
        (3, 512, 512),
    ] {
        let conv = Conv { n, h: side, w: side, c, k };
        let quantized = QuantizedConv { conv, zero: 0, requantize };
        layers.push((
            format!("{side}x{side} {c} to {k}"),
            quantized.into(),
            Some(ConvForward::plain(conv).into()),
        ));
    }
    let (inputs, outputs) = (25_088, 4096);
    let quantized = QuantizedLinear { n, inputs, outputs, zero: 0, requantize: Some(requantize) };
    let float = Linear { n, inputs, outputs, first: 0, total: outputs };
    layers.push((format!("{inputs} to {outputs}"), quantized.into(), Some(float.into())));
    let images = QuantizeImages { n, source: [224, 224], output: [224, 224], channels: 3 };
    layers.push(("224x224 image".to_owned(), images.into(), None));
    layers.push((
        "256x256 to 224x224".to_owned(),
        QuantizeImages { source: [256, 256], ..images }.into(),
        None,
    ));
    let pool = MaxPool { n, h: 224, w: 224, c: 64, kernel: 2, stride: [2, 2] };
    layers.push(("pool 224x224x64".to_owned(), QuantizedMaxPool(pool).into(), None));
    layers
}

/// The time of a run: the median of several turns.
fn time(op: &Op, seconds: f64, clock: fn() -> f64) -> f64 {
    let program = Program::single(op.clone());
    let mut executor = CpuExecutor::<f32>::new(program.clone());
    for (index, (operand, view)) in op.operands().iter().zip(&program.steps[0].args).enumerate() {
        let elements = operand.shape.elements();
        if operand.access != Access::Read {
            continue;
        }
        let values = rng::normal(1, index as u32, elements.min(1 << 16), 1.0);
        let values = values.iter().copied().cycle().take(elements);
        let data = match operand.dtype {
            DType::U8 => values.map(|v| (v * 60.0) as i32 as u8).collect(),
            _ => bytemuck::pod_collect_to_vec::<f32, u8>(&values.collect::<Vec<_>>()),
        };
        executor.upload(view.tensor, &data).expect("an input");
    }
    let mut turn = |runs: usize| {
        let start = clock();
        for _ in 0..runs {
            executor.run(Pass::Train).expect("a run");
        }
        (clock() - start) / runs as f64
    };
    // Linux counts CPU time in steps of some milliseconds.
    let mut runs = 1;
    let mut seconds_of_a_run = turn(1);
    while seconds_of_a_run * (runs as f64) < seconds / 10.0 {
        runs *= 2;
        seconds_of_a_run = turn(runs);
    }
    let turns = ((seconds / (seconds_of_a_run * runs as f64)) as usize).clamp(3, 9);
    let mut times: Vec<f64> = (0..turns).map(|_| turn(runs)).collect();
    times.sort_by(f64::total_cmp);
    times[turns / 2]
}
