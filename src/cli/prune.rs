//! `vgg prune`: a smaller network.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    Usage, args, defaults,
    device::choose_and_say,
    eval,
    judged::{BATCH, Judged, JudgedFigures, data_for, judge},
    output::{note, print, print_json},
    table::{Align, flops, table, thousands},
};
use crate::{
    export::pytorch,
    model::{Layer, LayerKind, Network, Norm},
    weights::{Criterion, ModelInfo, Pruning, Removed, Target, Trained, prune, write_pruned},
};

/// Test images whose probabilities before and after are compared.
const COMPARED: usize = 256;

/// `vgg prune`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    weights: args::WeightsFlag,
    /// The new file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What the channels to keep are chosen by.
    #[arg(long, value_enum, default_value_t = Method::L1)]
    method: Method,
    /// The share of the channels to remove from every layer but the last.
    #[arg(long, default_value_t = 0.5, value_name = "SHARE", value_parser = amount)]
    amount: f64,
    /// Remove as little as leaves this many multiply-adds per image: a number (50M, 1.2G), or a share of today's (0.5).
    #[arg(long, value_name = "NUMBER|SHARE", value_parser = goal, conflicts_with = "amount")]
    target_macs: Option<Goal>,
    /// Remove as little as leaves this many parameters: a number (250k), or a share of today's (0.2). May be given with
    /// --target-macs.
    #[arg(long, value_name = "NUMBER|SHARE", value_parser = goal, conflicts_with = "amount")]
    target_params: Option<Goal>,
    /// Let the channels of all convolutions compete by score, or with a target by score per cost, instead of removing the same share
    /// of each layer. Every convolution keeps a quarter of its channels.
    #[arg(long)]
    global: bool,
    /// Keep channels in multiples of this; the fastest kernels need 8.
    #[arg(long, default_value_t = 8, value_name = "CHANNELS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    round_to: u16,
    /// The seed of --method random. Unset, 0.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// The data set whose test images show what is lost; none measures nothing.
    #[arg(long, default_value = defaults::or("data", "mnist"), value_name = "SET|none")]
    data: String,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: args::DeviceFlag,
    #[command(flatten)]
    kernels: args::KernelFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The mean absolute weight of each filter (Li et al. 2016).
    L1,
    /// The absolute gamma of the norm (Liu et al. 2017): for networks trained with --bn-l1.
    Bn,
    /// At random: the control.
    Random,
}

/// A number, or a share of the present one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    Number(u64),
    Share(f64),
}

impl Goal {
    fn of(self, all: u64) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Share(share) => (share * all as f64) as u64,
        }
    }
}

fn amount(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    ((0.0..1.0).contains(&value)).then_some(value).ok_or_else(|| "must be at least 0, below 1".to_owned())
}

fn goal(text: &str) -> Result<Goal, String> {
    let units = [("k", 1e3), ("M", 1e6), ("G", 1e9)];
    let unit = units.into_iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (digits, factor) = unit.unwrap_or((text, 1.0));
    let value = digits.trim().parse::<f64>().map_err(|error| format!("{error}"))? * factor;
    match value {
        _ if value > 0.0 && value < 1.0 => Ok(Goal::Share(value)),
        _ if (1.0..1e18).contains(&value) => Ok(Goal::Number(value as u64)),
        _ => Err("must be a number above 0, as 50M, or a share below 1, as 0.5".to_owned()),
    }
}

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct PrunedFigures {
    output: String,
    network: String,
    parameters_before: usize,
    parameters: usize,
    multiply_adds_before: u64,
    multiply_adds: u64,
    channels_removed: Removed,
    layers: Vec<PrunedLayer>,
    /// On the test images of `--data`.
    before: Option<JudgedFigures>,
    after: Option<JudgedFigures>,
    /// The largest change of a probability.
    largest_change: Option<f64>,
    /// The flags of `vgg train` for the new network.
    train_flags: String,
}

#[derive(Serialize)]
struct PrunedLayer {
    name: String,
    channels_before: usize,
    channels: usize,
}

/// Runs `vgg prune`.
pub(super) fn run(flags: &Flags, quiet: bool) -> Result<()> {
    let output = &flags.output;
    if output.exists() {
        bail!("{} already exists; give another --output", output.display());
    }
    let weights = eval::read_weights(&flags.weights, quiet)?;
    let network = &weights.network;
    let target = match (flags.target_macs, flags.target_params) {
        (None, None) => Target::Amount(flags.amount),
        (multiply_adds, parameters) => Target::AtMost {
            multiply_adds: multiply_adds.map(|goal| goal.of(network.multiply_adds())),
            parameters: parameters.map(|goal| goal.of(network.values() as u64)),
        },
    };
    let criterion = match (flags.method, flags.seed) {
        (Method::Random, seed) => Criterion::Random { seed: seed.unwrap_or(0) },
        (_, Some(seed)) => bail!(Usage(format!(
            "--seed {seed} has no effect without --method random: give it, or leave --seed out"
        ))),
        (Method::L1, None) => Criterion::L1,
        (Method::Bn, None) => Criterion::Gamma,
    };
    let pruning = Pruning { criterion, target, global: flags.global, round_to: flags.round_to.into() };
    let pruned = prune(&weights, &pruning)?;
    let on = match flags.data.as_str() {
        "none" => None,
        name => Some((
            data_for(name, &weights.info, quiet).map_err(or_none)?.test,
            choose_and_say(&flags.device.device, &flags.kernels, quiet)?,
        )),
    };
    let judged = |trained: &Trained| {
        on.as_ref().map(|(test, device)| judge(device, trained, test, COMPARED)).transpose()
    };
    let network = network.clone();
    let before = judged(&Trained::Float(weights))?;
    write_pruned(output, &pruned)?;
    let after = judged(&Trained::read(output, None)?)?;
    let mut text = layers(&network, &pruned.network) + "\n" + &removed(pruned.removed);
    if let (Some(before), Some(after)) = (&before, &after) {
        text += &compared(before, after, &flags.data);
    }
    let file = output.display();
    write!(
        text,
        "\nTrain on, with the recipe and data of the first training (with --from-scratch, from random weights):\n  \
         vgg train --weights {file} {}\n",
        train_flags(&pruned.info)
    )?;
    if let Some(lines) = pytorch(&pruned.network, &format!("load_file({:?})", file.to_string())) {
        text += "\nIn PyTorch:\n";
        lines.lines().for_each(|line| text += &format!("  {line}\n"));
    }
    if flags.json {
        let layers =
            network.layers.iter().zip(&pruned.network.layers).filter(|(layer, _)| layer.is_product());
        let layer = |(before, after): (&Layer, &Layer)| PrunedLayer {
            name: before.name.clone(),
            channels_before: before.channels(),
            channels: after.channels(),
        };
        print_json(&PrunedFigures {
            output: file.to_string(),
            network: pruned.network.config.to_string(),
            parameters_before: network.values(),
            parameters: pruned.network.values(),
            multiply_adds_before: network.multiply_adds(),
            multiply_adds: pruned.network.multiply_adds(),
            channels_removed: pruned.removed,
            layers: layers.map(layer).collect(),
            before: before.as_ref().map(Judged::figures),
            after: after.as_ref().map(Judged::figures),
            largest_change: before.as_ref().zip(after.as_ref()).map(|(before, after)| moved(before, after)),
            train_flags: train_flags(&pruned.info),
        })?;
    } else {
        print(&text)?;
    }
    note(quiet, &format!("wrote     {file}: {}", pruned.network.config));
    Ok(())
}

/// Data that do not fit can be left out.
fn or_none(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Usage>() { error } else { anyhow::anyhow!("{error:#}, or none") }
}

/// The flags of `vgg train` that differ from the defaults for this network.
fn train_flags(info: &ModelInfo) -> String {
    let norm = info.vgg().norm();
    let norm = if norm == Norm::Batch { String::new() } else { format!(" --norm {norm}") };
    format!("{}{norm} --image-size {}", info.width_flags(), info.image_size[0])
}

/// The table of the layers before and after.
fn layers(before: &Network, after: &Network) -> String {
    let row = |name: &str, [old, new]: [usize; 2], values: [usize; 2], multiply_adds: [u64; 2]| {
        let less = |old: f64, new: f64| format!("{:+.1} %", 100.0 * (new / old - 1.0));
        vec![
            name.to_owned(),
            if old == 0 { String::new() } else { format!("{old} -> {new}") },
            thousands(values[1]),
            less(values[0] as f64, values[1] as f64),
            flops(multiply_adds[1]),
            less(multiply_adds[0] as f64, multiply_adds[1] as f64),
        ]
    };
    // A norm's parameters belong to the convolution before it.
    let values = |network: &Network, index: usize| -> usize {
        let norm = network.layers.get(index + 1);
        let norm = norm.filter(|l| matches!(l.kind, LayerKind::BatchNorm(_) | LayerKind::GroupNorm(_)));
        network.layer_values(&network.layers[index]) + norm.map_or(0, |norm| network.layer_values(norm))
    };
    let layers = before.layers.iter().zip(&after.layers).enumerate();
    let mut rows: Vec<Vec<String>> = layers
        .filter(|(_, (old, _))| old.is_product())
        .map(|(index, (old, new))| {
            row(
                &old.name,
                [old, new].map(Layer::channels),
                [before, after].map(|network| values(network, index)),
                [old, new].map(Layer::multiply_adds),
            )
        })
        .collect();
    let both = [before, after];
    rows.push(row("all", [0, 0], both.map(Network::values), both.map(Network::multiply_adds)));
    let columns = [
        ("layer", Align::Left),
        ("channels", Align::Right),
        ("parameters", Align::Right),
        ("", Align::Right),
        ("multiply-adds", Align::Right),
        ("", Align::Right),
    ];
    table(&columns, &rows)
}

fn removed(removed: Removed) -> String {
    let Removed { zero, constant, constant_but_at_borders, used } = removed;
    let all = zero + constant + constant_but_at_borders + used;
    let parts = [
        (zero, "always 0, exact"),
        (constant, "constant, folded into the next bias, exact up to rounding"),
        (constant_but_at_borders, "constant, folded into the next bias, approximate at the borders"),
        (used, "depending on the image, lost"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{} {what}", thousands(count))).collect();
    format!("channels removed   {}: {}\n", thousands(all), parts.join("; "))
}

/// A convolution or linear layer.
/// The largest change of a probability.
fn moved(before: &Judged, after: &Judged) -> f64 {
    let pairs = before.probabilities.iter().flatten().zip(after.probabilities.iter().flatten());
    pairs.map(|(a, b)| f64::from((a - b).abs())).max_by(f64::total_cmp).unwrap_or(0.0)
}

fn compared(before: &Judged, after: &Judged, data: &str) -> String {
    format!(
        "accuracy           {:.2} % -> {:.2} % on the test images of {data} (loss {:.4} -> {:.4})\n\
         outputs            a probability moved by at most {:.6} over the first {} images\n\
         speed              {:.0} -> {:.0} images/s, evaluated once, batch {BATCH}\n",
        100.0 * before.accuracy,
        100.0 * after.accuracy,
        before.loss,
        after.loss,
        moved(before, after),
        before.probabilities.len(),
        before.images_a_second,
        after.images_a_second,
    )
}
