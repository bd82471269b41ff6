//! The metrics of a run: sums during an epoch, a row at its end.

use serde::{Deserialize, Serialize};

use crate::pictures::Curve;

/// Sums over images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Sum of the losses.
    pub loss: f64,
    /// Correct answers.
    pub correct: u64,
    /// Images.
    pub images: u64,
}

impl Sums {
    /// Adds the device's sums, `[loss, correct, images, 0]`.
    pub fn add(&mut self, device: [f32; 4]) {
        self.loss += f64::from(device[0]);
        self.correct += device[1] as u64;
        self.images += device[2] as u64;
    }

    /// The mean loss; NaN without images.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images as f64
    }

    /// The fraction of correct answers; NaN without images.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images as f64
    }
}

/// One line of `metrics.csv`: an epoch. Accuracies are fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// Optimiser steps so far.
    pub step: u64,
    /// Mean loss over the epoch's training images, each with the weights of its step.
    pub train_loss: f64,
    /// Accuracy likewise.
    pub train_accuracy: f64,
    /// Mean loss over the test images, or the validation images of `val_fraction`.
    pub test_loss: f64,
    /// Accuracy likewise.
    pub test_accuracy: f64,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Training images per second, excluding evaluation.
    pub images_per_second: f64,
    /// Seconds since the start of the run, without interruptions.
    pub seconds: f64,
    /// Share of the weights that are kept at 0.
    #[serde(default)]
    pub sparsity: f64,
}

/// The first line of `metrics.csv`; with validation images, `test` becomes `validation`.
pub const CSV_HEADER: &str = "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,images_per_second,seconds,sparsity";

/// The whole of `metrics.csv`; the epochs were judged on `test` or `validation` images.
pub fn to_csv(rows: &[Row], judged_on: &str) -> String {
    let mut text = CSV_HEADER.replace("test", judged_on) + "\n";
    for r in rows {
        text += &format!(
            "{},{},{:.6},{:.6},{:.6},{:.6},{:.6e},{:.1},{:.1},{:.6}\n",
            r.epoch,
            r.step,
            r.train_loss,
            r.train_accuracy,
            r.test_loss,
            r.test_accuracy,
            r.learning_rate,
            r.images_per_second,
            r.seconds,
            r.sparsity
        );
    }
    text
}

/// The curves of training and of testing.
pub fn curves(rows: &[Row]) -> [Curve; 2] {
    let points = |value: fn(&Row) -> f64| rows.iter().map(|row| (row.epoch, value(row))).collect();
    [
        Curve { loss: points(|row| row.train_loss), accuracy: points(|row| row.train_accuracy) },
        Curve { loss: points(|row| row.test_loss), accuracy: points(|row| row.test_accuracy) },
    ]
}

/// The row with the highest test accuracy among those of the highest sparsity, the first of equals.
pub fn best(rows: &[Row]) -> Option<&Row> {
    let rank = |row: &Row| (row.sparsity, row.test_accuracy);
    rows.iter().reduce(|best, row| if rank(row) > rank(best) { row } else { best })
}

/// Epochs since [`best`], without a higher test accuracy.
pub fn stale_epochs(rows: &[Row]) -> u32 {
    best(rows).zip(rows.last()).map_or(0, |(best, last)| last.epoch - best.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u32, test_accuracy: f64) -> Row {
        Row {
            epoch,
            step: 937,
            train_loss: 0.25,
            train_accuracy: 0.9,
            test_loss: 0.125,
            test_accuracy,
            learning_rate: 1e-3,
            images_per_second: 1234.56,
            seconds: 61.04,
            sparsity: 0.0,
        }
    }

    #[test]
    fn csv_is_what_the_header_says() {
        assert_eq!(
            to_csv(&[row(1, 0.9936)], "test"),
            format!(
                "{CSV_HEADER}\n1,937,0.250000,0.900000,0.125000,0.993600,1.000000e-3,1234.6,61.0,0.000000\n"
            )
        );
        let fields = toml::Table::try_from(row(1, 0.5)).unwrap();
        let names: Vec<&str> = CSV_HEADER.split(',').collect();
        assert!(names.len() == fields.len() && names.iter().all(|name| fields.contains_key(*name)));
    }

    #[test]
    fn the_first_best_row_is_the_best() {
        assert_eq!(best(&[row(1, 0.5), row(2, 0.75), row(3, 0.75)]).unwrap().epoch, 2);
        let sparse = |row: Row, sparsity| Row { sparsity, ..row };
        let rows =
            [row(1, 0.9), sparse(row(2, 0.5), 0.5), sparse(row(3, 0.6), 0.5), sparse(row(4, 0.6), 0.5)];
        assert_eq!((best(&rows).unwrap().epoch, stale_epochs(&rows)), (3, 1));
        assert_eq!(best(&[]), None);
        assert_eq!(stale_epochs(&[row(1, 0.5), row(2, 0.75), row(3, 0.75), row(4, 0.7)]), 2);
        assert_eq!((stale_epochs(&[row(1, 0.5)]), stale_epochs(&[])), (0, 0));
    }

    #[test]
    fn sums_of_exact_counts() {
        let mut sums = Sums::default();
        assert!(sums.mean_loss().is_nan() && sums.accuracy().is_nan());
        sums.add([3.0, 5.0, 8.0, 0.0]);
        sums.add([1.0, 1.0, 8.0, 0.0]);
        assert_eq!((sums.mean_loss(), sums.accuracy()), (0.25, 0.375));
    }
}
