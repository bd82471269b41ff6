//! `vgg kernels`: the rows of the table, the rows that a training uses, and their shaders.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;

use super::{
    Usage,
    args::{self, Format},
    data, device, kernels,
    output::{note, print, print_json, write_file},
    settings::configure,
    table::{Align, table},
    train,
};
use crate::{
    dtype::DType,
    kernels::{Caps, Dispatch, Stores, Variant, select, variants},
    ops::Op,
    program::{DeviceLimits, Program, Step, lower},
    shader::{self, Language},
};

/// Runs `vgg kernels`.
pub(super) fn run(flags: &args::Kernels, quiet: bool) -> Result<()> {
    let wanted = flags.print.as_deref().map(Wanted::read).transpose()?;
    let (caps, limits, hardware) = target(flags, quiet)?;
    let config = configure(&flags.recipe, &flags.settings, hardware, quiet)?;
    let data = data::open(&config, quiet)?;
    let network = train::network(&config, &data)?;
    note(quiet, &train::describe(&config, &network));
    let program = lower(&network, &config.settings(&*data.train, limits))?.program;
    match wanted {
        Some(wanted) => {
            let shaders = match wanted {
                Wanted::All => all_shaders(&program, &caps, flags.format)?,
                Wanted::Row(row) => shaders(row, &program, &caps, flags.format)?,
            };
            write(&shaders, flags.output.as_deref(), flags.format)
        }
        None => {
            let rows = list(&program, &caps, &flags.op);
            if flags.json { print_json(&KernelList { kernels: rows }) } else { print(&render(&rows)) }
        }
    }
}

/// The shaders that `--print` asks for.
enum Wanted {
    /// Those of every step, by the rows that run them.
    All,
    Row(&'static Variant),
}

impl Wanted {
    fn read(flag: &str) -> Result<Self> {
        if flag == "all" {
            return Ok(Self::All);
        }
        let pairs = kernels::pairs(&[flag.to_owned()])?;
        let (op, name) = &pairs[0];
        let row = variants().find(|row| row.op == op && row.name == name);
        Ok(Self::Row(row.expect("`pairs` checked it")))
    }
}

/// The target of the choice of kernels: a device of this machine, or a typical discrete GPU.
fn target(flags: &args::Kernels, quiet: bool) -> Result<(Caps, DeviceLimits, bool)> {
    if flags.device.device == "discrete" {
        note(quiet, "device    a typical discrete GPU, not one of this machine");
        let caps = Caps::DISCRETE;
        let limits = DeviceLimits { binding_bytes: caps.binding_bytes, offset_alignment: 256, f16: caps.f16 };
        return Ok((caps, limits, true));
    }
    let (device, adapter) = device::choose_gpu(&flags.device.device, false, quiet).context(
        "`vgg kernels --device discrete` needs no device: it lists the kernels for a discrete GPU",
    )?;
    Ok((adapter.caps(), device.limits(), device.is_hardware_gpu()))
}

/// The list, as `--json` prints it.
#[derive(Serialize)]
struct KernelList {
    kernels: Vec<ListedKernel>,
}

/// A row of the table of kernels, and what a training makes of it.
#[derive(Serialize)]
struct ListedKernel {
    operation: &'static str,
    variant: &'static str,
    /// The steps of a training step and an evaluation that it runs.
    steps: usize,
    /// Whether the training has steps of its operation.
    needed: bool,
    /// The least and the greatest speed expected on the training's shapes, in percent of a general variant; `None` if it can compute
    /// none of them.
    expected_percent: Option<[u32; 2]>,
    requires: Vec<&'static str>,
}

/// Each row with its requirements, its expected speed on the shapes that it supports, and the number of steps that use it.
fn list(program: &Program, caps: &Caps, only: &[String]) -> Vec<ListedKernel> {
    let chosen: Vec<_> = program.steps.iter().map(|step| select(&step.op, caps, &[]).ok()).collect();
    let row = |variant: &'static Variant| {
        let shapes = || program.steps.iter().map(|step| &step.op).filter(|op| op.name() == variant.op);
        let able: Vec<&Op> = shapes().filter(|op| variant.supports(op, caps)).collect();
        let speeds = able.iter().map(|op| variant.speed(op, caps));
        let steps = chosen.iter().flatten().filter(|row| std::ptr::eq(**row, variant)).count();
        let mut requires = variant.requires();
        if variant.stores() == Stores::F16 {
            requires.insert(0, "f16 operands");
        } else if variant.stores() == Stores::F32 && stores_halves(shapes()) {
            requires.insert(0, "f32 operands");
        }
        ListedKernel {
            operation: variant.op,
            variant: variant.name,
            steps,
            needed: shapes().next().is_some(),
            expected_percent: speeds.clone().min().zip(speeds.max()).map(|(low, high)| [low, high]),
            requires,
        }
    };
    let wanted = |variant: &&Variant| only.is_empty() || only.iter().any(|op| op == variant.op);
    variants().filter(wanted).map(row).collect()
}

/// A line for each row.
fn render(rows: &[ListedKernel]) -> String {
    let row = |kernel: &ListedKernel| {
        let expects = match kernel.expected_percent {
            Some([low, high]) if low == high => low.to_string(),
            Some([low, high]) => format!("{low} to {high}"),
            None if kernel.needed => "cannot".to_owned(),
            None => "-".to_owned(),
        };
        let steps = if kernel.steps > 0 { kernel.steps.to_string() } else { String::new() };
        let [operation, variant] = [kernel.operation, kernel.variant].map(str::to_owned);
        vec![operation, variant, steps, expects, kernel.requires.join("; ")]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    let columns = [
        ("operation", Align::Left),
        ("variant", Align::Left),
        ("steps", Align::Right),
        ("expects", Align::Right),
        ("requires", Align::Left),
    ];
    let legend = "\nsteps: of a training step and an evaluation, by the variant that runs them. expects: speed on this \
        training's shapes,\nin percent of a general variant; the highest is taken, the first among equals. \
        --variant and --tuning overrule it.\n";
    table(&columns, &rows) + legend
}

fn stores_halves<'a>(mut ops: impl Iterator<Item = &'a Op>) -> bool {
    ops.any(|op| op.storage() == DType::F16)
}

/// A shader to write: its file name, and its text or binary.
type Written = (String, Vec<u8>);

/// The shaders of a row, for the first shape of the training that it supports.
fn shaders(row: &Variant, program: &Program, caps: &Caps, format: Format) -> Result<Vec<Written>> {
    let of_op = || program.steps.iter().filter(|step| step.op.name() == row.op);
    let Some(step) = of_op().find(|step| row.supports(&step.op, caps)) else {
        let why = match of_op().next() {
            Some(step) => {
                format!("it requires {}, which {} and this device do not have", needs(row), step.label)
            }
            None => format!("no step of this training is {}; other settings may have one", row.op),
        };
        bail!("{}={} does not apply here: {why}", row.op, row.name);
    };
    shaders_of(row, step, caps, format).map(|shader| shader.map(|(name, text, _)| (name, text))).collect()
}

/// Each shader that the program runs, once: named after the first step that it runs.
fn all_shaders(program: &Program, caps: &Caps, format: Format) -> Result<Vec<Written>> {
    let mut seen = HashSet::new();
    let mut written = Vec::new();
    for step in &program.steps {
        let row = select(&step.op, caps, &[]).map_err(|error| anyhow!("{}: {error}", step.label))?;
        for shader in shaders_of(row, step, caps, format) {
            let (name, text, wgsl) = shader?;
            if seen.insert(wgsl) {
                written.push((format!("{}.{name}", step.label), text));
            }
        }
    }
    Ok(written)
}

/// The shaders of a row for a step: file name, text or binary, and WGSL.
fn shaders_of(
    row: &Variant,
    step: &Step,
    caps: &Caps,
    format: Format,
) -> impl Iterator<Item = Result<(String, Vec<u8>, String)>> {
    let dispatches = row.build(&step.op, caps).dispatches;
    let count = dispatches.len();
    dispatches.into_iter().enumerate().map(move |(index, dispatch)| {
        let Dispatch { label, source, workgroups, .. } = dispatch;
        let part = if label.is_empty() { String::new() } else { format!(".{label}") };
        let name = format!("{}.{}.{index}{part}.{}", row.op, row.name, format.extension());
        let head = format!(
            "// {}/{}{part} for {}: dispatch {} of {count}, {workgroups} workgroups\n",
            row.op,
            row.name,
            step.label,
            index + 1,
        );
        let wgsl = source.assemble();
        let text = match format {
            Format::Wgsl => (head + &source.annotated()).into_bytes(),
            Format::Spirv => shader::translate(&wgsl, Language::Spirv)?,
            Format::Msl => [head.into_bytes(), shader::translate(&wgsl, Language::Msl)?].concat(),
            Format::Hlsl => [head.into_bytes(), shader::translate(&wgsl, Language::Hlsl)?].concat(),
        };
        Ok((name, text, wgsl))
    })
}

fn needs(row: &Variant) -> String {
    match row.requires() {
        needs if needs.is_empty() => "operands of another type".to_owned(),
        needs => needs.join(" and "),
    }
}

fn write(shaders: &[Written], folder: Option<&Path>, format: Format) -> Result<()> {
    let Some(folder) = folder else {
        if format == Format::Spirv {
            bail!(Usage(
                "--format spirv is binary: choose where to write it with --output FOLDER".to_owned()
            ));
        }
        let texts = shaders.iter().map(|(_, text)| String::from_utf8_lossy(text));
        return print(&texts.collect::<Vec<_>>().join("\n"));
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for (name, text) in shaders {
        let path = folder.join(name);
        write_file(&path, text, "--output FOLDER")?;
        print(&format!("{}\n", path.display()))?;
    }
    Ok(())
}
