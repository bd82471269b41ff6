//! The errors that end a run.

use std::path::PathBuf;

use thiserror::Error;

use super::config::ConfigError;
use crate::{
    data::{AugmentationError, LoaderError},
    files::FileError,
    model::NetworkError,
    program::ExecutorError,
    weights::{StoreError, WeightsError},
};

/// A run, an evaluation or a prediction that failed.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The data cannot be loaded.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The device failed.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// A file or directory cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of tensors cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Weights or a checkpoint cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The run directory cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The augmentation is out of range.
    #[error(transparent)]
    Augmentation(#[from] AugmentationError),
    /// The loss became NaN or infinite.
    #[error(
        "the {what} became {value} by step {step}, at a learning rate of {learning_rate:e}; the run stops and its last \
         checkpoint stays as it is. Try a smaller --lr, or a longer --lr-warmup-epochs"
    )]
    Diverged {
        /// The name of the loss.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The last trained step.
        step: u64,
        /// The learning rate of that step.
        learning_rate: f64,
    },
    /// The outputs of the weights are NaN or infinite.
    #[error(
        "{weights} cannot be used: the {what} of image {image} is {value}. The weights are damaged, or too large for this \
         network; take another checkpoint, or train again with a smaller --lr"
    )]
    NotFinite {
        /// The file of the weights.
        weights: String,
        /// The output.
        what: &'static str,
        /// The image, by its index in the data set or among the given images.
        image: usize,
        /// The value.
        value: f32,
    },
    /// There is nothing left to train.
    #[error("the run is over at step {step} of {of}; {way_on}")]
    Over {
        /// Finished steps.
        step: u64,
        /// Steps in all.
        of: u64,
        /// How to continue training.
        way_on: String,
    },
    /// The run was stopped early.
    #[error(
        "the run ended after epoch {epoch}: no higher test accuracy for {stale} epochs; to continue, give a \
         --patience above {stale} with --resume"
    )]
    OutOfPatience {
        /// The last epoch.
        epoch: u32,
        /// Epochs since the best.
        stale: u32,
    },
    /// A checkpoint of a run with another optimiser.
    #[error(
        "the checkpoint was trained with {before}, but this run with {now}; the optimiser states do not match"
    )]
    OtherOptimizer {
        /// The checkpoint's.
        before: String,
        /// This run's.
        now: String,
    },
    /// The training set differs from the one that the run began with.
    #[error(
        "the run was started on {before} training images, but the data set has {now}; give the same --data"
    )]
    OtherData {
        /// The number of images at the start.
        before: usize,
        /// The number of images now.
        now: usize,
    },
    /// The training set's class names or normalisation differ from those that the run began with.
    #[error(
        "the run was started on images with other class names or another mean and deviation; give the same --data, \
         with the files as they were"
    )]
    OtherImages,
    /// The run has more than 2^32 - 1 steps.
    #[error(
        "{epochs} epochs of {batches_per_epoch} batches are more than 4294967295 batches; give fewer --epochs or a larger --batch-size"
    )]
    TooLong {
        /// Epochs.
        epochs: u32,
        /// Batches in each.
        batches_per_epoch: u64,
    },
    /// A step would take more batches than an epoch has.
    #[error(
        "grad_accum_steps is {accumulated}, but an epoch has {batches} batches; give --grad-accum-steps {batches} or less, or a \
         smaller --batch-size"
    )]
    AccumulatesBeyondEpoch {
        /// Batches of a step.
        accumulated: usize,
        /// Batches of an epoch.
        batches: usize,
    },
    /// The executor lost an answer: a bug in it.
    #[error("the device never answered a request; please report this bug")]
    NoAnswer,
}

/// A run directory that cannot be used.
#[derive(Debug, Error)]
pub enum RunError {
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The path is a file.
    #[error("output directory {path} is a file; give another --output-dir")]
    IsAFile {
        /// The file.
        path: PathBuf,
    },
    /// The directory contains another run.
    #[error(
        "{path} contains another run ({file}); continue it with --resume {path}, or give another --output-dir"
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// A file of that run.
        file: &'static str,
    },
    /// The directory contains the best weights of a run, but not its checkpoint.
    #[error(
        "{path} contains the best weights of a run (best.safetensors) without its checkpoint; give another --output-dir, or move them away"
    )]
    Results {
        /// The directory.
        path: PathBuf,
    },
    /// Another run has locked the directory.
    #[error(
        "another run{} is writing to {path}; wait for it to end or stop it, or give another --output-dir",
        .process.map_or(String::new(), |process| format!(" (process {process})"))
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The other run's process, if known.
        process: Option<u32>,
    },
    /// The directory contains another comparison.
    #[error("{path} contains another comparison (compare.md); give another --output-dir")]
    Compared {
        /// The directory.
        path: PathBuf,
    },
    /// The directory contains a `config.toml` that no run has written.
    #[error("{path} contains a config.toml that vgg train did not write; give another --output-dir")]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// No checkpoint to resume.
    #[error("there is no checkpoint to resume in {path}: {why}")]
    NoCheckpoint {
        /// The directory.
        path: PathBuf,
        /// What the directory contains, and what to do with it.
        why: String,
    },
}
