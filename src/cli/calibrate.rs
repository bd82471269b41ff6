//! The temperature of a network's probabilities, found on labelled images.

use std::path::Path;

use anyhow::Result;

use super::table::{percent, thousands};
use crate::{train::Answers, weights::write_temperature};

/// A temperature, and what it changes.
#[derive(Clone, Debug)]
pub(super) struct Calibration {
    /// `None`: there is none that is better than the others.
    pub(super) temperature: Option<f64>,
    /// The expected calibration error at temperature 1, and at the one found.
    errors: [f64; 2],
    images: usize,
    /// Which images: `test` or `validation`.
    set: &'static str,
}

impl Calibration {
    pub(super) fn new(answers: &Answers, set: &'static str) -> Self {
        // Four digits are more than a thousand images tell.
        let temperature = answers.temperature().map(|temperature| (1e4 * temperature).round() / 1e4);
        let errors = [1.0, temperature.unwrap_or(1.0)].map(|t| answers.calibration_error(t));
        Self { temperature, errors, images: answers.labels.len(), set }
    }

    /// Writes the temperature into a file of weights.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        Ok(write_temperature(path, self.temperature)?)
    }

    /// The temperature to use.
    pub(super) fn value(&self) -> f64 {
        self.temperature.unwrap_or(1.0)
    }

    /// The temperature, and the images that it was found on.
    pub(super) fn origin(&self) -> String {
        let (images, set) = (thousands(self.images), self.set);
        match self.temperature {
            Some(temperature) => format!("temperature {temperature:.3}, found on the {images} {set} images"),
            None => format!("temperature 1: no other is better on the {images} {set} images"),
        }
    }

    /// The same, and the calibration error of those images with and without the temperature.
    pub(super) fn text(&self) -> String {
        let errors = self.temperature.map(|_| {
            let [before, after] = self.errors.map(percent);
            format!(": their calibration error is {after}, {before} without")
        });
        self.origin() + &errors.unwrap_or_default()
    }
}
