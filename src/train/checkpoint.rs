//! Checkpoints of runs: the tensors of [`crate::weights`] with the run's configuration and progress.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    config::TrainConfig,
    metrics::{Row, Sums},
    probe::LayerRow,
    steps::Steps,
};
use crate::{
    model::VggConfig,
    weights::{Part, State, Weights, WeightsError, read_checkpoint},
};

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
    /// The training loss by step.
    #[serde(default)]
    pub steps: Steps,
}

/// The description of a run in its checkpoint.
#[derive(Serialize, Deserialize)]
pub(super) struct Run {
    pub config: TrainConfig,
    pub progress: Progress,
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
        let (weights, Run { config, progress }) = read_checkpoint(path, state_of)?;
        Ok(Self { weights, config, progress })
    }

    /// The weights and the state of the training, each tensor in disk order and read when its turn comes.
    pub fn parts(&self) -> impl Iterator<Item = (Part, Vec<f32>)> {
        self.weights.parts(self.config.state())
    }
}

fn state_of(vgg: &VggConfig, Run { config, .. }: &Run) -> Result<State, String> {
    config.validate().map_err(|error| error.to_string())?;
    let configured = config.vgg(vgg.channels, vgg.classes);
    if *vgg != (VggConfig { hidden: Some(configured.hidden()), ..configured }) {
        return Err("its model does not match its configuration".into());
    }
    Ok(config.state())
}
