//! Checkpoints: all that a run needs to go on as if it had never stopped.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    config::TrainConfig,
    metrics::{Row, Sums},
    probe::LayerRow,
    store::{self, Entry, TensorFile},
    weights::{self, Description, FORMAT_VERSION, Kind, ModelInfo, Weights, WeightsError},
};
use crate::{
    model::{Network, VggConfig},
    ops::LossScale,
    program::Precision,
};

/// The prefixes of Adam's two moments.
const MOMENTS: [&str; 2] = ["optimizer.m.", "optimizer.v."];

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
        let mut more = vgg.network().map(|network| moments(&network)).unwrap_or_default();
        more.extend(loss_scale(&config));
        let weights = Weights::check(file, model, &more, |_| false)?;
        Ok(Self { weights, config, progress })
    }

    /// The optimiser's two moments of a parameter in disk order, by its index in [`Network::parameters`].
    pub fn moments(&self, parameter: usize) -> [Vec<f32>; 2] {
        let name = &self.weights.network.parameters[parameter].name;
        MOMENTS.map(|prefix| self.weights.file.f32s(&format!("{prefix}{name}")))
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
    /// A moment, 0 or 1, of a parameter.
    Moment(usize, usize),
    /// The state of the loss's scaling.
    LossScale,
}

/// Writes weights (without `run`) or a checkpoint; `read` gives each part in disk order.
///
/// # Errors
/// Those of `read`, and [`store::StoreError`] where the system refuses or a value is NaN or infinite. What was there
/// before stays.
pub(super) fn write<E: From<store::StoreError>>(
    path: &Path,
    network: &Network,
    info: &ModelInfo,
    step: u64,
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
    let mut parts: Vec<Part> = (0..network.parameters.len()).map(Part::Value).collect();
    let mut entries = counters.clone();
    entries.extend(weights::values(network));
    if let Some((config, _)) = run {
        entries.extend(moments(network));
        parts.extend((0..2).flat_map(|moment| trained().map(move |index| Part::Moment(index, moment))));
        let loss_scale = loss_scale(config);
        parts.extend(loss_scale.iter().map(|_| Part::LossScale));
        entries.extend(loss_scale);
    }
    store::write(path, &metadata, &entries, |index| match index.checked_sub(counters.len()) {
        None => Ok((step as i64).to_le_bytes().to_vec()),
        Some(index) => read(parts[index]).map(|values| store::to_le(&values)),
    })
}

/// The entries of both moments, the first of all parameters and then the second.
fn moments(network: &Network) -> Vec<Entry> {
    let trained = || network.parameters.iter().filter(|p| p.trained());
    let entries = MOMENTS
        .iter()
        .flat_map(|prefix| trained().map(move |p| (format!("{prefix}{}", p.name), p.shape.dims())));
    entries.map(|(name, shape)| Entry::f32(name, shape)).collect()
}

fn loss_scale(config: &TrainConfig) -> Option<Entry> {
    (config.precision == Precision::Mixed).then(|| Entry::f32(LOSS_SCALE.to_owned(), &[LossScale::LEN]))
}
