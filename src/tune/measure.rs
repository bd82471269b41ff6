//! Times the variants of an operation on a device, after checking each.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::smaller::smaller;
use crate::{
    gpu::{Adapter, GpuExecutor, Options},
    kernels::{Caps, Variant, select, variants},
    ops::Op,
    program::{Clock, Executor, ExecutorError, Program, TensorId},
    verify,
};

/// The approximate duration of a sample: much longer than submission and completion take.
const SAMPLE: Duration = Duration::from_millis(20);
/// The maximum number of runs in a sample.
const RUNS: usize = 16;
/// The minimum number of samples of a variant that is not [`FAR_BEHIND`], and the maximum.
const SAMPLES: [usize; 2] = [3, 15];
/// A variant that is this many times slower than the best in its first two runs is not run again.
const FAR_BEHIND: f64 = 3.0;
/// Another variant replaces the built-in choice only below this fraction of its time: the rest is noise.
const WORTH: f64 = 0.95;

/// An operation of a program with a choice of variants.
#[derive(Clone, Debug)]
pub struct Job {
    /// The operation.
    pub op: Op,
    /// The label of the first step with this operation.
    pub label: String,
    /// The number of steps with this operation in a training step and an evaluation.
    pub steps: usize,
    /// The variants that support it, in table order.
    pub rows: Vec<&'static Variant>,
    /// The built-in choice, without a measurement.
    pub expected: &'static Variant,
}

/// The times of an operation's variants.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Each correct variant with its median time in microseconds.
    pub times: Vec<(&'static Variant, f64)>,
    /// The variants that are wrong or could not be timed, with the reason.
    pub failures: Vec<(&'static Variant, String)>,
}

impl Measured {
    /// The fastest variant; `expected` unless it is slower by more than noise. `None` if nothing was timed.
    pub fn best(&self, expected: &'static Variant) -> Option<(&'static Variant, f64)> {
        let best = *self.times.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let known = self.times.iter().find(|(row, _)| std::ptr::eq(*row, expected));
        Some(known.filter(|known| best.1 > WORTH * known.1).copied().unwrap_or(best))
    }
}

/// The distinct operations of a program for which such a device has more than one variant.
pub fn jobs(program: &Program, caps: &Caps) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for step in &program.steps {
        if let Some(known) = jobs.iter_mut().find(|job| job.op == step.op) {
            known.steps += 1;
            continue;
        }
        let rows = variants().filter(|row| row.op == step.op.name() && row.supports(&step.op, caps));
        let rows: Vec<_> = rows.collect();
        let (Ok(expected), true) = (select(&step.op, caps, &[]), rows.len() > 1) else { continue };
        jobs.push(Job { op: step.op.clone(), label: step.label.clone(), steps: 1, rows, expected });
    }
    jobs
}

/// Checks each variant of a job against the reference, on the shape itself or on fewer images, and times the correct
/// ones for about `budget` in total. `None` if `stop` was set.
pub fn measure(adapter: &Adapter, job: &Job, budget: Duration, stop: &AtomicBool) -> Option<Measured> {
    let mut measured = Measured { times: Vec::new(), failures: Vec::new() };
    let caps = adapter.caps();
    let small = smaller(&job.op);
    let reference = verify::Reference::of(std::slice::from_ref(&small));
    let mut best = f64::INFINITY;
    for &row in &job.rows {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let timed = match check(adapter, &caps, row, &small, &reference) {
            Ok(()) => time(adapter, row, &job.op, budget / job.rows.len() as u32, best),
            Err(why) => Err(why),
        };
        match timed {
            Ok(microseconds) => {
                best = best.min(microseconds);
                measured.times.push((row, microseconds));
            }
            Err(why) => measured.failures.push((row, why)),
        }
    }
    Some(measured)
}

fn check(
    adapter: &Adapter,
    caps: &Caps,
    row: &'static Variant,
    small: &Op,
    reference: &verify::Reference,
) -> Result<(), String> {
    if !row.supports(small, caps) {
        return Err(format!("it cannot be checked: it does not run {small:?}"));
    }
    let verdict = reference.check(adapter, row, false, |_| true);
    verdict.failures.into_iter().next().map_or(Ok(()), Err)
}

/// The median time of a variant in microseconds, by the device's timestamps or, on the host, over several runs in one
/// submission. Software adapters use the host's clock.
fn time(
    adapter: &Adapter,
    row: &'static Variant,
    op: &Op,
    budget: Duration,
    best: f64,
) -> Result<f64, String> {
    let mut program = Program::single(op.clone());
    program.steps = vec![program.steps[0].clone(); RUNS];
    let options = Options { timestamps: !adapter.info().software(), ..Options::default() };
    let mut executor = GpuExecutor::open_with(adapter, program, &options, &|_, _| Ok(row))
        .map_err(|error| error.to_string())?;
    sample(&mut executor, op, budget, best).map_err(|error| error.to_string())
}

fn sample(executor: &mut GpuExecutor, op: &Op, budget: Duration, best: f64) -> Result<f64, ExecutorError> {
    for (index, bytes) in verify::input_bytes(op).iter().enumerate() {
        executor.upload(TensorId(index), bytes)?;
    }
    let mut run = |runs: usize| {
        let microseconds = if executor.clock() == Clock::Device {
            executor.time(0..runs)?.iter().map(|timed| timed.ns / 1e3).sum()
        } else {
            executor.wait()?;
            let start = Instant::now();
            executor.queue(0..runs)?;
            executor.wait()?;
            start.elapsed().as_secs_f64() * 1e6
        };
        Ok::<f64, ExecutorError>(microseconds / runs as f64)
    };
    // Warm-up: the driver compiles in the first run.
    run(1)?;
    let start = Instant::now();
    let first = run(1)?.min(run(1)?);
    if first > FAR_BEHIND * best {
        return Ok(first);
    }
    let runs = ((SAMPLE.as_secs_f64() * 1e6 / first.max(1.0)) as usize).clamp(1, RUNS);
    let mut samples = Vec::new();
    while samples.len() < SAMPLES[0] || (samples.len() < SAMPLES[1] && start.elapsed() < budget) {
        samples.push(run(runs)?);
    }
    samples.sort_by(f64::total_cmp);
    Ok(samples[samples.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Activate;

    #[test]
    fn the_built_in_choice_stays_within_the_noise() {
        let caps = Caps::WEBGPU;
        let op = Op::from(Activate::relu(8));
        let rows: Vec<_> = variants().filter(|row| row.op == op.name()).collect();
        let expected = select(&op, &caps, &[]).unwrap();
        let other = rows.iter().copied().find(|row| !std::ptr::eq(*row, expected)).unwrap();
        let best = |mine, others| {
            let times = vec![(other, others), (expected, mine)];
            Measured { times, failures: Vec::new() }.best(expected).unwrap().0.name
        };
        assert_eq!(best(100.0, 96.0), expected.name);
        assert_eq!(best(100.0, 90.0), other.name);
        let alone = Measured { times: vec![(other, 1.0)], failures: Vec::new() };
        assert_eq!(alone.best(expected).unwrap().0.name, other.name, "the built-in choice failed its check");
    }
}
