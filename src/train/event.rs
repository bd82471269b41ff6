//! The events of a run.

use std::path::Path;

use super::{error::TrainError, metrics::Row, session::Session};

/// An event of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// Training begins or resumes.
    Started {
        /// Finished optimiser steps.
        step: u64,
        /// Optimiser steps in all.
        of: u64,
        /// Epochs in all.
        epochs: u32,
        /// What epochs are judged on: `test` or `validation` images.
        judged_on: &'static str,
        /// The run directory.
        directory: &'a Path,
    },
    /// An optimiser step was queued.
    Step(StepEvent),
    /// A batch of the test set was queued.
    Testing {
        /// Batches so far.
        batch: usize,
        /// Batches in all.
        of: usize,
    },
    /// An epoch (with `--steps` perhaps only its beginning) was trained, evaluated and written.
    EpochDone {
        /// Its metrics.
        row: &'a Row,
        /// Whether its test accuracy is higher than every earlier epoch's.
        best: bool,
        /// The fraction of the epoch's training time that this process waited for batches.
        loading: f64,
    },
    /// A checkpoint was written.
    Saved(&'a Path),
    /// The run was interrupted and has written this checkpoint.
    Interrupted(&'a Path),
    /// The run is over.
    Finished(&'a Summary),
}

/// The state of the run at an optimiser step. Loss and accuracy are those of the running epoch, about ten steps late;
/// `None` before the first readback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepEvent {
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps so far.
    pub step: u64,
    /// Optimiser steps in all.
    pub of: u64,
    /// Mean loss.
    pub loss: Option<f64>,
    /// Fraction of correct answers.
    pub accuracy: Option<f64>,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// Images per second in the running epoch.
    pub images_per_second: f64,
}

/// A finished run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The last epoch.
    pub last: Row,
    /// The epoch with the highest test accuracy, the first of equals.
    pub best: Row,
    /// The number of epochs without a higher test accuracy that stopped the run early, if it was.
    pub early: Option<u32>,
    /// Seconds of the whole run, including evaluations but not interruptions.
    pub seconds: f64,
    /// Training images per second over all epochs, excluding evaluations.
    pub images_per_second: f64,
}

/// Listens to a run. Implemented for every `FnMut(&Event)`.
pub trait Observer {
    /// Called for each event, on the training thread.
    fn event(&mut self, event: &Event<'_>);

    /// Called after each [`Event::EpochDone`] with its metrics and the network on the device, to read values from it; does nothing by
    /// default.
    ///
    /// # Errors
    /// [`TrainError`], which ends the run.
    fn epoch_done(&mut self, _row: &Row, _session: &mut Session) -> Result<(), TrainError> {
        Ok(())
    }
}

impl<F: FnMut(&Event<'_>)> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}
