//! Checkpoints: the tensors for continuing a run as if it had never stopped, and the description of the run.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    entries::{averages, counters, values},
    error::WeightsError,
    info::ModelInfo,
    metadata::{Description, Kind, metadata},
    store::{self, Entry, StoreError, TensorFile},
    weights::Weights,
};
use crate::{
    model::{Network, VggConfig},
    ops::LossScale,
};

/// The loss-scaling state of mixed-precision runs.
const LOSS_SCALE: &str = "optimizer.loss_scale";

/// One tensor of a file, to be read from the device or uploaded to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The values of a parameter, by its index in [`Network::parameters`].
    Value(usize),
    /// The optimiser state of a parameter, by its index in [`Rule::state`](crate::ops::Rule::state).
    State(usize, usize),
    /// The average of a parameter.
    Average(usize),
    /// The loss-scaling state.
    LossScale,
}

/// What a training has on the device next to its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The names of the state tensors of each trained parameter: [`Rule::state`](crate::ops::Rule::state).
    pub rule: &'static [&'static str],
    /// Whether the parameters are averaged.
    pub averaged: bool,
    /// Whether there is a loss scale, as in mixed precision.
    pub scaled: bool,
}

impl State {
    /// The tensors of a file with the weights alone: the averages if there are any.
    fn weights(self, network: &Network) -> Vec<(Part, Entry)> {
        let part = if self.averaged { Part::Average } else { Part::Value };
        values(network).into_iter().enumerate().map(|(index, entry)| (part(index), entry)).collect()
    }

    /// The tensors of a checkpoint: the weights, then the optimiser state, kind by kind, the averages, the loss scale.
    fn checkpoint(self, network: &Network) -> Vec<(Part, Entry)> {
        let trained = || network.parameters.iter().enumerate().filter(|(_, p)| p.trained());
        let mut parts = Self { averaged: false, ..self }.weights(network);
        for (place, kind) in self.rule.iter().enumerate() {
            let name = |parameter: &str| format!("optimizer.{kind}.{parameter}");
            parts.extend(
                trained().map(|(i, p)| (Part::State(i, place), Entry::f32(name(&p.name), p.shape.dims()))),
            );
        }
        if self.averaged {
            parts.extend(averages(network).enumerate().map(|(index, entry)| (Part::Average(index), entry)));
        }
        if self.scaled {
            parts.push((Part::LossScale, Entry::f32(LOSS_SCALE.to_owned(), &[LossScale::LEN])));
        }
        parts
    }
}

impl Weights {
    /// The tensors of a checkpoint with this state, in disk order, each read when its turn comes.
    pub(crate) fn parts(&self, state: State) -> impl Iterator<Item = (Part, Vec<f32>)> {
        let parts = state.checkpoint(&self.network).into_iter();
        parts.map(|(part, entry)| (part, self.file.f32s(&entry.name)))
    }
}

/// Reads and checks a checkpoint and the description of its run, which `state_of` checks against the network.
///
/// # Errors
/// [`WeightsError`] if it is damaged, incomplete, of another version, or contains NaN.
pub(crate) fn read_checkpoint<R: DeserializeOwned>(
    path: &Path,
    state_of: impl FnOnce(&VggConfig, &R) -> Result<State, String>,
) -> Result<(Weights, R), WeightsError> {
    let file = TensorFile::read(path)?;
    let not = || WeightsError::NotACheckpoint { path: path.display().to_string() };
    let model = match metadata::<Description>(&file)? {
        Some(Description { kind: Kind::Checkpoint, model, .. }) => model,
        _ => return Err(not()),
    };
    let run: R = metadata(&file)?.ok_or_else(not)?;
    let vgg = model.vgg();
    let state = state_of(&vgg, &run)
        .map_err(|message| WeightsError::Metadata { path: path.display().to_string(), message })?;
    // A network that cannot be built is Weights::check's error.
    let parts = vgg.network().map(|network| state.checkpoint(&network)).unwrap_or_default();
    let is_weight = |part: &Part| matches!(part, Part::Value(_));
    let more: Vec<Entry> =
        parts.into_iter().filter(|(part, _)| !is_weight(part)).map(|(_, entry)| entry).collect();
    Ok((Weights::check(file, model, &more, |_| false)?, run))
}

/// The contents of a file, for [`write_file`].
pub(crate) struct Contents<'a, R> {
    pub network: &'a Network,
    pub info: &'a ModelInfo,
    /// The optimiser steps so far.
    pub step: u64,
    pub state: State,
    /// The description of the run, for a checkpoint; else the file has the weights alone.
    pub run: Option<R>,
}

/// Writes weights or a checkpoint. `data` returns each part in disk order.
///
/// # Errors
/// The errors of `data`, and [`StoreError`] if the file cannot be written or a value is NaN or infinite. An existing file is
/// then unchanged.
pub(crate) fn write_file<R: Serialize, E: From<StoreError>>(
    path: &Path,
    contents: &Contents<'_, R>,
    mut data: impl FnMut(Part) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let Contents { network, info, step, state, run } = contents;
    let (metadata, parts) = match run {
        None => (Description::new(Kind::Weights, info).to_toml(), state.weights(network)),
        Some(run) => {
            let run = toml::to_string(run).expect("a run is described by tables of TOML values");
            let description = Description::new(Kind::Checkpoint, info).to_toml();
            (format!("{description}\n{run}"), state.checkpoint(network))
        }
    };
    let mut entries = counters(network);
    let counters = entries.len();
    let (parts, more): (Vec<Part>, Vec<Entry>) = parts.into_iter().unzip();
    entries.extend(more);
    store::write(path, &metadata, &entries, |index| match index.checked_sub(counters) {
        None => Ok((*step as i64).to_le_bytes().to_vec()),
        Some(index) => data(parts[index]).map(|values| store::to_le(&values)),
    })
}
