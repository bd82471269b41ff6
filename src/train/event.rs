//! What a run tells while it goes.

use std::path::Path;

use super::metrics::Row;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// Training begins, or goes on.
    Started {
        /// Optimiser steps that are done.
        step: u64,
        /// Optimiser steps in all.
        of: u64,
        /// Epochs in all.
        epochs: u32,
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
    /// An epoch, or with `--steps` its beginning, was trained, evaluated and written.
    EpochDone {
        /// What it measured.
        row: &'a Row,
        /// Whether no earlier epoch had a higher or the same test accuracy.
        best: bool,
        /// The part of the epoch's training time that this process has waited for batches.
        loading: f64,
    },
    /// A checkpoint was written.
    Saved(&'a Path),
    /// The run was told to stop and has written this checkpoint.
    Interrupted(&'a Path),
    /// The run is over.
    Finished(&'a Summary),
}

/// How an optimiser step finds the run. Loss and accuracy are those of the running epoch as far as the device has
/// told, some ten steps late; `None` before the first news.
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
    /// Images a second in the running epoch.
    pub images_per_second: f64,
}

/// A finished run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The last epoch.
    pub last: Row,
    /// The epoch with the highest test accuracy, the first of equals.
    pub best: Row,
    /// Epochs without a higher test accuracy that ended the run before its last step, where they did.
    pub early: Option<u32>,
    /// Seconds of the whole run, evaluations counted, interruptions not.
    pub seconds: f64,
    /// Training images a second over all epochs, evaluations not counted.
    pub images_per_second: f64,
}

/// Listens to a run. Every `FnMut(&Event)` does.
pub trait Observer {
    /// Called for each event, on the thread that trains.
    fn event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>)> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}
