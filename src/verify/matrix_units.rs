//! Tests a device's matrix units before anything relies on them.

use super::{Reference, cases};
use crate::{
    dtype::DType,
    gpu::{Adapter, GpuExecutor, OpenError, Options},
    kernels::{Variant, variants},
    ops::{Access, Op},
    program::Program,
};

/// The number of cases for each row: the largest ones, which fill tiles, split sums and have partial tiles at the edges.
const CASES: usize = 3;

/// As [`GpuExecutor::open`], but for a program with f16 the matrix units are tested first. If they fail, they are not used
/// and the failure is returned with the executor.
///
/// # Errors
/// As [`GpuExecutor::open`].
pub fn open(
    adapter: &Adapter,
    program: Program,
    options: &Options,
) -> Result<(GpuExecutor, Option<String>), OpenError> {
    let half = program.steps.iter().any(|step| step.op.storage() == DType::F16);
    let failure = if half { matrix_units(adapter).err() } else { None };
    let executor = match failure {
        None => GpuExecutor::open(adapter, program, options)?,
        Some(_) => GpuExecutor::open(&adapter.clone().without_matrix_units(), program, options)?,
    };
    Ok((executor, failure))
}

/// Checks the matrix-unit rows against the CPU in f64 on a few random products. Does nothing on devices without matrix
/// units.
///
/// # Errors
/// The first failure, in one line.
pub fn matrix_units(adapter: &Adapter) -> Result<(), String> {
    let caps = adapter.caps();
    if caps.matrix_units.is_none() {
        return Ok(());
    }
    for row in variants().filter(|row| row.name == "cooperative") {
        let mut ops = cases(row.op);
        ops.retain(|op| row.supports(op, &caps));
        ops.sort_by_key(|op| std::cmp::Reverse(op.flops()));
        ops.truncate(CASES);
        let verdict = Reference::of(&ops).check(adapter, row, false, |_| true);
        if let Some(failure) = verdict.failures.first() {
            return Err(describe(row, &ops, failure));
        }
    }
    Ok(())
}

/// A readable failure of a row: the row, the operands that the case reads, and the error. An error of the device, which
/// belongs to no case, comes without operands.
fn describe(row: &Variant, ops: &[Op], failure: &str) -> String {
    let of_case = |op: &Op| {
        let wrong = failure.strip_prefix(&format!("{op:?}: "))?;
        let read = op.operands().into_iter().filter(|o| o.access == Access::Read);
        let read: Vec<_> = read.map(|o| format!("{} {} {}", o.name, o.dtype, o.shape)).collect();
        Some(format!("{}={} of {}: {wrong}", row.op, row.name, read.join(", ")))
    };
    ops.iter().find_map(of_case).unwrap_or_else(|| format!("{}={}: {failure}", row.op, row.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::test_adapter,
        kernels::{Dispatch, Kernel},
        ops::Linear,
        shader::{Fragment, Source},
    };

    /// linear.forward that writes nothing.
    static IDLE: Variant = Variant::custom(
        "linear.forward",
        "idle",
        |_, _| true,
        |_, _| {
            let wgsl = "@group(0) @binding(0) var<storage, read> input: array<f32>;
                @group(0) @binding(1) var<storage, read> weight: array<f32>;
                @group(0) @binding(2) var<storage, read> bias: array<f32>;
                @group(0) @binding(3) var<storage, read_write> output: array<f32>;
                @compute @workgroup_size(1) fn main() {
                    if input[0] + weight[0] + bias[0] > 1e30 {
                        output[0] = 0.0;
                    }
                }";
            Kernel::new(vec![Dispatch::new("", Source::new([Fragment::inline(wgsl)]), 1)])
        },
    );

    #[test]
    fn a_failure_names_the_row_and_the_shapes() {
        let Some(adapter) = test_adapter() else { return };
        let ops = [Linear::whole(2, 8, 4).into()];
        let verdict = Reference::of(&ops).check(&adapter, &IDLE, false, |_| true);
        let text = describe(&IDLE, &ops, &verdict.failures[0]);
        let begin = "linear.forward=idle of input f32 [2, 8], weight f32 [4, 8], bias f32 [4]: output [2, 4] at [0, 0]: NaN";
        assert!(text.starts_with(begin), "{text}");
        assert_eq!(describe(&IDLE, &ops, "it is lost"), "linear.forward=idle: it is lost");
    }
}
