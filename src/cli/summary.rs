//! `vgg summary`: the network layer by layer.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    output::print,
    table::{Align, flops, table, thousands},
};
use crate::{
    model::{Architecture, Layer, LayerKind, Network, Norm, Training},
    program::{DeviceLimits, Mode, Precision, Settings, lower},
};

/// The paper's claim about the network's size.
const PAPER_CLAIM: &str = "The paper says \"~9M parameters\"; its own table adds up to 134,308,810, \
and so does this network at 224x224, full width, one channel and ten classes.";

/// Runs `vgg summary`.
pub(super) fn run(network: &Network) -> Result<()> {
    print(&render(network)?)
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

fn render(network: &Network) -> Result<String> {
    let [height, width] = network.config.image_size;
    let costs = costs(network)?;
    let rows: Vec<Vec<String>> = network
        .layers
        .iter()
        .zip(&costs)
        .map(|(layer, &cost)| {
            let trained = network.layer_values(layer);
            vec![layer.name.clone(), kind(layer), shape(layer), thousands(trained), flops(cost)]
        })
        .collect();
    let columns = [
        ("layer", Align::Left),
        ("kind", Align::Left),
        ("output", Align::Right),
        ("parameters", Align::Right),
        ("FLOP/image", Align::Right),
    ];
    let mut text = format!("{}, input [{}, {height}, {width}]\n\n", network.config, network.config.channels);
    text += &table(&columns, &rows);
    let forward: u64 = costs.iter().sum();
    let statistics: usize = network
        .parameters
        .iter()
        .filter(|p| p.training == Training::Statistic)
        .map(|p| p.shape.elements())
        .sum();
    writeln!(text, "\nparameters            {}", thousands(network.values()))?;
    writeln!(text, "running statistics    {} (not trained)", thousands(statistics))?;
    writeln!(text, "forward               {}FLOP an image", flops(forward))?;
    writeln!(text, "training              about {}FLOP per image (forward x 3)", flops(3 * forward))?;
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
fn shape(layer: &Layer) -> String {
    match layer.output.dims() {
        [h, w, c] => format!("[{c}, {h}, {w}]"),
        _ => layer.output.to_string(),
    }
}
