//! The result of an evaluation.

use super::metrics::Sums;

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Loss and correct answers.
    pub sums: Sums,
    /// Images whose class is among the five most probable.
    pub top5: u64,
    /// `confusion[label][answer]` counts images.
    pub confusion: Vec<Vec<u64>>,
    /// The [`Evaluation::HARD`] images with the highest loss, the worst first.
    pub hardest: Vec<Hard>,
}

/// An image of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Hard {
    /// Its index in the data set.
    pub image: usize,
    /// Its class.
    pub label: usize,
    /// The network's answer.
    pub answer: usize,
    /// The probability of the answer.
    pub probability: f32,
    /// The loss.
    pub loss: f32,
}

impl Evaluation {
    /// How many of the images with the highest loss are kept.
    pub const HARD: usize = 25;

    /// Mean loss.
    pub fn loss(&self) -> f64 {
        self.sums.mean_loss()
    }

    /// Fraction of correct answers.
    pub fn accuracy(&self) -> f64 {
        self.sums.accuracy()
    }

    /// Fraction of images whose class is among the five most probable; `None` with five classes or fewer.
    pub fn top5_accuracy(&self) -> Option<f64> {
        (self.confusion.len() > 5).then(|| self.top5 as f64 / self.sums.images as f64)
    }
}
