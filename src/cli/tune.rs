//! `vgg tune`: times the variants of a network's operations on this device and stores the fastest in a file.

use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};

use anyhow::{Context, Result, bail};

use super::{
    DONE, FAILED, Usage, args, data, device,
    output::{note, print},
    settings::configure,
    table::{Align, table},
    train,
};
use crate::{
    kernels::{Tuned, Variant},
    program::lower,
    tune::{self, Choice, Ignored, Job, Measured, Source, TuningFile},
};

/// A finished job: its measurements, and the best variant with its time.
type Done = (Job, Measured, &'static Variant, f64);

/// Runs `vgg tune`; the exit code says whether everything was measured and every variant is correct.
pub(super) fn run(flags: &args::Tune, quiet: bool) -> Result<u8> {
    let stop = train::stop_on_signals()?;
    let (device, adapter) = device::choose_gpu(&flags.device.device, flags.device.robust_buffers, quiet)?;
    let adapter = &adapter;
    let path = output(&flags.tuning, tune::default_path(adapter.info()))?;
    // Keeps the measurements of other recipes. A named file is overwritten only if it is a tuning file for this device.
    let mut file = match TuningFile::read(&path, adapter.info()) {
        Ok(file) => file,
        Err(Ignored::Malformed(_) | Ignored::Foreign { .. } | Ignored::Unreadable(_))
            if path.exists() && matches!(flags.tuning, Source::File(_)) =>
        {
            let text =
                format!("{} is not a tuning file for this device; choose another path", path.display());
            bail!(Usage(text))
        }
        Err(_) => TuningFile::new(adapter.info()),
    };
    let config = configure(&flags.recipe, &flags.settings, device.is_hardware_gpu(), quiet)?;
    let data = data::open(&config, quiet)?;
    let network = train::network(&config, &data)?;
    note(quiet, &train::describe(&config, &network));
    let program = lower(&network, &config.settings(&*data.train, device.limits()))?.program;
    let mut jobs = tune::jobs(&program, &adapter.caps());
    jobs.retain(|job| flags.op.is_empty() || flags.op.iter().any(|op| op == job.op.name()));
    note(quiet, &format!("tuning    {} shapes with more than one variant", jobs.len()));

    let budget = Duration::from_secs_f64(flags.seconds);
    let mut done: Vec<Done> = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let Some(measured) = tune::measure(adapter, job, budget, &stop) else { break };
        for (row, why) in &measured.failures {
            note(quiet, &format!("{}={} is left out: {why}", row.op, row.name));
        }
        let Some((row, microseconds)) = measured.best(job.expected) else { continue };
        let line = format!("{}/{} {}: {} {:.0} us", index + 1, jobs.len(), job.label, row.name, microseconds);
        note(quiet, &(line + &others(&measured, row)));
        done.push((job.clone(), measured, row, microseconds));
    }

    for (job, measured, row, _) in &done {
        file.set(choice(job, measured, row));
    }
    file.write(&path).with_context(|| {
        format!("cannot write {}; choose another path with --tuning FILE", path.display())
    })?;
    print(&render(&done))?;
    note(quiet, &format!("{} measured shapes in {}", file.len(), path.display()));
    if stop.load(Ordering::Relaxed) {
        note(quiet, &format!("interrupted: {} of {} shapes are measured", done.len(), jobs.len()));
        return Ok(FAILED);
    }
    let wrong = done.len() < jobs.len() || done.iter().any(|(_, measured, ..)| !measured.failures.is_empty());
    Ok(if wrong { FAILED } else { DONE })
}

/// The path of the tuning file.
fn output(tuning: &Source, default: Option<PathBuf>) -> Result<PathBuf> {
    match (tuning, default) {
        (Source::File(path), _) => Ok(path.clone()),
        (Source::Automatic, Some(path)) => Ok(path),
        (Source::Automatic, None) => {
            bail!(Usage("this system has no cache folder; give a file with --tuning FILE".to_owned()))
        }
        (Source::Off, _) => {
            bail!(Usage("--tuning off leaves nowhere to write the result; give a file".to_owned()))
        }
    }
}

fn others(measured: &Measured, chosen: &'static Variant) -> String {
    let others = measured.times.iter().filter(|(row, _)| row.name != chosen.name);
    let list: Vec<String> = others.map(|(row, us)| format!("{} {us:.0}", row.name)).collect();
    if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) }
}

fn choice(job: &Job, measured: &Measured, row: &Variant) -> Choice {
    let tenth = |us: f64| (us * 10.0).round() / 10.0;
    Choice {
        op: row.op.to_owned(),
        shape: Tuned::shape(&job.op),
        variant: row.name.to_owned(),
        microseconds: measured.times.iter().map(|(row, us)| (row.name.to_owned(), tenth(*us))).collect(),
    }
}

/// The shapes whose fastest variant is not the built-in choice, and the time saved over all shapes.
fn render(done: &[Done]) -> String {
    let mut rows = Vec::new();
    let (mut before, mut after) = (0.0, 0.0);
    for (job, measured, row, microseconds) in done {
        let known = measured.times.iter().find(|(row, _)| std::ptr::eq(*row, job.expected));
        let Some((expected, was)) = known else { continue };
        before += was * job.steps as f64;
        after += microseconds * job.steps as f64;
        if !std::ptr::eq(*expected, *row) {
            rows.push(vec![
                job.label.clone(),
                expected.name.into(),
                format!("{was:.0}"),
                row.name.into(),
                format!("{microseconds:.0}"),
                format!("{:.2}", was / microseconds),
            ]);
        }
    }
    let columns = [
        ("step", Align::Left),
        ("built-in choice", Align::Left),
        ("us", Align::Right),
        ("fastest", Align::Left),
        ("us", Align::Right),
        ("ratio", Align::Right),
    ];
    let mut text = String::new();
    if !rows.is_empty() {
        text += &table(&columns, &rows);
        text += "\n";
    }
    text + &format!(
        "shapes with a faster variant than the built-in choice: {} of {}; these operations of a step and an \
         evaluation take {:.1} ms instead of {:.1} ms\n",
        rows.len(),
        done.len(),
        after / 1e3,
        before / 1e3
    )
}
