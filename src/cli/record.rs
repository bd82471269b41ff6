//! Finished runs, as `vgg train --json` prints them.

use std::path::Path;

use serde::Serialize;

use super::calibrate::Calibration;
use crate::train::{Evaluation, Row, Summary, TrainConfig};

/// A finished run.
#[derive(Serialize)]
pub(super) struct RunRecord {
    directory: String,
    weights: String,
    report: String,
    recipe: String,
    seed: u64,
    parameters: usize,
    /// Which images `test_loss` and `test_accuracy` of an epoch are about: `test`, or `validation` with `--val-fraction`.
    judged_on: &'static str,
    last_epoch: Row,
    best_epoch: Row,
    /// Epochs without a higher accuracy that ended the run, if they did.
    ended_after_stale_epochs: Option<u32>,
    seconds: f64,
    images_per_second: f64,
    /// The test images at the end, with the last epoch's weights, or with validation images with the best epoch's.
    test_loss: f64,
    test_accuracy: f64,
    /// That of the weights' file; the images that it was found on are those of `judged_on`.
    temperature: f64,
    /// Of the test images, at temperature 1 and at `temperature`.
    expected_calibration_error: f64,
    calibrated_expected_calibration_error: f64,
}

impl RunRecord {
    pub(super) fn new(
        summary: &Summary,
        config: &TrainConfig,
        parameters: usize,
        (evaluation, calibration): (&Evaluation, &Calibration),
        directory: &Path,
    ) -> Self {
        let file = |name: &str| directory.join(name).display().to_string();
        Self {
            directory: directory.display().to_string(),
            weights: file("best.safetensors"),
            report: file("report.html"),
            recipe: config.recipe.clone(),
            seed: config.seed,
            parameters,
            judged_on: config.judged_on(),
            last_epoch: summary.last,
            best_epoch: summary.best,
            ended_after_stale_epochs: summary.early,
            seconds: summary.seconds,
            images_per_second: summary.images_per_second,
            test_loss: evaluation.loss(),
            test_accuracy: evaluation.accuracy(),
            temperature: calibration.value(),
            expected_calibration_error: evaluation.answers.calibration_error(1.0),
            calibrated_expected_calibration_error: evaluation.answers.calibration_error(calibration.value()),
        }
    }
}

/// The runs of `--seeds`.
#[derive(Serialize)]
pub(super) struct SeedsRecord {
    pub(super) directory: String,
    pub(super) seeds: Vec<SeedRecord>,
    pub(super) mean_test_loss: f64,
    pub(super) mean_test_accuracy: f64,
    /// Standard deviations of a sample; `None` with one seed.
    pub(super) test_loss_deviation: Option<f64>,
    pub(super) test_accuracy_deviation: Option<f64>,
}

/// The run of a seed.
#[derive(Serialize)]
pub(super) struct SeedRecord {
    pub(super) seed: u64,
    /// The test images, with the last epoch's weights, or if there are validation images with the best epoch's.
    pub(super) test_loss: f64,
    pub(super) test_accuracy: f64,
    pub(super) best_epoch: Row,
    pub(super) seconds: f64,
}
