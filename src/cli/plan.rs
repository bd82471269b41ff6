//! `vgg plan`: memory and limits, before anything is allocated.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::{
    args, data, device, kernels,
    output::{note, print, print_json},
    predicted::{self, PredictedGpu},
    settings::configure,
    table::{Align, bytes, table},
    train::{describe, network},
};
use crate::{
    device::{Device, Planned},
    gpu::{Options, Requirements, workspaces},
    kernels::Caps,
    program::{DeviceLimits, MemoryPlan, Program, Role, Settings, lower},
};

/// The number of tensors listed without `--all`.
const LISTED: usize = 16;

/// The plan, as `--json` prints it.
#[derive(Serialize)]
struct TrainingPlan {
    batch_size: usize,
    steps: usize,
    memory_bytes: u64,
    /// The memory that the training may use; `None`: unknown.
    available_bytes: Option<u64>,
    /// The largest batch that fits in it; `None`: none, or unknown.
    largest_batch: Option<usize>,
    /// On a discrete GPU, if the plan is not for a GPU.
    on_a_gpu: Option<GpuMemory>,
    workspace_bytes: Option<u64>,
    roles: Vec<RoleMemory>,
    limits: Vec<Limit>,
    /// The largest first.
    tensors: Vec<PlannedTensor>,
}

/// Memory on a discrete GPU.
#[derive(Serialize)]
struct GpuMemory {
    memory_bytes: u64,
    workspace_bytes: u64,
}

/// The tensors of a role, and the buffers that they share.
#[derive(Serialize)]
struct RoleMemory {
    role: &'static str,
    tensors: usize,
    tensor_bytes: u64,
    buffers: usize,
    buffer_bytes: u64,
}

/// A limit of the adapter.
#[derive(Serialize)]
struct Limit {
    name: &'static str,
    needed: u64,
    adapter: u64,
    /// Whether both are bytes.
    in_bytes: bool,
}

#[derive(Serialize)]
struct PlannedTensor {
    name: String,
    /// Channels last.
    shape: Vec<usize>,
    #[serde(rename = "type")]
    dtype: String,
    role: &'static str,
    bytes: u64,
}

/// Runs `vgg plan`.
pub(super) fn run(flags: &args::Plan, quiet: bool) -> Result<()> {
    let found = match &flags.predict {
        Some(_) => None,
        None => Some(device::choose_and_say(&flags.device.device, &flags.kernels, quiet)?),
    };
    let hardware = found.as_ref().is_none_or(Device::is_hardware_gpu);
    let config = configure(&flags.recipe, &flags.settings, hardware, quiet)?;
    let data = data::open(&config, quiet)?;
    let network = network(&config, &data)?;
    note(quiet, &describe(&config, &network));
    let settings = |limits| config.settings(&*data.train, limits);
    if let Some(gpu) = flags.predict.as_ref().map(PredictedGpu::model) {
        let Caps { binding_bytes, f16, .. } = gpu.caps();
        let limits = DeviceLimits { binding_bytes, offset_alignment: 256, f16 };
        let program = lower(&network, &settings(limits))?.program;
        let forced = kernels::pairs(&flags.kernels.variant)?;
        return predicted::run(gpu, &forced, &program, config.batch_size, flags.all, flags.json);
    }
    let device = found.expect("without --predict a device was chosen");
    let memory = match flags.memory {
        Some(gib) => Some((gib * f64::from(1 << 30)) as u64),
        None => device.memory(),
    };
    let planned = Planned::unlimited(&device, network, settings(device.limits()))?;
    show(&planned, memory, flags)
}

fn show(planned: &Planned<'_>, memory: Option<u64>, flags: &args::Plan) -> Result<()> {
    let (program, device) = (&planned.lowered.program, planned.device());
    let requirements = device.requirements(program)?;
    let plan = TrainingPlan {
        batch_size: planned.settings().batch,
        steps: program.steps.len(),
        memory_bytes: planned.peak()?,
        available_bytes: memory,
        largest_batch: memory.and_then(|budget| planned.largest_batch(budget)),
        on_a_gpu: on_a_gpu(planned)?,
        workspace_bytes: requirements.as_ref().map(|requirements| requirements.workspace_bytes),
        roles: by_role(program, &MemoryPlan::new(program)),
        limits: requirements.map_or_else(Vec::new, |requirements| limits(&requirements, device)),
        tensors: tensors(program),
    };
    if flags.json {
        print_json(&plan)?
    } else {
        print(&render(&plan, flags.all)?)?
    }
    match memory {
        Some(_) => Ok(planned.refuse_beyond(memory)?),
        None => Ok(()),
    }
}

fn render(plan: &TrainingPlan, all: bool) -> Result<String> {
    let mut text = rendered_tensors(&plan.tensors, all) + "\n" + &rendered_roles(plan);
    if !plan.limits.is_empty() {
        text += "\n";
        text += &rendered_limits(&plan.limits);
    }
    writeln!(text, "\nbatch size       {}", plan.batch_size)?;
    writeln!(text, "steps            {}", plan.steps)?;
    match plan.available_bytes {
        Some(budget) => {
            writeln!(text, "memory           {} of {}", bytes(plan.memory_bytes), bytes(budget))?;
            let largest = plan.largest_batch.map_or_else(|| "none".into(), |batch| batch.to_string());
            writeln!(text, "largest batch    {largest}")?;
        }
        None => {
            writeln!(text, "memory           {}", bytes(plan.memory_bytes))?;
            writeln!(
                text,
                "largest batch    unknown: this system does not report its memory; give --memory GIB"
            )?;
        }
    }
    if let Some(GpuMemory { memory_bytes, workspace_bytes }) = plan.on_a_gpu {
        let [memory, workspace] = [memory_bytes, workspace_bytes].map(bytes);
        writeln!(text, "on a GPU         {memory}, {workspace} of it workspace")?;
    }
    Ok(text)
}

/// The memory that the same plan needs on a discrete GPU, with the workspaces of its expected kernels; `None` if the plan is
/// already for a GPU.
fn on_a_gpu(planned: &Planned<'_>) -> Result<Option<GpuMemory>> {
    if planned.device().is_hardware_gpu() {
        return Ok(None);
    }
    let (caps, limits) = (Caps::DISCRETE, planned.device().limits());
    let limits = DeviceLimits { binding_bytes: caps.binding_bytes, f16: caps.f16, ..limits };
    let program = lower(planned.network(), &Settings { limits, ..planned.settings().clone() })?.program;
    let workspaces = workspaces(&program, &caps, &Options::default())?;
    let workspace_bytes = workspaces.iter().map(|w| w.bytes).sum::<u64>();
    let memory_bytes = MemoryPlan::new(&program).bytes() + workspace_bytes;
    Ok(Some(GpuMemory { memory_bytes, workspace_bytes }))
}

fn tensors(program: &Program) -> Vec<PlannedTensor> {
    let mut order: Vec<usize> = (0..program.tensors.len()).collect();
    order.sort_by_key(|&t| std::cmp::Reverse(program.tensors[t].bytes()));
    let planned = |t: usize| {
        let t = &program.tensors[t];
        PlannedTensor {
            name: t.name.clone(),
            shape: t.shape.dims().to_vec(),
            dtype: t.dtype.to_string(),
            role: role(t.role),
            bytes: t.bytes(),
        }
    };
    order.into_iter().map(planned).collect()
}

fn rendered_tensors(tensors: &[PlannedTensor], all: bool) -> String {
    let shown = if all { tensors.len() } else { LISTED.min(tensors.len()) };
    let rows: Vec<Vec<String>> = tensors[..shown]
        .iter()
        .map(|t| {
            vec![t.name.clone(), format!("{:?}", t.shape), t.dtype.clone(), t.role.into(), bytes(t.bytes)]
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
    if shown < tensors.len() {
        text += &format!("... and {} smaller ones; --all lists them\n", tensors.len() - shown);
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

fn by_role(program: &Program, memory: &MemoryPlan) -> Vec<RoleMemory> {
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
    let of = |wanted: Role| {
        let all = program.tensors.iter().filter(|t| t.role == wanted);
        let (tensors, tensor_bytes) = all.fold((0, 0), |(count, size), t| (count + 1, size + t.bytes()));
        let slots = memory.slots.iter().filter(|s| program.tensor(s.tensors[0]).role == wanted);
        let (buffers, buffer_bytes) = slots.fold((0, 0), |(count, size), s| (count + 1, size + s.bytes));
        RoleMemory { role: role(wanted), tensors, tensor_bytes, buffers, buffer_bytes }
    };
    roles.into_iter().map(of).collect()
}

fn rendered_roles(plan: &TrainingPlan) -> String {
    let row = |memory: &RoleMemory| {
        let &RoleMemory { role, tensors, tensor_bytes, buffers, buffer_bytes } = memory;
        let [size, planned] = [tensor_bytes, buffer_bytes].map(bytes);
        vec![role.into(), tensors.to_string(), size, buffers.to_string(), planned]
    };
    let mut rows: Vec<Vec<String>> = plan.roles.iter().map(row).collect();
    if let Some(size) = plan.workspace_bytes {
        rows.push(vec!["workspace".into(), "-".into(), "-".into(), "-".into(), bytes(size)]);
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

fn limits(requirements: &Requirements, device: &Device) -> Vec<Limit> {
    let Some(adapter) = device.adapter() else { return Vec::new() };
    let (needs, has) = (&requirements.limits, &adapter.info().limits);
    let size = |name, needed, adapter| Limit { name, needed, adapter, in_bytes: true };
    let count = |name, needed: u32, adapter: u32| Limit {
        name,
        needed: needed.into(),
        adapter: adapter.into(),
        in_bytes: false,
    };
    vec![
        size("largest buffer", needs.buffer_bytes, has.buffer_bytes),
        size("largest binding", needs.binding_bytes, has.binding_bytes),
        count("storage buffers", needs.storage_buffers, has.storage_buffers),
        size("workgroup memory", needs.workgroup_bytes.into(), has.workgroup_bytes.into()),
        count("workgroup size", needs.workgroup_invocations, has.workgroup_invocations),
    ]
}

fn rendered_limits(limits: &[Limit]) -> String {
    let row = |limit: &Limit| {
        let shown = |value: u64| if limit.in_bytes { bytes(value) } else { value.to_string() };
        vec![limit.name.to_owned(), shown(limit.needed), shown(limit.adapter)]
    };
    let rows: Vec<Vec<String>> = limits.iter().map(row).collect();
    table(&[("limit", Align::Left), ("needed", Align::Right), ("adapter has", Align::Right)], &rows)
}
