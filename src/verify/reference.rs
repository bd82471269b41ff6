//! Runs cases in f64 on the CPU, then a row of the table on a device, and compares.

use half::f16;

use super::{
    check::{input_bytes, of_own_results, tolerances_of},
    compare::check,
};
use crate::{
    cpu::CpuExecutor,
    dtype::DType,
    gpu::{Adapter, GpuExecutor, Options},
    kernels::Variant,
    ops::{Access, Op, Operand},
    program::{Executor, ExecutorError, Pass, Phase, Program, Role, Step, Tensor, TensorId, View},
};

/// Bytes of padding on either side of every operand: bindings begin at multiples of 256.
const PADDING: usize = 256;
/// The value in the padding of results, which must not change.
const SENTINEL: f32 = -12_345.5;
const SENTINEL_BYTE: u8 = 165;

/// The values of each operand that an operation writes.
type Results = Vec<Vec<f64>>;

/// Cases and their expected results.
pub struct Reference {
    cases: Vec<(Op, Results)>,
}

/// The result of checking a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The number of cases.
    pub cases: usize,
    /// The worst error, as a fraction of its tolerance.
    pub worst: f64,
    /// One line for each wrong operand, or the device's error. Empty if everything is right.
    pub failures: Vec<String>,
}

impl Reference {
    /// Runs operations in f64 on the CPU, each on its test inputs.
    pub fn of(ops: &[Op]) -> Self {
        Self { cases: ops.iter().map(|op| (op.clone(), on_cpu(op))).collect() }
    }

    /// Runs a row on the cases that `picked` selects, and compares every operand that it writes. `checked` keeps naga's
    /// bounds checks, and fails if a kernel needs one.
    ///
    /// The operands are views into larger tensors: inputs are surrounded by NaN, outputs by sentinels that must not change.
    pub fn check(
        &self,
        adapter: &Adapter,
        row: &'static Variant,
        checked: bool,
        picked: impl Fn(&Op) -> bool,
    ) -> Verdict {
        let cases: Vec<&(Op, Results)> = self.cases.iter().filter(|(op, _)| picked(op)).collect();
        let mut verdict = Verdict { cases: cases.len(), ..Verdict::default() };
        if cases.is_empty() {
            return verdict;
        }
        let ops: Vec<&Op> = cases.iter().map(|(op, _)| op).collect();
        let actual = match on_gpu(adapter, &ops, row, checked) {
            Ok(actual) => actual,
            Err(message) => {
                verdict.failures.push(message);
                return verdict;
            }
        };
        for ((op, expected), actual) in cases.into_iter().zip(&actual) {
            let operands: Vec<_> = written(op).collect();
            let values: Vec<_> =
                operands.iter().zip(actual).map(|(operand, bytes)| inside(bytes, operand.dtype)).collect();
            let mut expected = expected.clone();
            of_own_results(op, &values, &mut expected);
            let tolerances = tolerances_of(op, row.name).into_iter().zip(op.operands());
            let tolerances = tolerances.filter(|(_, operand)| operand.access != Access::Read);
            for (at, (tolerance, operand)) in tolerances.enumerate() {
                let held = sentinels(&operand, &actual[at]).and_then(|()| {
                    check(operand.name, &operand.shape, &values[at], &expected[at], tolerance)
                });
                match held {
                    // `check` has ruled out NaN.
                    Ok(share) => verdict.worst = verdict.worst.max(share),
                    Err(difference) => verdict.failures.push(format!("{op:?}: {difference}")),
                }
            }
        }
        verdict
    }
}

/// A program of the cases as steps, and the tensors of each.
fn program(ops: &[&Op]) -> (Program, Vec<Vec<TensorId>>) {
    let mut program = Program::default();
    let mut all = Vec::new();
    for &op in ops {
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
        let label = format!("case {}", all.len());
        program.steps.push(Step { op: op.clone(), args, label, phase: Phase::Forward });
        all.push(tensors);
    }
    (program, all)
}

/// NaN around inputs, so that a read out of bounds shows, and sentinels around outputs.
fn padding(operand: &Operand) -> Vec<u8> {
    let value = if operand.access == Access::Read { f32::NAN } else { SENTINEL };
    match operand.dtype {
        DType::F32 | DType::U32 => value.to_ne_bytes().repeat(PADDING / 4),
        DType::F16 => f16::from_f32(value).to_ne_bytes().repeat(PADDING / 2),
        DType::U8 if operand.access == Access::Read => vec![255; PADDING],
        DType::U8 => vec![SENTINEL_BYTE; PADDING],
    }
}

fn fill(executor: &mut dyn Executor, op: &Op, tensors: &[TensorId]) -> Result<(), ExecutorError> {
    for ((operand, &tensor), inputs) in op.operands().iter().zip(tensors).zip(input_bytes(op)) {
        let inside = match (operand.access, operand.dtype) {
            // The old contents of a pure output must not matter.
            (Access::Write, DType::F16) => f16::NAN.to_ne_bytes().repeat(operand.shape.elements()),
            (Access::Write, DType::U8) => vec![SENTINEL_BYTE; operand.shape.elements()],
            (Access::Write, _) => f32::NAN.to_ne_bytes().repeat(operand.shape.elements()),
            _ => inputs,
        };
        let bytes = [padding(operand), inside, padding(operand)].concat();
        executor.upload(tensor, &bytes)?;
    }
    Ok(())
}

fn written(op: &Op) -> impl Iterator<Item = Operand> {
    op.operands().into_iter().filter(|o| o.access != Access::Read)
}

/// The tensors of the operands that are written.
fn results<'a>(op: &Op, tensors: &'a [TensorId]) -> impl Iterator<Item = TensorId> + 'a {
    let operands = op.operands().into_iter();
    operands.zip(tensors).filter(|(o, _)| o.access != Access::Read).map(|(_, &tensor)| tensor)
}

/// The results of a case, without their padding.
fn on_cpu(op: &Op) -> Results {
    let (program, tensors) = program(&[op]);
    let mut cpu = CpuExecutor::<f64>::new(program);
    let run = |cpu: &mut CpuExecutor<f64>| {
        fill(cpu, op, &tensors[0])?;
        cpu.run(Pass::Train)?;
        let mut all = Vec::new();
        for (operand, tensor) in written(op).zip(results(op, &tensors[0])) {
            all.push(match operand.dtype {
                DType::F32 | DType::F16 => {
                    let (all, padding) = (cpu.read_scalars(tensor), PADDING / operand.dtype.bytes());
                    stored(&all[padding..all.len() - padding], operand.dtype)
                }
                _ => inside(&cpu.read(tensor)?, operand.dtype),
            });
        }
        Ok::<_, ExecutorError>(all)
    };
    run(&mut cpu).expect("the CPU runs whatever has tensors of the right sizes")
}

/// Values in the range of a type: the reference does not round, but values beyond f16's range become infinite.
fn stored(values: &[f64], dtype: DType) -> Vec<f64> {
    let beyond = |v: f64| dtype == DType::F16 && f16::from_f64(v).is_infinite();
    values.iter().map(|&v| if beyond(v) { v * f64::INFINITY } else { v }).collect()
}

fn inside(bytes: &[u8], dtype: DType) -> Vec<f64> {
    values(&bytes[PADDING..bytes.len() - PADDING], dtype)
}

fn values(bytes: &[u8], dtype: DType) -> Vec<f64> {
    match dtype {
        DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(bytes).into_iter().map(f64::from).collect(),
        DType::F16 => bytes.as_chunks::<2>().0.iter().map(|b| f16::from_ne_bytes(*b).into()).collect(),
        DType::U8 => bytes.iter().copied().map(f64::from).collect(),
        DType::U32 => bytemuck::pod_collect_to_vec::<u8, u32>(bytes).into_iter().map(f64::from).collect(),
    }
}

fn sentinels(operand: &Operand, bytes: &[u8]) -> Result<(), String> {
    let edge = padding(operand);
    if bytes[..PADDING] == edge && bytes[bytes.len() - PADDING..] == edge {
        return Ok(());
    }
    Err(format!("it writes outside {} {}", operand.name, operand.shape))
}

/// The bytes that each case writes, padding included; or the device's error.
fn on_gpu(
    adapter: &Adapter,
    ops: &[&Op],
    row: &'static Variant,
    checked: bool,
) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let (program, tensors) = program(ops);
    let options = Options { checked, ..Options::default() };
    let mut gpu = GpuExecutor::open_with(adapter, program, &options, &|_, _| Ok(row))
        .map_err(|error| error.to_string())?;
    let mut run = || {
        for (op, tensors) in ops.iter().zip(&tensors) {
            fill(&mut gpu, op, tensors)?;
        }
        gpu.run(Pass::Train)?;
        let mut all = Vec::new();
        for (op, tensors) in ops.iter().zip(&tensors) {
            all.push(results(op, tensors).map(|tensor| gpu.read(tensor)).collect::<Result<Vec<_>, _>>()?);
        }
        Ok::<_, ExecutorError>((all, gpu.out_of_bounds()?))
    };
    let (results, outside) = run().map_err(|error| error.to_string())?;
    if outside.is_empty() {
        Ok(results)
    } else {
        Err(format!("it accesses out of bounds: {}", outside.join(", ")))
    }
}
