//! Training: configuration, the loop, schedules, metrics, weights and checkpoints, the run directory.
//!
//! A [`TrainConfig`] describes a run completely, except for the device. The caller builds the network from
//! [`TrainConfig::vgg`], lowers it with [`TrainConfig::settings`], opens an executor for the program, creates a
//! [`RunDirectory`] and passes all of these to a [`Trainer`]. [`Session`] evaluates and predicts with [`Weights`] from
//! a file. Nothing here prints: an [`Observer`] receives [`Event`]s.

mod checkpoint;
mod config;
mod curves;
mod error;
mod event;
mod explain;
mod files;
mod info;
mod lock;
mod measure;
mod metrics;
mod onnx;
mod pretrained;
mod probe;
mod proto;
mod report;
mod schedule;
mod session;
#[cfg(test)]
mod stops;
mod store;
mod tensorboard;
mod trainer;
mod weights;

pub use checkpoint::{Checkpoint, Progress};
pub use config::{ConfigError, Flags, LrScheduler, NormalizeBy, Optimizer, TrainConfig};
#[cfg(feature = "cli")]
pub(crate) use config::{SETTINGS, Setting};
pub use curves::{comparison_svg, svg as curves_svg};
pub use error::TrainError;
pub use event::{Event, Observer, StepEvent, Summary};
pub use explain::{Channel, Explanation, explainable};
pub use files::{FileError, write_text};
pub use info::ModelInfo;
pub use measure::{Measure, PHASES};
pub use metrics::{CSV_HEADER, Row, Sums, best, to_csv};
pub use onnx::write_onnx;
pub use pretrained::Pretrained;
pub use probe::LayerRow;
pub use report::{RunDirectory, RunError, comparison_directory};
pub use schedule::Schedule;
pub use session::{Evaluation, Hard, Session};
pub use store::StoreError;
pub use tensorboard::TensorBoard;
pub use trainer::{Outcome, Trainer, loaders};
pub use weights::{FORMAT_VERSION, Weights, WeightsError, write_weights};
