//! `vgg profile`: the time of a training step by layer.

use std::{path::Path, time::Instant};

use anyhow::Result;
use serde_json::json;

use super::{
    args,
    device::{self, without_matrix_units},
    measured::{Measured, median},
    output::{note, print, write_file},
    profile_table::{self, Row, phase_name},
    profile_trace,
};
use crate::{
    gpu::Options,
    pictures::{Pass, profile_svg},
    program::{Clock, Program, Roofline, Timed},
    train::PHASES,
};

/// The version of the JSON output; it changes with the meaning of any field.
const SCHEMA: &str = "vgg-profile/1";

/// The default number of measured steps.
const STEPS: u64 = 5;

/// Runs `vgg profile`.
pub(super) fn run(flags: &args::Profile, quiet: bool) -> Result<()> {
    let begin = Instant::now();
    let device = device::choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let options = Options { timestamps: true, ..device.options().clone() };
    let device = device.with_options(options);
    let roofline = device.roofline()?;
    let mut measured = Measured::open(&flags.recipe, device, &flags.settings, begin, quiet)?;
    let clock = measured.measure.executor().clock();
    if clock == Clock::Host && measured.device.adapter().is_some() {
        note(
            quiet,
            "note      the device has no timestamps: the host times each step, including its own overhead",
        );
    }
    let steps = measured.config.steps.unwrap_or(STEPS).max(1);
    for _ in 0..flags.warmup {
        measured.measure.step()?;
    }
    let runs = (0..steps).map(|_| measured.measure.step_timed()).collect::<Result<Vec<_>, _>>()?;
    let times = medians(&runs);
    let program = measured.measure.program();
    let rows = rows(program, &times, &roofline, |step| measured.measure.executor().kernel(step));
    let name = measured.device.name();
    if flags.json {
        let settings = measured.settings()?;
        let head = json!({
            "schema": SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
            "device": name,
            "driver": measured.device.driver(),
            "recipe": measured.config.recipe,
            "settings": settings,
            "steps": steps,
            "clock": if clock == Clock::Device { "device" } else { "host" },
            "roofline": {
                "tflops": roofline.flops_per_second / 1e12,
                "gigabytes_per_second": roofline.bytes_per_second / 1e9,
            },
            "matrix_units_failure": measured.device.matrix_units_failure(),
            "step_ms": rows.iter().map(|row| row.ns / 1e6).sum::<f64>(),
            "rows": rows.iter().map(as_json).collect::<Vec<_>>(),
        });
        print(&format!("{head}\n"))?;
    } else {
        let mut text = profile_table::render(&rows, &roofline, measured.config.batch_size, flags.all);
        if let Some(failure) = measured.device.matrix_units_failure() {
            text += &format!("kernels: {}\n", without_matrix_units(failure));
        }
        print(&text)?;
    }
    // Print the figures first, in case a file cannot be written.
    let last = runs.last().map_or(&[][..], Vec::as_slice);
    let trace = |path: &Path| write(path, &profile_trace::json(&name, program, last), "--trace FILE", quiet);
    flags.trace.as_deref().map(trace).transpose()?;
    let draw = |path: &Path| {
        let title = format!("A training step on {name}");
        write(path, &picture(&title, &rows, &roofline), "--picture FILE", quiet)
    };
    flags.picture.as_deref().map(draw).transpose()?;
    Ok(())
}

fn write(path: &Path, text: &str, flag: &str, quiet: bool) -> Result<()> {
    write_file(path, text.as_bytes(), flag)?;
    note(quiet, &format!("written   {}", path.display()));
    Ok(())
}

fn picture(title: &str, rows: &[Row], roofline: &Roofline) -> String {
    let phase = |row: &Row| PHASES.iter().position(|&phase| phase == row.phase).unwrap_or(0);
    let passes = rows.iter().map(|row| Pass {
        layer: row.layer(),
        phase: phase(row),
        ns: row.ns,
        flops: row.flops,
        bytes: row.bytes,
    });
    let passes: Vec<Pass<'_>> = passes.collect();
    profile_svg(title, &passes, [roofline.flops_per_second, roofline.bytes_per_second])
}

/// The median of each dispatch over some runs of the same steps.
fn medians(runs: &[Vec<Timed>]) -> Vec<Timed> {
    let Some(first) = runs.first() else { return Vec::new() };
    let middle = |index: usize| {
        let mut all: Vec<f64> = runs.iter().map(|run| run[index].ns).collect();
        all.sort_by(f64::total_cmp);
        median(&all)
    };
    first.iter().enumerate().map(|(index, timed)| Timed { ns: middle(index), ..timed.clone() }).collect()
}

/// One row for each layer and pass, in the order of the program.
fn rows(
    program: &Program,
    times: &[Timed],
    roofline: &Roofline,
    kernel: impl Fn(usize) -> String,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for group in times.chunk_by(|a, b| a.step == b.step) {
        let index = group[0].step;
        let step = &program.steps[index];
        // Slices add `[0..64]`.
        let label = step.label.split('[').next().unwrap_or_default();
        if rows.last().is_none_or(|row| row.label != label) {
            rows.push(Row {
                label: label.to_owned(),
                phase: step.phase,
                kernel: kernel(index),
                dispatches: Vec::new(),
                ns: 0.0,
                flops: 0.0,
                bytes: 0.0,
                best_ns: 0.0,
            });
        }
        let Some(row) = rows.last_mut() else { continue };
        row.ns += group.iter().map(|timed| timed.ns).sum::<f64>();
        row.flops += step.op.flops() as f64;
        row.bytes += step.op.bytes() as f64;
        row.best_ns += roofline.ns(&step.op);
        row.dispatches.extend(group.iter().map(|timed| (timed.kernel.clone(), timed.ns)));
    }
    rows
}

fn as_json(row: &Row) -> serde_json::Value {
    let dispatches: Vec<_> =
        row.dispatches.iter().map(|(kernel, ns)| json!({ "kernel": kernel, "ms": ns / 1e6 })).collect();
    json!({
        "label": row.label,
        "layer": row.layer(),
        "pass": row.pass(),
        "phase": phase_name(row.phase),
        "kernel": row.kernel,
        "dispatches": dispatches,
        "ms": row.ns / 1e6,
        "gflop": row.flops / 1e9,
        "tflops": row.flops_per_second() / 1e12,
        "gigabytes_per_second": row.bytes_per_second() / 1e9,
        "percent_of_roofline": row.percent(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Activate;

    fn timed(step: usize, dispatch: usize, ns: f64) -> Timed {
        Timed { step, dispatch, kernel: format!("activation.forward/vec4.{dispatch}"), begin_ns: 0.0, ns }
    }

    #[test]
    fn slices_and_dispatches_come_together_and_rates_add_up() {
        let mut program = Program::single(Activate::relu(1000).into());
        let mut second = program.steps[0].clone();
        program.steps[0].label = "relu1.forward[0..1]".into();
        second.label = "relu1.forward[1..2]".into();
        program.steps.push(second);
        let roofline = Roofline { flops_per_second: 1e9, bytes_per_second: 8e9 };
        let runs =
            [40.0, 500.0, 3000.0].map(|ns| vec![timed(0, 0, ns), timed(0, 1, 1000.0), timed(1, 0, 500.0)]);
        let rows = rows(&program, &medians(&runs), &roofline, |_| "activation.forward/vec4".into());
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!((row.label.as_str(), row.layer(), row.pass()), ("relu1.forward", "relu1", "forward"));
        assert_eq!((row.ns, row.flops, row.bytes, row.dispatches.len()), (2000.0, 2000.0, 16_000.0, 3));
        // Both rates allow 2000 ns.
        assert_eq!((row.percent(), row.flops_per_second(), row.bytes_per_second()), (100.0, 1e9, 8e9));
    }
}
