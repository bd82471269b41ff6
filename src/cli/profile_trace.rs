//! A step as a trace in Chrome's format, which Perfetto reads too.

use serde_json::{Value, json};

use super::profile_table::phase_name;
use crate::{
    program::{Program, Timed},
    train::PHASES,
};

/// One event per dispatch, on one track per phase.
pub(super) fn json(device: &str, program: &Program, times: &[Timed]) -> String {
    let named = |kind: &str, thread: usize, name: &str| json!({ "ph": "M", "name": kind, "pid": 1, "tid": thread, "args": { "name": name } });
    let mut events = vec![named("process_name", 0, device)];
    events.extend(PHASES.iter().enumerate().map(|(i, &p)| named("thread_name", i + 1, phase_name(p))));
    events.extend(times.iter().map(|timed| event(program, timed)));
    json!({ "displayTimeUnit": "ms", "traceEvents": events }).to_string()
}

fn event(program: &Program, timed: &Timed) -> Value {
    let step = &program.steps[timed.step];
    let track = PHASES.iter().position(|&phase| phase == step.phase).unwrap_or(0) + 1;
    json!({
        "ph": "X",
        "name": step.label,
        "cat": phase_name(step.phase),
        "pid": 1,
        "tid": track,
        // Microseconds.
        "ts": timed.begin_ns / 1e3,
        "dur": timed.ns / 1e3,
        "args": {
            "kernel": timed.kernel,
            "operation": step.op.name(),
            "gflop_of_operation": step.op.flops() as f64 / 1e9,
            "megabytes_of_operation": step.op.bytes() as f64 / 1e6,
        },
    })
}
