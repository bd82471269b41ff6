//! The training loss by step: `steps.csv`.

use serde::{Deserialize, Serialize};

use super::metrics::Sums;

/// The most rows of a record. A full record merges its rows in pairs, and from then on each row spans twice as many steps.
const ROWS: usize = 1024;

/// The first line of `steps.csv`.
pub const STEPS_HEADER: &str = "step,train_loss,train_accuracy,learning_rate";

/// One line of `steps.csv`: the steps after the line before it, up to `step`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Fields", into = "Fields")]
pub struct StepRow {
    /// The last of the steps, counted from 1.
    pub step: u64,
    /// How many readings of the device's sums the row spans.
    pub readings: u64,
    /// The sums over the training images of the steps, each with the weights of its step.
    pub sums: Sums,
    /// The learning rate of the last step.
    pub learning_rate: f64,
}

/// A row as an array, which keeps checkpoints small: step, readings, loss, correct, images, learning rate.
type Fields = (u64, u64, f64, u64, u64, f64);

impl From<Fields> for StepRow {
    fn from((step, readings, loss, correct, images, learning_rate): Fields) -> Self {
        Self { step, readings, sums: Sums { loss, correct, images }, learning_rate }
    }
}

impl From<StepRow> for Fields {
    fn from(row: StepRow) -> Self {
        let Sums { loss, correct, images } = row.sums;
        (row.step, row.readings, loss, correct, images, row.learning_rate)
    }
}

/// A record of a run's steps with a bounded number of rows. It depends only on the readings, so that a resumed run has the
/// record of an uninterrupted one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    rows: Vec<StepRow>,
    /// The steps since the last reading, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest: Option<StepRow>,
}

impl Steps {
    /// Adds a reading: the device's sums since the previous one.
    pub(super) fn add(&mut self, step: u64, device: [f32; 4], learning_rate: f64) {
        let each = self.rows.first().map_or(1, |row| row.readings);
        if self.rows.last().is_none_or(|last| last.readings >= each) {
            if self.rows.len() >= ROWS {
                self.rows = self.rows.chunks(2).map(merged).collect();
            }
            self.rows.push(StepRow { step, readings: 0, sums: Sums::default(), learning_rate });
        }
        if let Some(last) = self.rows.last_mut() {
            last.sums.add(device);
            *last = StepRow { step, readings: last.readings + 1, learning_rate, ..*last };
        }
    }

    /// Replaces the steps since the last reading.
    pub(super) fn set_rest(&mut self, step: u64, device: [f32; 4], learning_rate: f64) {
        let mut sums = Sums::default();
        sums.add(device);
        self.rest = (sums.images > 0).then_some(StepRow { step, readings: 1, sums, learning_rate });
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &StepRow> {
        self.rows.iter().chain(&self.rest)
    }

    /// The whole of `steps.csv`.
    pub fn to_csv(&self) -> String {
        let line = |row: &StepRow| {
            let (loss, accuracy) = (row.sums.mean_loss(), row.sums.accuracy());
            format!("{},{loss:.6},{accuracy:.6},{:.6e}\n", row.step, row.learning_rate)
        };
        format!("{STEPS_HEADER}\n") + &self.rows().map(line).collect::<String>()
    }
}

fn merged(rows: &[StepRow]) -> StepRow {
    let add = |a: StepRow, b: &StepRow| StepRow {
        readings: a.readings + b.readings,
        sums: Sums {
            loss: a.sums.loss + b.sums.loss,
            correct: a.sums.correct + b.sums.correct,
            images: a.sums.images + b.sums.images,
        },
        ..*b
    };
    rows[1..].iter().fold(rows[0], add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(readings: u64) -> Steps {
        let mut steps = Steps::default();
        for reading in 1..=readings {
            steps.add(10 * reading, [reading as f32, 3.0, 8.0, 0.0], 1.0 / reading as f64);
        }
        steps
    }

    #[test]
    fn a_record_is_bounded_and_loses_no_image() {
        for readings in [1, 2, 1023, 1024, 1025, 1026, 2047, 2048, 2049, 5001] {
            let steps = record(readings);
            let rows: Vec<&StepRow> = steps.rows().collect();
            assert!(rows.len() <= ROWS && rows.len() as u64 >= readings.min(ROWS as u64 / 2), "{readings}");
            assert_eq!(rows.iter().map(|row| row.sums.images).sum::<u64>(), 8 * readings);
            let loss: f64 = rows.iter().map(|row| row.sums.loss).sum();
            assert_eq!(loss, (readings * (readings + 1) / 2) as f64, "{readings}");
            assert!(rows.iter().map(|row| row.step).is_sorted());
            assert!(rows.iter().rev().skip(1).all(|row| row.readings == rows[0].readings), "{readings}");
            let last = rows[rows.len() - 1];
            assert_eq!((last.step, last.learning_rate), (10 * readings, 1.0 / readings as f64));
        }
    }

    /// What a checkpoint does to a record.
    #[test]
    fn a_record_continues_from_a_file() {
        let mut steps = record(1500);
        steps.set_rest(15_004, [0.1, 2.0, 4.0, 0.0], 0.3);
        assert_eq!(steps.rows().last().map(|row| row.step), Some(15_004));
        let mut read: Steps = toml::from_str(&toml::to_string(&steps).unwrap()).unwrap();
        assert_eq!(read, steps);
        for steps in [&mut steps, &mut read] {
            steps.add(15_010, [0.7, 2.0, 10.0, 0.0], 0.2);
            steps.set_rest(15_010, [0.0; 4], 0.2);
        }
        assert_eq!(read, steps);
        assert_eq!(
            steps.rows().last().map(|row| row.step),
            Some(15_010),
            "nothing is left since the reading"
        );
    }

    #[test]
    fn csv_is_what_the_header_says() {
        let csv = record(2).to_csv();
        assert_eq!(
            csv,
            "step,train_loss,train_accuracy,learning_rate\n10,0.125000,0.375000,1.000000e0\n20,0.250000,0.375000,5.000000e-1\n"
        );
    }
}
