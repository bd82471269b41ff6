//! Training: configuration, the loop, schedules, metrics, checkpoints, the run directory.
//!
//! A [`TrainConfig`] describes a run completely, except for the device. The caller builds the network from
//! [`TrainConfig::vgg`], lowers it with [`TrainConfig::settings`], opens an executor for the program, creates a
//! [`RunDirectory`] and passes all of these to a [`Trainer`]. [`Session`] evaluates and predicts with
//! [`Weights`](crate::weights::Weights) from a file. Nothing here prints: an [`Observer`] receives [`Event`]s.

mod calibration;
mod checkpoint;
mod config;
mod control;
mod directory;
mod error;
mod evaluation;
mod event;
mod explain;
mod loaders;
mod lock;
mod measure;
mod metrics;
mod outputs;
mod probe;
mod schedule;
mod session;
mod sparsity;
mod steps;
#[cfg(test)]
mod stops;
mod trainer;

pub use calibration::{Answers, CALIBRATION_BINS, CalibrationBin, SURE, temper};
pub use checkpoint::{Checkpoint, Progress};
pub(crate) use config::SETTINGS;
pub use config::{
    ConfigError, Flags, LrScheduler, NormalizeBy, Optimizer, PaddingMode, Points, SparsitySchedule,
    TrainConfig,
};
#[cfg(feature = "cli")]
pub(crate) use config::{Setting, plain, unknown_key};
pub use directory::{RunDirectory, comparison_directory, seeds_directory};
pub use error::{RunError, TrainError};
pub use evaluation::{Evaluation, Hard};
pub use event::{Event, Observer, StepEvent, Summary};
pub use explain::{Channel, Explanation, explainable};
pub use loaders::loaders;
pub use measure::{Measure, PHASES};
pub use metrics::{CSV_HEADER, Row, Sums, best, curves, to_csv};
pub use probe::LayerRow;
pub use schedule::Schedule;
pub use session::Session;
pub use steps::{STEPS_HEADER, StepRow, Steps};
pub use trainer::{Outcome, Trainer};
