//! Tests a device's matrix units before anything relies on them.

use super::{Reference, cases};
use crate::{
    gpu::{Adapter, GpuExecutor, OpenError, Options},
    kernels::{Caps, Variant, choose},
    ops::{Access, Op},
    program::Program,
};

/// The number of cases for each row: the largest ones, which fill tiles, split sums and have partial tiles at the edges.
const CASES: usize = 3;

/// As [`GpuExecutor::open`], but the rows on matrix units that a program takes are tested first. If one fails, matrix units are not
/// used, and the failure is returned with the executor.
///
/// # Errors
/// As [`GpuExecutor::open`].
pub fn open(
    adapter: &Adapter,
    program: Program,
    options: &Options,
) -> Result<(GpuExecutor, Option<String>), OpenError> {
    let failure = matrix_units(adapter, &rows(&program, &adapter.caps(), options)).err();
    let executor = match failure {
        None => GpuExecutor::open(adapter, program, options)?,
        Some(_) => GpuExecutor::open(&adapter.clone().without_matrix_units(), program, options)?,
    };
    Ok((executor, failure))
}

/// The rows on matrix units that a program takes.
fn rows(program: &Program, caps: &Caps, options: &Options) -> Vec<&'static Variant> {
    let mut rows: Vec<&Variant> = Vec::new();
    for step in &program.steps {
        // Operations without a row are refused by the executor.
        let Ok(row) = choose(&step.op, caps, &options.variants, &options.tuned) else { continue };
        if row.needs_matrix_units() && !rows.iter().any(|known| (known.op, known.name) == (row.op, row.name))
        {
            rows.push(row);
        }
    }
    rows
}

/// Checks rows against the CPU in f64 on a few random products: the first failure, in one line.
fn matrix_units(adapter: &Adapter, rows: &[&'static Variant]) -> Result<(), String> {
    let caps = adapter.caps();
    for row in rows {
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
