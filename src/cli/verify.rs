//! `vgg verify`: checks every kernel variant of this device against the CPU.

use anyhow::{Result, bail};

use super::{
    DONE, FAILED, Usage, args, device, kernels,
    output::{note, print},
    table::{Align, table},
};
use crate::{
    gpu::Adapter,
    kernels::{Variant, variants},
    ops::Op,
    verify::{Reference, Verdict, cases},
};

/// `--quick`: the maximum number of cases per variant, and the maximum bytes of a case's operands.
const QUICK: (usize, u64) = (4, 256 << 10);

/// The number of a variant's failures that are printed: one wrong index fails every case.
const PRINTED: usize = 3;

/// Runs `vgg verify`; the exit code says whether every variant is correct.
pub(super) fn run(flags: &args::Verify, quiet: bool) -> Result<u8> {
    let (_, adapter) = device::choose_gpu(&flags.device.device, flags.device.robust_buffers, quiet)?;
    let wanted = kernels::pairs(&flags.variant)?;
    let (ops, forced) = (&flags.op, &wanted);
    let asked = |row: &&'static Variant| {
        (ops.is_empty() || ops.iter().any(|op| op == row.op))
            && (forced.is_empty() || forced.iter().any(|(op, name)| op == row.op && name == row.name))
    };
    let rows: Vec<&'static Variant> = variants().filter(asked).collect();
    if rows.is_empty() {
        bail!(Usage("--op and --variant have no variant in common, so there is nothing to check".to_owned()));
    }
    walk(&adapter, &rows, flags.quick, quiet)
}

/// Checks rows against the reference, and prints the table.
fn walk(adapter: &Adapter, rows: &[&'static Variant], quick: bool, quiet: bool) -> Result<u8> {
    let caps = adapter.caps();
    let mut verdicts: Vec<(&'static Variant, Verdict)> = Vec::new();
    let mut absent = Vec::new();
    for rows in rows.chunk_by(|a, b| a.op == b.op) {
        let all = cases(rows[0].op);
        let picks: Vec<Vec<Op>> =
            rows.iter().map(|row| pick(&all, quick, |op| row.supports(op, &caps))).collect();
        let union: Vec<Op> = all.into_iter().filter(|op| picks.iter().any(|p| p.contains(op))).collect();
        let reference = Reference::of(&union);
        for (&row, picked) in rows.iter().zip(&picks) {
            if picked.is_empty() {
                absent.push(format!("{}={}", row.op, row.name));
                continue;
            }
            let verdict = reference.check(adapter, row, false, |op| picked.contains(op));
            note(quiet, &format!("{:<32} {}", format!("{}={}", row.op, row.name), outcome(&verdict)));
            verdicts.push((row, verdict));
        }
    }
    if verdicts.is_empty() {
        bail!("none of these variants can run on this device, so nothing was checked: {}", absent.join(", "));
    }
    print(&render(&verdicts))?;
    if !absent.is_empty() {
        note(quiet, &format!("not on this device: {}", absent.join(", ")));
    }
    Ok(if verdicts.iter().all(|(_, v)| v.failures.is_empty()) { DONE } else { FAILED })
}

/// The cases to check a row on: all that it supports, or with `quick` a few small ones spread over them.
fn pick(cases: &[Op], quick: bool, supports: impl Fn(&Op) -> bool) -> Vec<Op> {
    let able: Vec<&Op> = cases.iter().filter(|op| supports(op)).collect();
    if !quick {
        return able.into_iter().cloned().collect();
    }
    let (most, bytes) = QUICK;
    let small: Vec<&Op> = able.iter().copied().filter(|op| op.bytes() <= bytes).collect();
    // A row that supports only large shapes is checked on the first of them.
    let from = if small.is_empty() { able.into_iter().take(1).collect() } else { small };
    from.iter().step_by(from.len().div_ceil(most).max(1)).map(|&op| op.clone()).collect()
}

fn outcome(verdict: &Verdict) -> &'static str {
    if verdict.failures.is_empty() { "ok" } else { "FAILED" }
}

fn render(verdicts: &[(&'static Variant, Verdict)]) -> String {
    let row = |(row, verdict): &(&'static Variant, Verdict)| {
        let worst = if verdict.failures.is_empty() {
            format!("{:.1} %", 100.0 * verdict.worst)
        } else {
            "-".to_owned()
        };
        vec![row.op.into(), row.name.into(), verdict.cases.to_string(), worst, outcome(verdict).into()]
    };
    let columns = [
        ("operation", Align::Left),
        ("variant", Align::Left),
        ("cases", Align::Right),
        ("worst error of tolerance", Align::Right),
        ("", Align::Left),
    ];
    let mut text = table(&columns, &verdicts.iter().map(row).collect::<Vec<_>>());
    let mut failed = 0;
    for (row, verdict) in verdicts.iter().filter(|(_, v)| !v.failures.is_empty()) {
        failed += 1;
        text += "\n";
        for failure in verdict.failures.iter().take(PRINTED) {
            text += &format!("{}={}: {failure}\n", row.op, row.name);
        }
        let more = verdict.failures.len().saturating_sub(PRINTED);
        if more > 0 {
            text += &format!("{}={}: and {more} more\n", row.op, row.name);
        }
    }
    text += &match failed {
        0 => format!("\nall {} variants are within tolerance\n", verdicts.len()),
        _ => format!("\n{failed} of {} variants FAILED\n", verdicts.len()),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::test_adapter,
        kernels::{Dispatch, Kernel},
        ops::Activate,
        shader::{Fragment, Source},
    };

    /// activation.forward that skips the last element.
    static WRONG: Variant = Variant::custom(
        "activation.forward",
        "wrong",
        |op, _| matches!(op, Op::Activate(_)),
        |_, _| {
            let wgsl = "@group(0) @binding(0) var<storage, read> input: array<f32>;
                @group(0) @binding(1) var<storage, read_write> output: array<f32>;
                @compute @workgroup_size(1) fn main() {
                    for (var i = 0u; i + 1u < arrayLength(&output); i += 1u) {
                        output[i] = select(max(input[i], 0.0), input[i], input[i] != input[i]);
                    }
                }";
            Kernel::new(vec![Dispatch::new("", Source::new([Fragment::inline(wgsl)]), 1)])
        },
    );

    #[test]
    fn a_wrong_variant_is_found() {
        let Some(adapter) = test_adapter() else { return };
        let right = variants().find(|v| v.op == "activation.forward" && v.name == "scalar").unwrap();
        assert_eq!(walk(&adapter, &[right], true, true).unwrap(), DONE);
        assert_eq!(walk(&adapter, &[right, &WRONG], true, true).unwrap(), FAILED);
        let reference = Reference::of(&[Activate::relu(5).into()]);
        let verdicts = [right, &WRONG].map(|row| (row, reference.check(&adapter, row, false, |_| true)));
        let text = render(&verdicts);
        assert!(text.contains("1 of 2 variants FAILED"), "{text}");
        assert!(
            text.contains(
                "activation.forward=wrong: Activate(Activate { len: 5, activation: Relu { at_zero: 0.0 } })"
            ) && text.contains("[4]"),
            "{text}"
        );
    }

    #[test]
    fn quick_takes_few_cases_of_every_row() {
        for row in variants() {
            let all = cases(row.op);
            let quick = pick(&all, true, |_| true);
            assert!((1..=QUICK.0).contains(&quick.len()), "{}={}: {}", row.op, row.name, quick.len());
        }
        let large: Vec<Op> = vec![Activate::relu(1 << 20).into(), Activate::relu(1 << 21).into()];
        assert_eq!(pick(&large, true, |_| true), large[..1]);
        assert_eq!(pick(&large, false, |_| true), large);
    }
}
