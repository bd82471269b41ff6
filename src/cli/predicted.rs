//! `vgg plan --predict`: the predicted time of a training step on a GPU that is not at hand.

use anyhow::Result;
use clap::{ValueEnum, builder::PossibleValue};
use serde::Serialize;

use super::{
    output::{print, print_json},
    profile_table::phase_name,
    table::{Align, table},
};
use crate::{
    kernels::GpuModel,
    program::{Pass, Program},
    train::PHASES,
};

/// A GPU of [`GpuModel::ALL`].
#[derive(Clone, Debug)]
pub(super) struct PredictedGpu(&'static GpuModel);

static GPUS: [GpuModel; 5] = GpuModel::ALL;

impl ValueEnum for PredictedGpu {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [PredictedGpu; 5] = {
            let [a, b, c, d, e] = &GPUS;
            [PredictedGpu(a), PredictedGpu(b), PredictedGpu(c), PredictedGpu(d), PredictedGpu(e)]
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.word).help(self.0.name))
    }
}

impl PredictedGpu {
    pub(super) fn model(&self) -> &'static GpuModel {
        self.0
    }
}

/// The prediction, as `--json` prints it.
#[derive(Serialize)]
struct Predicted {
    gpu: &'static str,
    batch_size: usize,
    step_ms: f64,
    images_per_second: f64,
    dispatches: usize,
    phases: Vec<PredictedPhase>,
    passes: Vec<PredictedPass>,
}

#[derive(Serialize)]
struct PredictedPhase {
    phase: &'static str,
    ms: f64,
}

/// A pass of a layer.
#[derive(Serialize)]
struct PredictedPass {
    /// As `conv3_2.forward`.
    pass: String,
    phase: &'static str,
    kernel: &'static str,
    ms: f64,
    arithmetic_ms: f64,
    memory_ms: f64,
}

/// The passes below this share of the step are combined into one line.
const SMALL: f64 = 0.005;

/// Prints the prediction for a training step.
pub(super) fn run(
    gpu: &GpuModel,
    forced: &[(String, String)],
    program: &Program,
    batch_size: usize,
    all: bool,
    json: bool,
) -> Result<()> {
    let mut passes = Vec::new();
    let mut dispatches = 0;
    for step in &program.steps[program.pass(Pass::Train)] {
        let predicted = gpu.predict(&step.op, forced)?;
        dispatches += predicted.dispatches;
        passes.push(PredictedPass {
            pass: step.label.clone(),
            phase: phase_name(step.phase),
            kernel: predicted.kernel,
            ms: 1e3 * predicted.seconds,
            arithmetic_ms: 1e3 * predicted.arithmetic,
            memory_ms: 1e3 * predicted.memory,
        });
    }
    let sum = |phase: Option<&str>| {
        let of = passes.iter().filter(|pass| phase.is_none_or(|phase| pass.phase == phase));
        of.map(|pass| pass.ms).sum::<f64>()
    };
    let step_ms = sum(None);
    let phases = PHASES.map(phase_name).map(|phase| PredictedPhase { phase, ms: sum(Some(phase)) }).into();
    let images_per_second = 1e3 * batch_size as f64 / step_ms;
    let predicted =
        Predicted { gpu: gpu.name, batch_size, step_ms, images_per_second, dispatches, phases, passes };
    if json { print_json(&predicted) } else { print(&render(&predicted, all)) }
}

fn render(predicted: &Predicted, all: bool) -> String {
    let total = predicted.step_ms;
    let cells = |name: String, kernel: &str, [ms, arithmetic, memory]: [f64; 3]| {
        let time = |ms: f64| format!("{ms:.3}");
        let share = format!("{:.1} %", 100.0 * ms / total);
        vec![name, kernel.to_owned(), time(ms), share, time(arithmetic), time(memory)]
    };
    let times = |pass: &PredictedPass| [pass.ms, pass.arithmetic_ms, pass.memory_ms];
    let (shown, small): (Vec<_>, Vec<_>) =
        predicted.passes.iter().partition(|pass| all || pass.ms >= SMALL * total);
    let mut rows: Vec<Vec<String>> =
        shown.iter().map(|pass| cells(pass.pass.clone(), pass.kernel, times(pass))).collect();
    let add = |passes: &[&PredictedPass]| {
        passes
            .iter()
            .map(|pass| times(pass))
            .fold([0.0; 3], |sum, more| std::array::from_fn(|i| sum[i] + more[i]))
    };
    if !small.is_empty() {
        rows.push(cells(format!("{} smaller ones", small.len()), "", add(&small)));
    }
    for PredictedPhase { phase, .. } in &predicted.phases {
        let of: Vec<&PredictedPass> = predicted.passes.iter().filter(|pass| pass.phase == *phase).collect();
        rows.push(cells(format!("all of {phase}"), "", add(&of)));
    }
    rows.push(cells("the step".to_owned(), "", add(&predicted.passes.iter().collect::<Vec<_>>())));
    let columns = [
        ("layer and pass", Align::Left),
        ("kernel", Align::Left),
        ("ms", Align::Right),
        ("of step", Align::Right),
        ("arithmetic", Align::Right),
        ("memory", Align::Right),
    ];
    format!(
        "{}\n{:.1} images/s predicted for {}, {} dispatches. A model, not a measurement: docs/profiling.md has its constants.\n",
        table(&columns, &rows),
        predicted.images_per_second,
        predicted.gpu,
        predicted.dispatches,
    )
}
