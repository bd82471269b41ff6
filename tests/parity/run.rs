//! Runs the cases of an operation on every variant, in release mode and with naga's checks.

use vgg_wgpu::{
    cpu::CpuExecutor,
    dtype::DType,
    gpu::{Adapter, GpuExecutor, Options},
    kernels::{Variant, variants},
    ops::{Access, ConvGradInput, ConvGradWeight, LinearGradInput, LinearGradWeight, Op, Operand},
    program::{Executor, Pass, Phase, Program, Role, Step, Tensor, TensorId, View},
};

use crate::{
    adapter::adapter,
    cases,
    common::{Tolerance, check},
    inputs,
};

/// Bytes of padding on either side of every operand: bindings begin at multiples of 256.
const PADDING: usize = 256;
/// What the padding of results holds before and after.
const SENTINEL: f32 = -12_345.5;

/// One case as a step whose operands lie in the middle of larger tensors.
struct Case {
    op: Op,
    tensors: Vec<TensorId>,
}

/// Holds every variant of an operation against the CPU on every case that it supports.
pub fn walk(name: &str) {
    let Some(adapter) = adapter() else { return };
    let caps = adapter.caps();
    let cases = cases::of(name);
    for variant in variants().filter(|v| v.op == name) {
        let able: Vec<Op> = cases.iter().filter(|op| (variant.supports)(op, &caps)).cloned().collect();
        assert!(!able.is_empty(), "{}/{}: no case fits it", variant.op, variant.name);
        let (program, cases) = program(&able);
        let expected = on_cpu(&program, &cases);
        for checked in [false, true] {
            let actual = on_gpu(&adapter, &program, &cases, variant, checked);
            let mode = if checked { "checked" } else { "release" };
            for ((case, expected), actual) in cases.iter().zip(&expected).zip(&actual) {
                let title = format!("{}/{} ({mode}) {:?}", variant.op, variant.name, case.op);
                hold(&title, &case.op, expected, actual);
            }
        }
    }
    let covered = |op: &Op| variants().any(|v| v.op == name && (v.supports)(op, &caps));
    for op in &cases {
        assert!(covered(op), "no variant runs {op:?}");
    }
}

fn program(ops: &[Op]) -> (Program, Vec<Case>) {
    let mut program = Program::default();
    let mut cases = Vec::new();
    for op in ops {
        let (mut args, mut tensors) = (Vec::new(), Vec::new());
        for operand in op.operands() {
            let (len, padding) = (operand.shape.elements(), PADDING / operand.dtype.bytes());
            let role = if operand.access == Access::Read { Role::Input } else { Role::Output };
            let tensor = program.add(Tensor {
                name: operand.name.into(),
                shape: [len + 2 * padding].into(),
                dtype: operand.dtype,
                role,
            });
            args.push(View { tensor, offset: padding, len });
            tensors.push(tensor);
        }
        let label = format!("case {}", cases.len());
        program.steps.push(Step { op: op.clone(), args, label, phase: Phase::Forward });
        cases.push(Case { op: op.clone(), tensors });
    }
    (program, cases)
}

/// The padding of what is read is not-a-number, so that a read outside shows; that of results a sentinel.
fn padding(operand: &Operand) -> Vec<u8> {
    let value = if operand.access == Access::Read { f32::NAN } else { SENTINEL };
    match operand.dtype {
        DType::F32 | DType::U32 => value.to_ne_bytes().repeat(PADDING / 4),
        DType::U8 => vec![255; PADDING],
    }
}

fn fill(executor: &mut dyn Executor, cases: &[Case]) {
    for case in cases {
        for (operand, &tensor) in case.op.operands().iter().zip(&case.tensors) {
            let inside = match (operand.access, operand.dtype) {
                // What is only written must not matter.
                (Access::Write, _) => f32::NAN.to_ne_bytes().repeat(operand.shape.elements()),
                _ => inputs::bytes(&case.op, operand),
            };
            let bytes = [padding(operand), inside, padding(operand)].concat();
            executor.upload(tensor, &bytes).unwrap();
        }
    }
}

fn written(case: &Case) -> impl Iterator<Item = (Operand, TensorId)> + '_ {
    case.op.operands().into_iter().zip(case.tensors.iter().copied()).filter(|(o, _)| o.access != Access::Read)
}

/// The results of each case, each without its padding.
fn on_cpu(program: &Program, cases: &[Case]) -> Vec<Vec<Vec<f64>>> {
    let mut cpu = CpuExecutor::<f64>::new(program.clone());
    fill(&mut cpu, cases);
    cpu.run(Pass::Train).unwrap();
    let mut read = |(operand, tensor): (Operand, TensorId)| match operand.dtype {
        DType::F32 => {
            let all = cpu.read_scalars(tensor);
            all[PADDING / 4..all.len() - PADDING / 4].to_vec()
        }
        _ => inside(&cpu.read(tensor).unwrap(), operand.dtype),
    };
    cases.iter().map(|case| written(case).map(&mut read).collect()).collect()
}

fn inside(bytes: &[u8], dtype: DType) -> Vec<f64> {
    let bytes = &bytes[PADDING..bytes.len() - PADDING];
    match dtype {
        DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(bytes).into_iter().map(f64::from).collect(),
        _ => bytemuck::pod_collect_to_vec::<u8, u32>(bytes).into_iter().map(f64::from).collect(),
    }
}

fn on_gpu(
    adapter: &Adapter,
    program: &Program,
    cases: &[Case],
    variant: &'static Variant,
    checked: bool,
) -> Vec<Vec<Vec<f64>>> {
    let options = Options { checked, variants: vec![(variant.op.into(), variant.name.into())] };
    let mut gpu = GpuExecutor::open(adapter, program.clone(), &options).unwrap();
    fill(&mut gpu, cases);
    gpu.run(Pass::Train).unwrap();
    let mut read = |case: &Case, (operand, tensor): (Operand, TensorId)| {
        let bytes = gpu.read(tensor).unwrap();
        let edge = padding(&operand);
        let (before, after) = (&bytes[..PADDING], &bytes[bytes.len() - PADDING..]);
        assert!(
            before == edge && after == edge,
            "{}: {:?} writes beside {}",
            variant.name,
            case.op,
            operand.name
        );
        inside(&bytes, operand.dtype)
    };
    cases.iter().map(|case| written(case).map(|w| read(case, w)).collect()).collect()
}

fn hold(title: &str, op: &Op, expected: &[Vec<f64>], actual: &[Vec<f64>]) {
    let written = op.operands().into_iter().filter(|o| o.access != Access::Read);
    for ((operand, expected), actual) in written.zip(expected).zip(actual) {
        let tolerance = tolerance(op, &operand);
        if let Err(difference) = check(operand.name, &operand.shape, actual, expected, tolerance) {
            panic!("{title}: {difference}");
        }
    }
}

/// What f32 may do to each result. Sums: [`Tolerance::sum`] of their length and the magnitude of a term; the rest:
/// a few roundings of the largest value on the way.
fn tolerance(op: &Op, operand: &Operand) -> Tolerance {
    let eps = f64::from(f32::EPSILON);
    let relative = |roundings: f64, magnitude: f64| Tolerance {
        absolute: roundings * eps * magnitude,
        relative: roundings * eps,
    };
    match op {
        _ if operand.dtype != DType::F32 => Tolerance::EXACT,
        // Inputs and the vectors of `affine` have few digits, so that batch norm is exact.
        Op::Relu(_) | Op::MaxPoolForward(_) => Tolerance::EXACT,
        // One product with a power of two, or the sum of at most four gradients.
        Op::ReluGrad(_) | Op::Dropout(_) => relative(1.0, 0.0),
        Op::MaxPoolGrad(_) => relative(4.0, 4.0),
        // Positions of up to 61 pixels carry an error of 4 eps each, times a slope of up to 1 / 0.22 a pixel.
        Op::PrepareImages(_) => relative(8.0, 61.0 / 0.22),
        // Terms are products of normal values; the outlier of 50 stands in one of them.
        // Through batch norm they are 4 times as large; the variance of results of up to a few hundred, below.
        Op::ConvForward(op) => {
            let (c, steep) = (op.conv.c, if op.normalized { 4.0 } else { 1.0 });
            let sum = Tolerance::sum(eps, 9 * c, steep * (1.0 + 150.0 / (9 * c) as f64));
            match operand.name {
                "output" => sum,
                "batch_mean" => Tolerance { absolute: sum.absolute + 16.0 * eps * 10.0, ..sum },
                _ => Tolerance { absolute: sum.absolute * 400.0 * steep, relative: 64.0 * eps },
            }
        }
        Op::ConvGradInput(ConvGradInput(conv)) => {
            Tolerance::sum(eps, 9 * conv.k, 1.0 + 150.0 / (9 * conv.k) as f64)
        }
        Op::ConvGradWeight(ConvGradWeight { conv, normalized, .. }) => {
            let steep = if *normalized { 4.0 } else { 1.0 };
            Tolerance::sum(eps, conv.pixels(), steep * (1.0 + 200.0 / conv.pixels() as f64))
        }
        Op::Linear(l) => Tolerance::sum(eps, l.inputs, 1.0 + 2500.0 / l.inputs as f64),
        Op::LinearGradInput(LinearGradInput(l)) => {
            Tolerance::sum(eps, l.outputs, 1.0 + 2500.0 / l.outputs as f64)
        }
        Op::LinearGradWeight(LinearGradWeight(l)) => Tolerance::sum(eps, l.n, 1.0 + 2500.0 / l.n as f64),
        Op::GradBias(bias) => Tolerance::sum(eps, bias.rows, 1.0 + 50.0 / bias.rows as f64),
        // Means near 1000 and an outlier of 500: each value is exact, each merged mean rounded a few times; the
        // variance sees the mean's error times the deviation.
        Op::BatchNormStatistics(_) if operand.name == "batch_mean" => relative(16.0, 10.0),
        Op::BatchNormStatistics(_) => relative(64.0, 1000.0),
        Op::BatchNormRunning(_) | Op::BatchNormAffine(_) => relative(4.0, 1.0),
        // x - mean is exact to eps * 1000, the scale at most 3 / sqrt(0.05), the outlier 500 times that.
        Op::BatchNormNormalize(_) => relative(8.0, 14.0 * 50.0),
        Op::BatchNormGradStatistics(norm) => {
            Tolerance::sum(eps, norm.rows, 10.0 + 100_000.0 / norm.rows as f64)
        }
        Op::BatchNormGradInput(norm) => relative(16.0, 5000.0 + 2_000_000.0 / norm.rows as f64),
        // exp of a difference of up to 600 has a relative error of 600 eps where it is not 0.
        Op::CrossEntropy(_) => Tolerance { absolute: 600.0 * eps * 4.0, relative: 64.0 * eps },
        Op::CrossEntropyGrad(_) => relative(4.0, 1.0),
        Op::Metrics(metrics) => Tolerance::sum(eps, metrics.n, 2.0),
        // The parameter moves by learning_rate / sqrt(correction2) at most some tens of times.
        Op::Adam(_) => relative(8.0, 1.0),
    }
}
