//! Whether the matrix units of a device compute what they should, before anything relies on them.

use super::{Reference, cases};
use crate::{gpu::Adapter, kernels::variants};

/// The cases that each row is held against: the largest, which fill tiles, split sums and leave edges.
const CASES: usize = 3;

/// Holds the rows on matrix units against the CPU in f64 on a few random products. Nothing to do where there are no such
/// units.
///
/// # Errors
/// What is wrong, in one line.
pub fn matrix_units(adapter: &Adapter) -> Result<(), String> {
    let caps = adapter.caps();
    if !caps.cooperative_matrices {
        return Ok(());
    }
    for row in variants().filter(|row| row.name == "cooperative") {
        let mut ops = cases(row.op);
        ops.retain(|op| (row.supports)(op, &caps));
        ops.sort_by_key(|op| std::cmp::Reverse(op.flops()));
        ops.truncate(CASES);
        let verdict = Reference::of(&ops).hold(adapter, row, false, |_| true);
        if let Some(failure) = verdict.failures.first() {
            return Err(format!("{}/{}: {failure}", row.op, row.name));
        }
    }
    Ok(())
}
