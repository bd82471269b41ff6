//! Checkpoints: the complete state for continuing a run as if it had never stopped.

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

/// The name prefix of a parameter's average.
pub(super) const AVERAGE: &str = "ema.";

/// The name prefix of the weights to read from a file: a checkpoint may contain averaged weights next to its own.
pub(super) fn prefix(kind: Kind, file: &TensorFile) -> &'static str {
    if kind == Kind::Checkpoint && file.has_prefix(AVERAGE) { AVERAGE } else { "" }
}

/// The loss-scaling state of mixed-precision runs.
const LOSS_SCALE: &str = "optimizer.loss_scale";

/// The progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Finished epochs; also the index of the running epoch, from 0.
    pub epoch: u32,
    /// Trained batches of the running epoch: all of them if only the evaluation is left.
    pub batch: usize,
    /// Optimiser steps so far.
    pub step: u64,
    /// The host's sums over the running epoch.
    pub sums: Sums,
    /// The device's sums since then, `[loss, correct, images, 0]`.
    pub device: [f32; 4],
    /// Seconds in the running epoch's steps.
    pub epoch_seconds: f64,
    /// Seconds in the steps of all earlier epochs.
    pub train_seconds: f64,
    /// Seconds of the run without interruptions.
    pub seconds: f64,
    /// Images in the training set, to detect a changed data set.
    pub train_images: usize,
    /// The epochs so far.
    #[serde(default)]
    pub history: Vec<Row>,
    /// The layer statistics at the end of each epoch.
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

/// A checked checkpoint, as stored in its file.
#[derive(Debug)]
pub struct Checkpoint {
    /// The weights and the network.
    pub weights: Weights,
    /// The run's configuration.
    pub config: TrainConfig,
    /// The run's progress.
    pub progress: Progress,
}

impl Checkpoint {
    /// Reads and checks a checkpoint.
    ///
    /// # Errors
    /// [`WeightsError`] if it is damaged, incomplete, of another version, or contains NaN.
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
            return Err(damaged("its model does not match its configuration".into()));
        }
        // A network that cannot be built is Weights::check's error.
        let mut more = vgg.network().map(|network| state(&network, &config)).unwrap_or_default();
        more.extend(loss_scale(&config));
        let weights = Weights::check(file, model, &more, |_| false)?;
        Ok(Self { weights, config, progress })
    }

    /// The optimiser state of a parameter in disk order, by its index in [`Network::parameters`]; the tensors are those of
    /// [`Rule::state`](crate::ops::Rule::state).
    pub fn state(&self, parameter: usize) -> Vec<Vec<f32>> {
        let parameter = &self.weights.network.parameters[parameter];
        let names = if parameter.trained() { self.config.rule().state() } else { &[] };
        names.iter().map(|kind| self.weights.file.f32s(&state_name(kind, &parameter.name))).collect()
    }

    /// The average of a parameter in disk order, if the run averages its weights.
    pub fn average(&self, parameter: usize) -> Option<Vec<f32>> {
        let name = &self.weights.network.parameters[parameter].name;
        self.config.model_ema.then(|| self.weights.file.f32s(&format!("{AVERAGE}{name}")))
    }

    /// The loss-scaling state, if the run uses mixed precision.
    pub fn loss_scale(&self) -> Option<LossScale> {
        let mixed = self.config.precision == Precision::Mixed;
        mixed.then(|| bytemuck::pod_read_unaligned(bytemuck::cast_slice(&self.weights.file.f32s(LOSS_SCALE))))
    }
}

/// One tensor of a file, to be read from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The values of a parameter.
    Value(usize),
    /// The optimiser state of a parameter, by its index in [`Rule::state`](crate::ops::Rule::state).
    State(usize, usize),
    /// The average of a parameter.
    Average(usize),
    /// The loss-scaling state.
    LossScale,
}

/// Writes weights (without `run`; the averages if `averaged`), or a checkpoint. `read` returns each part in disk order.
///
/// # Errors
/// The errors of `read`, and [`store::StoreError`] if the file cannot be written or a value is NaN or infinite. An existing file
/// is then unchanged.
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

/// The entries of the optimiser state, kind by kind, and of the averages.
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
