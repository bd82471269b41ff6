//! `vgg summary`: the network layer by layer.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::{
    output::{print, print_json},
    table::{Align, flops, table, thousands},
};
use crate::{
    model::{Architecture, Layer, LayerKind, Network, Norm, Training},
    program::{DeviceLimits, Mode, Precision, Settings, lower},
};

/// The paper's claim about the network's size.
const PAPER_CLAIM: &str = "The paper says \"~9M parameters\"; its own table adds up to 134,308,810, \
and so does this network at 224x224, full width, one channel and ten classes.";

/// The network, as `--json` prints it.
#[derive(Serialize)]
struct NetworkSummary {
    network: String,
    /// Channels, height and width.
    input: [usize; 3],
    parameters: usize,
    /// Values that no optimiser trains.
    running_statistics: usize,
    /// Floating-point operations of an image.
    forward_flop: u64,
    training_flop: u64,
    layers: Vec<LayerSummary>,
}

#[derive(Serialize)]
struct LayerSummary {
    name: String,
    kind: String,
    /// Channels first.
    output: Vec<usize>,
    parameters: usize,
    forward_flop: u64,
}

/// Runs `vgg summary`.
pub(super) fn run(network: &Network, json: bool) -> Result<()> {
    let summary = summary(network)?;
    if json { print_json(&summary) } else { print(&render(network, &summary)?) }
}

fn summary(network: &Network) -> Result<NetworkSummary> {
    let [height, width] = network.config.image_size;
    let layers: Vec<LayerSummary> = network
        .layers
        .iter()
        .zip(costs(network)?)
        .map(|(layer, forward_flop)| LayerSummary {
            name: layer.name.clone(),
            kind: kind(layer),
            output: channels_first(layer),
            parameters: network.layer_values(layer),
            forward_flop,
        })
        .collect();
    let statistics = network.parameters.iter().filter(|p| p.training == Training::Statistic);
    let forward_flop = layers.iter().map(|layer| layer.forward_flop).sum();
    Ok(NetworkSummary {
        network: network.config.to_string(),
        input: [network.config.channels, height, width],
        parameters: network.values(),
        running_statistics: statistics.map(|p| p.shape.elements()).sum(),
        forward_flop,
        training_flop: 3 * forward_flop,
        layers,
    })
}

/// Forward floating-point operations per image, for each layer.
fn costs(network: &Network) -> Result<Vec<u64>> {
    let [height, width] = network.config.image_size;
    let settings = Settings {
        batch: 1,
        source: [height, width],
        mean: vec![0.0; network.config.channels],
        std: vec![1.0; network.config.channels],
        mode: Mode::Evaluate,
        precision: Precision::F32,
        limits: DeviceLimits::NONE,
    };
    let program = lower(network, &settings)?.program;
    let cost = |layer: &Layer| -> u64 {
        let steps =
            program.steps.iter().filter(|s| s.label.starts_with(&format!("evaluate.{}.", layer.name)));
        steps.map(|s| s.op.flops()).sum()
    };
    Ok(network.layers.iter().map(cost).collect())
}

/// Forward floating-point operations per image.
pub(super) fn forward_flops(network: &Network) -> Result<u64> {
    Ok(costs(network)?.iter().sum())
}

fn render(network: &Network, summary: &NetworkSummary) -> Result<String> {
    let NetworkSummary { input: [channels, height, width], forward_flop, training_flop, .. } = *summary;
    let rows: Vec<Vec<String>> = summary
        .layers
        .iter()
        .map(|layer| {
            let output = format!("{:?}", layer.output);
            let LayerSummary { name, kind, parameters, forward_flop, .. } = layer;
            vec![name.clone(), kind.clone(), output, thousands(*parameters), flops(*forward_flop)]
        })
        .collect();
    let columns = [
        ("layer", Align::Left),
        ("kind", Align::Left),
        ("output", Align::Right),
        ("parameters", Align::Right),
        ("FLOP/image", Align::Right),
    ];
    let mut text = format!("{}, input [{channels}, {height}, {width}]\n\n", summary.network);
    text += &table(&columns, &rows);
    writeln!(text, "\nparameters            {}", thousands(summary.parameters))?;
    writeln!(text, "running statistics    {} (not trained)", thousands(summary.running_statistics))?;
    writeln!(text, "forward               {}FLOP an image", flops(forward_flop))?;
    writeln!(text, "training              about {}FLOP per image (forward x 3)", flops(training_flop))?;
    if network.config.model == Architecture::Vgg16Bn && network.config.widths.is_none() {
        writeln!(text, "\n{PAPER_CLAIM}")?;
    }
    Ok(text)
}

fn kind(layer: &Layer) -> String {
    match layer.kind {
        LayerKind::Conv(_) => "conv 3x3".into(),
        LayerKind::BatchNorm(_) => "batch norm".into(),
        LayerKind::GroupNorm(norm) if norm.by_pixel => Norm::Layer2d.title(),
        LayerKind::GroupNorm(norm) if norm.groups == 1 => Norm::Layer.title(),
        LayerKind::GroupNorm(norm) => Norm::Group(norm.groups).title(),
        LayerKind::Activation(activation) => activation.to_string(),
        LayerKind::MaxPool { stride: [h, w] } if h == w => format!("max-pool 2x2, stride {h}"),
        LayerKind::MaxPool { stride: [h, w] } => format!("max-pool 2x2, stride {h}x{w}"),
        LayerKind::AvgPool => "adaptive average pool".into(),
        LayerKind::FakeQuantize { .. } => "rounding to 8 bits".into(),
        LayerKind::Dropout { .. } => "dropout".into(),
        LayerKind::Linear(_) => "linear".into(),
    }
}

/// A layer's output shape, channels first.
fn channels_first(layer: &Layer) -> Vec<usize> {
    match *layer.output.dims() {
        [h, w, c] => vec![c, h, w],
        ref dims => dims.to_vec(),
    }
}
