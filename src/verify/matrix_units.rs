//! Whether the matrix units of a device compute what they should, before anything relies on them.

use super::{Reference, cases};
use crate::{
    dtype::DType,
    gpu::{Adapter, GpuExecutor, OpenError, Options},
    kernels::variants,
    program::Program,
};

/// The cases that each row is held against: the largest, which fill tiles, split sums and leave edges.
const CASES: usize = 3;

/// As [`GpuExecutor::open`], but where a program has f16 the matrix units are tried first, and left alone where they fail; then
/// the failure comes with the executor.
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

/// Holds the rows on matrix units against the CPU in f64 on a few random products. Nothing to do where there are no such
/// units.
///
/// # Errors
/// What is wrong, in one line.
pub fn matrix_units(adapter: &Adapter) -> Result<(), String> {
    let caps = adapter.caps();
    if caps.matrix_side.is_none() {
        return Ok(());
    }
    for row in variants().filter(|row| row.name == "cooperative") {
        let mut ops = cases(row.op);
        ops.retain(|op| row.supports(op, &caps));
        ops.sort_by_key(|op| std::cmp::Reverse(op.flops()));
        ops.truncate(CASES);
        let verdict = Reference::of(&ops).hold(adapter, row, false, |_| true);
        if let Some(failure) = verdict.failures.first() {
            return Err(format!("{}/{}: {failure}", row.op, row.name));
        }
    }
    Ok(())
}
