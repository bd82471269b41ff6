//! Structured pruning: the weights of a network with fewer channels.
//!
//! # Source
//! Li et al., "Pruning filters for efficient ConvNets" (2016), for the L1 norm of filters; Liu et al., "Learning efficient
//! convolutional networks through network slimming" (2017), for batch norm's gamma.

use std::path::Path;

use serde::Serialize;
use thiserror::Error;

use super::{ModelInfo, StoreError, Weights, entries, weights::write_values};
use crate::{
    dtype::DType,
    model::{LayerKind, Network, NetworkError, Norm, NormParameters, WeightBias, Widths},
    rng,
};

/// What the channels to keep are chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// The mean absolute weight of a filter.
    L1,
    /// The absolute gamma of a norm; hidden linear layers, which have none, by [`Criterion::L1`].
    Gamma,
    /// A random number: the control.
    Random {
        /// The seed.
        seed: u64,
    },
}

/// How much to remove.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This share of the channels, at least 0 and below 1.
    Amount(f64),
    /// As little as leaves at most so many.
    AtMost {
        /// Multiply-adds per image.
        multiply_adds: Option<u64>,
        /// Parameters.
        parameters: Option<u64>,
    },
}

/// A request to prune a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pruning {
    /// What the channels are chosen by.
    pub criterion: Criterion,
    /// How much to remove.
    pub target: Target,
    /// Whether the channels of all convolutions compete with each other, by their scores, or with a target by their scores for what
    /// each costs; if not, every layer loses the same share. Every layer keeps at least a quarter of its channels. The hidden linear layers, which have the same width, lose the same share in either case.
    pub global: bool,
    /// Channels are kept in multiples of this.
    pub round_to: usize,
}

/// How the removed channels enter the outputs in evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Channels that were always 0: the outputs are the same without them.
    pub zero: usize,
    /// Channels that had the same value at every pixel, and are folded into the next linear layer's bias: the outputs are the same up
    /// to rounding.
    pub constant: usize,
    /// Such channels before a convolution, whose padding is 0: the outputs differ at the borders of the image.
    pub constant_but_at_borders: usize,
    /// Channels whose values depended on the image: the outputs differ.
    pub used: usize,
}

/// The weights of a pruned network.
#[derive(Debug)]
pub struct Pruned {
    /// Its description.
    pub info: ModelInfo,
    /// The network.
    pub network: Network,
    /// What was removed.
    pub removed: Removed,
    values: Vec<Vec<f32>>,
}

/// Pruning that cannot be done.
#[derive(Debug, Error, PartialEq)]
pub enum PruneError {
    /// A layer would have no channels.
    #[error(
        "an amount of {amount} leaves {layer} none of its {channels} channels in multiples of {round_to}; give a smaller --amount or \
         --round-to"
    )]
    Empty {
        /// The layer.
        layer: String,
        /// Its channels.
        channels: usize,
        /// The share to remove.
        amount: f64,
        /// The multiple.
        round_to: usize,
    },
    /// No channel would be removed.
    #[error(
        "this removes nothing: the network has {parameters} parameters and {multiply_adds} multiply-adds, and keeps them; {way_out}"
    )]
    Nothing {
        /// Its parameters.
        parameters: usize,
        /// Its multiply-adds.
        multiply_adds: u64,
        /// What to give instead.
        way_out: &'static str,
    },
    /// The target is too small.
    #[error(
        "the target is {target} {what}, but at least {smallest} are left with {kept}; give a larger target{}",
        if *.global { ", or leave --global out" } else { " or a smaller --round-to" }
    )]
    Unreachable {
        /// What was to be reduced.
        what: &'static str,
        /// The target.
        target: u64,
        /// The smallest number that can be reached.
        smallest: u64,
        /// The channels that every layer keeps.
        kept: String,
        /// Whether layers compete.
        global: bool,
    },
    /// A network without norms.
    #[error("the network has no norm, and so no gamma to choose channels by; give --method l1")]
    NoGamma,
    /// A network of quantisation-aware training.
    #[error("the network was trained with --qat; prune it before, and train the pruned one with --qat")]
    Rounded,
    /// The smaller network cannot be built.
    #[error("the pruned network cannot be built: {0}")]
    Network(#[from] NetworkError),
}

/// A layer whose outputs can be removed.
struct Prunable {
    layer: String,
    convolution: bool,
    channels: usize,
    parameters: WeightBias,
    norm: Option<(usize, usize)>,
    scores: Vec<f64>,
    /// A channel's share of the network's multiply-adds and of its parameters.
    costs: [f64; 2],
}

/// Removes channels from a network.
///
/// # Errors
/// [`PruneError`] if nothing or too much would be removed.
pub fn prune(weights: &Weights, pruning: &Pruning) -> Result<Pruned, PruneError> {
    let layers = prunable(weights, pruning)?;
    let counts = counts(weights, &layers, pruning)?;
    let kept: Vec<Vec<usize>> = layers.iter().zip(counts).map(|(layer, count)| layer.best(count)).collect();
    let info = smaller(&weights.info, &weights.network, &kept.iter().map(Vec::len).collect::<Vec<_>>());
    let network = info.vgg().network()?;
    let info = ModelInfo { model: network.config.model, widths: network.config.widths.clone(), ..info };
    let (values, removed) = values(weights, &layers, &kept);
    Ok(Pruned { info, network, removed, values })
}

/// Writes the weights of a pruned network as f32.
///
/// # Errors
/// [`StoreError`] if the file cannot be written; an existing file is then unchanged.
pub fn write_pruned(path: &Path, pruned: &Pruned) -> Result<(), StoreError> {
    let Pruned { info, network, values, .. } = pruned;
    let entries = entries::values(network);
    write_values(path, info, (network, entries), 0, DType::F32, |index| values[index].clone())
}

impl Prunable {
    /// The `count` channels with the highest scores, the first among equals, in order.
    fn best(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.channels).collect();
        order.sort_by(|&a, &b| self.scores[b].total_cmp(&self.scores[a]).then(a.cmp(&b)));
        order.truncate(count);
        order.sort_unstable();
        order
    }

    /// The fewest channels that a layer keeps when layers compete: a quarter, in a multiple of `round_to`. With fewer, single layers
    /// become the network's bottleneck, which no score of one channel shows.
    fn least(&self, round_to: usize) -> usize {
        self.channels.div_ceil(4).next_multiple_of(round_to).min(self.channels)
    }

    /// The sum of the `count` highest scores.
    fn kept_score(&self, count: usize) -> f64 {
        self.best(count).into_iter().map(|channel| self.scores[channel]).sum()
    }

    /// The nearest multiple of `round_to`, at most all channels.
    fn rounded(&self, count: f64, round_to: usize) -> usize {
        ((count / round_to as f64).round() as usize * round_to).min(self.channels)
    }
}

fn prunable(weights: &Weights, pruning: &Pruning) -> Result<Vec<Prunable>, PruneError> {
    let (network, criterion) = (&weights.network, pruning.criterion);
    if network.config.qat {
        return Err(PruneError::Rounded);
    }
    if criterion == Criterion::Gamma && network.config.norm() == Norm::None {
        return Err(PruneError::NoGamma);
    }
    // The last layer's outputs are the classes.
    let mut layers: Vec<Prunable> = Vec::new();
    for layer in &network.layers[..network.layers.len() - 1] {
        match layer.kind {
            LayerKind::Conv(parameters) | LayerKind::Linear(parameters) => layers.push(Prunable {
                layer: layer.name.clone(),
                convolution: matches!(layer.kind, LayerKind::Conv(_)),
                channels: *layer.output.dims().last().expect("a layer has channels"),
                parameters,
                norm: None,
                scores: Vec::new(),
                costs: [0.0; 2],
            }),
            LayerKind::BatchNorm(NormParameters { gamma, beta, .. }) => {
                layers.last_mut().expect("a convolution is before a norm").norm = Some((gamma, beta));
            }
            LayerKind::GroupNorm(norm) => {
                layers.last_mut().expect("a convolution is before a norm").norm =
                    Some((norm.gamma, norm.beta));
            }
            _ => {}
        }
    }
    for (index, layer) in layers.iter_mut().enumerate() {
        layer.scores = match (criterion, layer.norm) {
            (Criterion::Random { seed }, _) => {
                (0..layer.channels).map(|channel| random(seed, index, channel)).collect()
            }
            (Criterion::Gamma, Some((gamma, _))) => {
                weights.values(gamma).into_iter().map(|gamma| f64::from(gamma).abs()).collect()
            }
            _ => {
                let values = weights.values(layer.parameters.weight);
                let filters = values.chunks_exact(values.len() / layer.channels);
                let mean = |filter: &[f32]| {
                    filter.iter().map(|&weight| f64::from(weight).abs()).sum::<f64>() / filter.len() as f64
                };
                filters.map(mean).collect()
            }
        };
    }
    let shares: Vec<[f64; 2]> = network
        .layers
        .iter()
        .filter(|layer| layer.multiply_adds() > 0)
        .map(|layer| {
            [
                layer.multiply_adds() as f64 / network.multiply_adds() as f64,
                network.layer_values(layer) as f64 / network.values() as f64,
            ]
        })
        .collect();
    for (layer, shares) in layers.iter_mut().zip(shares.windows(2)) {
        // A channel is an output of its layer and an input of the next.
        layer.costs = [0, 1].map(|cost| (shares[0][cost] + shares[1][cost]) / layer.channels as f64);
    }
    // Layers that compete by their weights differ in scale, by He initialisation alone.
    if criterion == Criterion::L1 {
        for layer in &mut layers {
            let mean = layer.scores.iter().sum::<f64>() / layer.channels as f64;
            layer.scores.iter_mut().for_each(|score| *score /= mean.max(f64::MIN_POSITIVE));
        }
    }
    Ok(layers)
}

fn random(seed: u64, layer: usize, channel: usize) -> f64 {
    let [word, ..] =
        rng::philox4x32([channel as u32, layer as u32, 0, 0], [seed as u32, (seed >> 32) as u32]);
    f64::from(word)
}

/// The number of channels that each layer keeps.
fn counts(weights: &Weights, layers: &[Prunable], pruning: &Pruning) -> Result<Vec<usize>, PruneError> {
    let network = &weights.network;
    let round_to = pruning.round_to;
    type Cost = fn(&Network) -> u64;
    let targets: [(_, _, Cost); 2] = match pruning.target {
        Target::Amount(amount) => {
            let counts = after(layers, amount, pruning, None);
            if let Some((layer, _)) = layers.iter().zip(&counts).find(|(_, count)| **count == 0) {
                let (layer, channels) = (layer.layer.clone(), layer.channels);
                return Err(PruneError::Empty { layer, channels, amount, round_to });
            }
            return some_removed(network, layers, counts, "give a larger --amount or a smaller --round-to");
        }
        Target::AtMost { multiply_adds, parameters } => [
            ("multiply-adds", multiply_adds, Network::multiply_adds),
            ("parameters", parameters, |network| network.values() as u64),
        ],
    };
    // A thousandth of the channels is finer than any rounding of them.
    const STEPS: usize = 1000;
    let at = |step: usize, mix: f64| -> Result<(Vec<usize>, Network), PruneError> {
        let mut counts = after(layers, step as f64 / STEPS as f64, pruning, Some(mix));
        for (count, layer) in counts.iter_mut().zip(layers) {
            *count = (*count).max(round_to.min(layer.channels));
        }
        let network = smaller(&weights.info, network, &counts).vgg().network()?;
        Ok((counts, network))
    };
    let missed = |network: &Network| {
        let mut missed = targets.iter().filter_map(|&(what, target, cost)| {
            let left = cost(network);
            target.filter(|&target| left > target).map(|target| (what, target, left))
        });
        missed.next()
    };
    // With both targets the cost is the mix of the two that keeps the highest scores.
    let mixes = match targets {
        [(_, Some(_), _), (_, Some(_), _)] if pruning.global => 0..=10,
        [(_, Some(_), _), _] => 10..=10,
        _ => 0..=0,
    };
    let mut best: Option<(f64, Vec<usize>)> = None;
    for mix in mixes.map(|tenths| f64::from(tenths) / 10.0) {
        let (mut low, mut high) = (0, STEPS);
        let (mut found, smallest) = at(high, mix)?;
        if let Some((what, target, smallest)) = missed(&smallest) {
            let kept = match pruning.global {
                true => "a quarter of the channels of every convolution".to_owned(),
                false => format!("{round_to} channels in every layer"),
            };
            return Err(PruneError::Unreachable { what, target, smallest, kept, global: pruning.global });
        }
        while low < high {
            let middle = usize::midpoint(low, high);
            let (counts, network) = at(middle, mix)?;
            if missed(&network).is_none() {
                (found, high) = (counts, middle);
            } else {
                low = middle + 1;
            }
        }
        let kept: f64 = layers.iter().zip(&found).map(|(layer, &count)| layer.kept_score(count)).sum();
        if best.as_ref().is_none_or(|(most, _)| kept > *most) {
            best = Some((kept, found));
        }
    }
    let (_, counts) = best.expect("there is a mix");
    some_removed(network, layers, counts, "give a smaller target")
}

fn some_removed(
    network: &Network,
    layers: &[Prunable],
    counts: Vec<usize>,
    way_out: &'static str,
) -> Result<Vec<usize>, PruneError> {
    if layers.iter().zip(&counts).all(|(layer, &count)| layer.channels == count) {
        let (parameters, multiply_adds) = (network.values(), network.multiply_adds());
        return Err(PruneError::Nothing { parameters, multiply_adds, way_out });
    }
    Ok(counts)
}

/// The number of channels that each layer keeps after losing a share of all. `mix` is the part of multiply-adds in what a channel
/// costs, next to parameters; `None`: all cost the same.
fn after(layers: &[Prunable], amount: f64, pruning: &Pruning, mix: Option<f64>) -> Vec<usize> {
    let share = |layer: &Prunable| layer.rounded((1.0 - amount) * layer.channels as f64, pruning.round_to);
    let mut counts: Vec<usize> = layers.iter().map(share).collect();
    if pruning.global {
        let cost =
            |layer: &Prunable| mix.map_or(1.0, |mix| mix * layer.costs[0] + (1.0 - mix) * layer.costs[1]);
        let competing = layers.iter().enumerate().filter(|(_, layer)| layer.convolution);
        let mut all: Vec<(f64, usize)> = competing
            .flat_map(|(index, layer)| layer.scores.iter().map(move |&score| (score / cost(layer), index)))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let removed = (amount * all.len() as f64) as usize;
        for (index, layer) in layers.iter().enumerate().filter(|(_, layer)| layer.convolution) {
            let left = all[removed..].iter().filter(|(_, of)| *of == index).count();
            counts[index] = layer.rounded(left as f64, pruning.round_to).max(layer.least(pruning.round_to));
        }
    }
    counts
}

/// The description of the network with fewer channels in each prunable layer.
fn smaller(info: &ModelInfo, network: &Network, counts: &[usize]) -> ModelInfo {
    let mut left = counts.iter().copied();
    let blocks: Vec<Vec<usize>> =
        network.config.blocks().iter().map(|block| left.by_ref().take(block.len()).collect()).collect();
    // Without hidden layers none is left.
    let hidden = left.next().unwrap_or(0);
    ModelInfo { widths: Widths::new(blocks), hidden, ..info.clone() }
}

/// The values of the smaller network's parameters, and how the removed channels entered the outputs.
fn values(weights: &Weights, layers: &[Prunable], kept: &[Vec<usize>]) -> (Vec<Vec<f32>>, Removed) {
    let network = &weights.network;
    let mut values: Vec<Vec<f32>> =
        (0..network.parameters.len()).map(|index| weights.values(index)).collect();
    let mut removed = Removed::default();
    // The kept inputs of the next layer, and the removed ones that have the same value everywhere.
    let mut inputs: Vec<usize> = (0..network.config.channels).collect();
    let mut constants: Vec<(usize, f64)> = Vec::new();
    let mut index = 0;
    for layer in &network.layers {
        match layer.kind {
            LayerKind::Conv(WeightBias { weight, bias }) | LayerKind::Linear(WeightBias { weight, bias }) => {
                let outputs = kept.get(index).cloned().unwrap_or_else(|| (0..values[bias].len()).collect());
                let columns = *layer.input.dims().last().expect("a layer has inputs");
                let inner = values[weight].len() / values[bias].len() / columns;
                let taps =
                    |row: usize, column: usize| &values[weight][(row * columns + column) * inner..][..inner];
                let with_constants = |row: usize| {
                    let sum = |taps: &[f32]| taps.iter().map(|&tap| f64::from(tap)).sum::<f64>();
                    let folded: f64 =
                        constants.iter().map(|&(column, value)| value * sum(taps(row, column))).sum();
                    (f64::from(values[bias][row]) + folded) as f32
                };
                let biases = outputs.iter().map(|&row| with_constants(row)).collect();
                let filters = outputs
                    .iter()
                    .flat_map(|&row| inputs.iter().flat_map(move |&column| taps(row, column)))
                    .copied()
                    .collect();
                constants = layers.get(index).map_or_else(Vec::new, |layer| {
                    let before_convolution = layers.get(index + 1).is_some_and(|next| next.convolution);
                    removed.count(weights, layer, &values, &outputs, before_convolution)
                });
                (values[bias], values[weight]) = (biases, filters);
                (inputs, index) = (outputs, index + 1);
            }
            LayerKind::BatchNorm(_) | LayerKind::GroupNorm(_) => {
                for parameter in layer.kind.parameters() {
                    values[parameter] = inputs.iter().map(|&row| values[parameter][row]).collect();
                }
            }
            _ => {}
        }
    }
    (values, removed)
}

impl Removed {
    /// Counts the channels of a layer that are not in `kept`; returns those with the same value everywhere that is not 0.
    fn count(
        &mut self,
        weights: &Weights,
        layer: &Prunable,
        values: &[Vec<f32>],
        kept: &[usize],
        before_convolution: bool,
    ) -> Vec<(usize, f64)> {
        let gone = (0..layer.channels).filter(|row| kept.binary_search(row).is_err());
        let constants = gone.filter_map(|row| {
            let value = constant(weights, layer, values, row);
            let counter = match value {
                Some(0.0) => &mut self.zero,
                Some(_) if before_convolution => &mut self.constant_but_at_borders,
                Some(_) => &mut self.constant,
                None => &mut self.used,
            };
            *counter += 1;
            value.filter(|&value| value != 0.0).map(|value| (row, value))
        });
        constants.collect()
    }
}

/// The value of a channel after the activation, if it is the same at every pixel of every image.
fn constant(weights: &Weights, layer: &Prunable, values: &[Vec<f32>], row: usize) -> Option<f64> {
    let network = &weights.network;
    let before = match layer.norm {
        Some((gamma, beta)) if network.config.norm() == Norm::Batch => {
            (values[gamma][row] == 0.0).then_some(values[beta][row])
        }
        Some(_) => None,
        None => {
            let filter = values[layer.parameters.weight].len() / layer.channels;
            let zero =
                values[layer.parameters.weight][row * filter..][..filter].iter().all(|&weight| weight == 0.0);
            zero.then_some(values[layer.parameters.bias][row])
        }
    };
    before.map(|before| network.activation().value(before.into()))
}
