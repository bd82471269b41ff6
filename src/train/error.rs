//! The errors that end a run.

use thiserror::Error;

use super::{
    config::ConfigError, files::FileError, report::RunError, store::StoreError, weights::WeightsError,
};
use crate::{
    data::{AugmentationError, LoaderError},
    model::NetworkError,
    program::ExecutorError,
    shape::Shape,
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
    /// Weights of another network of the family.
    #[error("{path} holds a {found}, not a {expected}; give the --model and --norm that it was trained with")]
    OtherModel {
        /// The file.
        path: String,
        /// The file's network.
        found: String,
        /// The requested network.
        expected: String,
    },
    /// Weights of another network.
    #[error(
        "{path} holds another network: {tensor} is {found}, not {expected}; \
         give the --image-size, --width and data set that it was trained with"
    )]
    OtherNetwork {
        /// The file.
        path: String,
        /// The first tensor that differs.
        tensor: String,
        /// Its shape in the file.
        found: Shape,
        /// The network's shape.
        expected: Shape,
    },
    /// The network is too large for an ONNX file.
    #[error("the ONNX file would have {bytes} bytes, but protobuf allows 2147483647; export safetensors")]
    TooLargeForOnnx {
        /// Its size.
        bytes: usize,
    },
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
        "the run ended after epoch {epoch}: no higher test accuracy for {stale} epochs; to go on, give a \
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
        "{epochs} epochs of {steps_per_epoch} steps are more than 4294967295 steps; give fewer --epochs or a larger --batch-size"
    )]
    TooLong {
        /// Epochs.
        epochs: u32,
        /// Steps in each.
        steps_per_epoch: u64,
    },
    /// The executor lost an answer: a bug in it.
    #[error("the device never answered a request; please report this bug")]
    NoAnswer,
}
