//! Checkpoints: all that a run needs to go on as if it had never stopped.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    config::TrainConfig,
    info::ModelInfo,
    metrics::{Row, Sums},
    probe::LayerRow,
    store::{self, Entry, TensorFile},
    weights::{self, Description, FORMAT_VERSION, Kind, Weights, WeightsError},
};
use crate::{
    model::{Network, VggConfig},
    ops::LossScale,
    program::Precision,
    shape::Shape,
};

/// The prefix of the average of a parameter.
pub(super) const AVERAGE: &str = "ema.";

/// What the names of the weights of a file begin with: a checkpoint may have those of the average beside its own.
pub(super) fn prefix(kind: Kind, file: &TensorFile) -> &'static str {
    if kind == Kind::Checkpoint && file.has_prefix(AVERAGE) { AVERAGE } else { "" }
}

/// The state of the loss's scaling, in runs of mixed precision.
const LOSS_SCALE: &str = "optimizer.loss_scale";

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Finished epochs, which is also the number of the running epoch, counted from 0.
    pub epoch: u32,
    /// Batches of the running epoch that are trained. It may be all of them where the evaluation is still to come.
    pub batch: usize,
    /// Optimiser steps.
    pub step: u64,
    /// What the host has summed in the running epoch.
    pub sums: Sums,
    /// What the device has summed since then, `[loss, correct, images, 0]`.
    pub device: [f32; 4],
    /// Seconds that the running epoch's steps have taken.
    pub epoch_seconds: f64,
    /// Seconds that the steps of all epochs before it have taken.
    pub train_seconds: f64,
    /// Seconds of the run, interruptions not counted.
    pub seconds: f64,
    /// Images in the training set, by which a changed data set is noticed.
    pub train_images: usize,
    /// The epochs so far.
    #[serde(default)]
    pub history: Vec<Row>,
    /// The layers at the end of each of them.
    #[serde(default)]
    pub layers: Vec<LayerRow>,
}

/// The metadata of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Metadata {
    version: u32,
    kind: Kind,
    model: ModelInfo,
    config: TrainConfig,
    progress: Progress,
}

/// A checked checkpoint, as a file holds it.
#[derive(Debug)]
pub struct Checkpoint {
    /// The weights and the network.
    pub weights: Weights,
    /// The run's configuration.
    pub config: TrainConfig,
    /// How far it has come.
    pub progress: Progress,
}

impl Checkpoint {
    /// Reads a checkpoint and checks all of it.
    ///
    /// # Errors
    /// [`WeightsError`] where it is damaged, incomplete, of another version, or holds NaN.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let file = TensorFile::read(path)?;
        let not = || WeightsError::NotACheckpoint { path: path.display().to_string() };
        match weights::metadata::<Description>(&file)? {
            Some(Description { kind: Kind::Checkpoint, .. }) => {}
            _ => return Err(not()),
        }
        let Metadata { model, config, progress, .. } = weights::metadata(&file)?.ok_or_else(not)?;
        let damaged = |message: String| WeightsError::Metadata { path: path.display().to_string(), message };
        config.validate().map_err(|error| damaged(error.to_string()))?;
        let vgg = model.vgg();
        let configured = config.vgg(vgg.channels, vgg.classes);
        if vgg != (VggConfig { hidden: Some(configured.hidden()), ..configured }) {
            return Err(damaged("its model is not that of its configuration".into()));
        }
        // A network that cannot be built is Weights::check's error.
        let mut more = vgg.network().map(|network| state(&network, &config)).unwrap_or_default();
        more.extend(loss_scale(&config));
        let weights = Weights::check(file, model, &more, |_| false)?;
        Ok(Self { weights, config, progress })
    }

    /// What the optimiser remembers of a parameter in disk order, by its index in [`Network::parameters`]: as
    /// [`Rule::state`](crate::ops::Rule::state) lists it.
    pub fn state(&self, parameter: usize) -> Vec<Vec<f32>> {
        let parameter = &self.weights.network.parameters[parameter];
        let names = if parameter.trained() { self.config.rule().state() } else { &[] };
        names.iter().map(|kind| self.weights.file.f32s(&state_name(kind, &parameter.name))).collect()
    }

    /// The average of a parameter in disk order, where the run takes one.
    pub fn average(&self, parameter: usize) -> Option<Vec<f32>> {
        let name = &self.weights.network.parameters[parameter].name;
        self.config.model_ema.then(|| self.weights.file.f32s(&format!("{AVERAGE}{name}")))
    }

    /// The state of the loss's scaling, where the run has mixed precision.
    pub fn loss_scale(&self) -> Option<LossScale> {
        let mixed = self.config.precision == Precision::Mixed;
        mixed.then(|| bytemuck::pod_read_unaligned(bytemuck::cast_slice(&self.weights.file.f32s(LOSS_SCALE))))
    }
}

/// One tensor that a file wants from the network on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The values of a parameter.
    Value(usize),
    /// What the optimiser remembers of a parameter, by its place in [`Rule::state`](crate::ops::Rule::state).
    State(usize, usize),
    /// The average of a parameter.
    Average(usize),
    /// The state of the loss's scaling.
    LossScale,
}

/// Writes weights (without `run`), those of the average where `averaged`, or a checkpoint; `read` gives each part in disk
/// order.
///
/// # Errors
/// Those of `read`, and [`store::StoreError`] where the system refuses or a value is NaN or infinite. What was there
/// before stays.
pub(super) fn write<E: From<store::StoreError>>(
    path: &Path,
    network: &Network,
    info: &ModelInfo,
    step: u64,
    averaged: bool,
    run: Option<(&TrainConfig, &Progress)>,
    mut read: impl FnMut(Part) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let kind = if run.is_some() { Kind::Checkpoint } else { Kind::Weights };
    let (version, model) = (FORMAT_VERSION, info.clone());
    let metadata = match run {
        None => toml::to_string(&Description { version, kind, model }),
        Some((config, progress)) => {
            let (config, progress) = (config.clone(), progress.clone());
            toml::to_string(&Metadata { version, kind, model, config, progress })
        }
    };
    let metadata = metadata.expect("metadata are tables of TOML values");
    let counters = weights::counters(network);
    let trained =
        || network.parameters.iter().enumerate().filter(|(_, p)| p.trained()).map(|(index, _)| index);
    let all = 0..network.parameters.len();
    let value = if averaged && run.is_none() { Part::Average } else { Part::Value };
    let mut parts: Vec<Part> = all.clone().map(value).collect();
    let mut entries = counters.clone();
    entries.extend(weights::values(network));
    if let Some((config, _)) = run {
        entries.extend(state(network, config));
        for place in 0..config.rule().state().len() {
            parts.extend(trained().map(|index| Part::State(index, place)));
        }
        if config.model_ema {
            parts.extend(all.map(Part::Average));
        }
        let loss_scale = loss_scale(config);
        parts.extend(loss_scale.iter().map(|_| Part::LossScale));
        entries.extend(loss_scale);
    }
    store::write(path, &metadata, &entries, |index| match index.checked_sub(counters.len()) {
        None => Ok((step as i64).to_le_bytes().to_vec()),
        Some(index) => read(parts[index]).map(|values| store::to_le(&values)),
    })
}

fn state_name(kind: &str, parameter: &str) -> String {
    format!("optimizer.{kind}.{parameter}")
}

/// The entries of all that the optimiser remembers, kind by kind, and of the averages.
fn state(network: &Network, config: &TrainConfig) -> Vec<Entry> {
    let trained = || network.parameters.iter().filter(|p| p.trained());
    let kinds = config.rule().state().iter();
    let entry = |name, shape: &Shape| Entry::f32(name, shape.dims());
    let mut entries: Vec<Entry> =
        kinds.flat_map(|kind| trained().map(move |p| entry(state_name(kind, &p.name), &p.shape))).collect();
    if config.model_ema {
        entries.extend(weights::averages(network));
    }
    entries
}

fn loss_scale(config: &TrainConfig) -> Option<Entry> {
    (config.precision == Precision::Mixed).then(|| Entry::f32(LOSS_SCALE.to_owned(), &[LossScale::LEN]))
}
