//! `vgg plan`: memory and limits, before anything is allocated.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    output::print,
    table::{Align, bytes, table},
};
use crate::{
    device::{Device, Planned},
    gpu::{Options, Requirements, workspaces},
    kernels::Caps,
    program::{DeviceLimits, MemoryPlan, Program, Role, Settings, lower},
};

/// The number of tensors listed without `--all`.
const LISTED: usize = 16;

/// Runs `vgg plan`.
pub(super) fn run(planned: &Planned<'_>, memory: Option<u64>, all: bool) -> Result<()> {
    let (program, device) = (&planned.lowered.program, planned.device());
    let requirements = device.requirements(program)?;
    let (slots, peak) = (MemoryPlan::new(program), planned.peak()?);
    let mut text = tensors(program, all);
    text += "\n";
    text += &by_role(program, &slots, requirements.as_ref());
    if let Some(requirements) = &requirements {
        text += "\n";
        text += &limits(requirements, device);
    }
    writeln!(text, "\nbatch size       {}", planned.settings().batch)?;
    writeln!(text, "steps            {}", program.steps.len())?;
    match memory {
        Some(budget) => {
            let largest = planned.largest_batch(budget);
            writeln!(text, "memory           {} of {}", bytes(peak), bytes(budget))?;
            let largest = largest.map_or_else(|| "none".into(), |batch| batch.to_string());
            writeln!(text, "largest batch    {largest}")?;
            text += &on_a_gpu(planned)?;
            print(&text)?;
            Ok(planned.refuse_beyond(memory)?)
        }
        None => {
            writeln!(text, "memory           {}", bytes(peak))?;
            writeln!(
                text,
                "largest batch    unknown: this system does not report its memory; give --memory GIB"
            )?;
            text += &on_a_gpu(planned)?;
            print(&text)
        }
    }
}

/// The memory that the same plan needs on a discrete GPU, with the workspaces of its expected kernels; empty if the plan is
/// already for a GPU.
fn on_a_gpu(planned: &Planned<'_>) -> Result<String> {
    if planned.device().is_hardware_gpu() {
        return Ok(String::new());
    }
    let (caps, limits) = (Caps::DISCRETE, planned.device().limits());
    let limits = DeviceLimits { binding_bytes: caps.binding_bytes, f16: caps.f16, ..limits };
    let program = lower(planned.network(), &Settings { limits, ..planned.settings().clone() })?.program;
    let workspace = workspaces(&program, &caps, &Options::default())?.iter().map(|w| w.bytes).sum::<u64>();
    let peak = MemoryPlan::new(&program).bytes() + workspace;
    Ok(format!("on a GPU         {}, {} of it workspace\n", bytes(peak), bytes(workspace)))
}

fn tensors(program: &Program, all: bool) -> String {
    let mut order: Vec<usize> = (0..program.tensors.len()).collect();
    order.sort_by_key(|&t| std::cmp::Reverse(program.tensors[t].bytes()));
    let shown = if all { order.len() } else { LISTED.min(order.len()) };
    let rows: Vec<Vec<String>> = order[..shown]
        .iter()
        .map(|&t| {
            let t = &program.tensors[t];
            vec![
                t.name.clone(),
                t.shape.to_string(),
                t.dtype.to_string(),
                role(t.role).into(),
                bytes(t.bytes()),
            ]
        })
        .collect();
    let columns = [
        ("tensor", Align::Left),
        ("shape (channels last)", Align::Left),
        ("type", Align::Left),
        ("role", Align::Left),
        ("size", Align::Right),
    ];
    let mut text = table(&columns, &rows);
    if shown < order.len() {
        text += &format!("... and {} smaller ones; --all lists them\n", order.len() - shown);
    }
    text
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Input => "input",
        Role::Parameter => "parameter",
        Role::Gradient => "gradient",
        Role::OptimizerState => "optimiser state",
        Role::Average => "weight average",
        Role::Statistic => "running statistic",
        Role::Output => "output",
        Role::Transient => "transient",
    }
}

fn by_role(program: &Program, memory: &MemoryPlan, requirements: Option<&Requirements>) -> String {
    let roles = [
        Role::Parameter,
        Role::Gradient,
        Role::OptimizerState,
        Role::Average,
        Role::Statistic,
        Role::Input,
        Role::Output,
        Role::Transient,
    ];
    let mut rows: Vec<Vec<String>> = roles
        .iter()
        .map(|&wanted| {
            let all = program.tensors.iter().filter(|t| t.role == wanted);
            let (count, size) = all.fold((0, 0), |(count, size), t| (count + 1, size + t.bytes()));
            let slots = memory.slots.iter().filter(|s| program.tensor(s.tensors[0]).role == wanted);
            let (buffers, planned) = slots.fold((0, 0), |(count, size), s| (count + 1, size + s.bytes));
            vec![role(wanted).into(), count.to_string(), bytes(size), buffers.to_string(), bytes(planned)]
        })
        .collect();
    if let Some(requirements) = requirements {
        let size = bytes(requirements.workspace_bytes);
        rows.push(vec!["workspace".into(), "-".into(), "-".into(), "-".into(), size]);
    }
    let columns = [
        ("role", Align::Left),
        ("tensors", Align::Right),
        ("size", Align::Right),
        ("buffers", Align::Right),
        ("planned", Align::Right),
    ];
    table(&columns, &rows)
}

fn limits(requirements: &Requirements, device: &Device) -> String {
    let Some(adapter) = device.adapter() else { return String::new() };
    let (needs, has) = (&requirements.limits, &adapter.info().limits);
    let row = |name: &str, need: String, limit: String| vec![name.to_owned(), need, limit];
    let count = |a: u32, b: u32| (a.to_string(), b.to_string());
    let (buffers, buffers_limit) = count(needs.storage_buffers, has.storage_buffers);
    let (invocations, invocations_limit) = count(needs.workgroup_invocations, has.workgroup_invocations);
    let rows = [
        row("largest buffer", bytes(needs.buffer_bytes), bytes(has.buffer_bytes)),
        row("largest binding", bytes(needs.binding_bytes), bytes(has.binding_bytes)),
        row("storage buffers", buffers, buffers_limit),
        row("workgroup memory", bytes(needs.workgroup_bytes.into()), bytes(has.workgroup_bytes.into())),
        row("workgroup size", invocations, invocations_limit),
    ];
    table(&[("limit", Align::Left), ("needed", Align::Right), ("adapter has", Align::Right)], &rows)
}
