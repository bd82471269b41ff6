//! The control block of each batch.

use super::{config::TrainConfig, schedule::Schedule};
use crate::{ops::Control, program::Pass, rng};

/// The weight of a new batch in the ranges of activations: PyTorch's for moving averages.
const RANGE_MOMENTUM: f32 = 0.01;

/// A batch's place in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number in the run, counted from 1.
    batch: u64,
    /// Its number in its optimiser step, counted from 0.
    index: usize,
    /// The batches of that step.
    of: usize,
}

impl Place {
    /// The places of the batches of the optimiser step that begins after `done` batches of an epoch, counted from 0.
    pub(super) fn of_step(
        config: &TrainConfig,
        epoch: u32,
        done: usize,
        batches_per_epoch: usize,
    ) -> impl Iterator<Item = Self> + use<> {
        let of = batches_per_epoch.saturating_sub(done).min(config.grad_accum_steps as usize);
        let first = u64::from(epoch) * batches_per_epoch as u64 + done as u64 + 1;
        (0..of).map(move |index| Self { batch: first + index as u64, index, of })
    }

    /// What runs for the batch.
    pub(super) fn pass(self) -> Pass {
        if self.index + 1 == self.of { Pass::Train } else { Pass::Accumulate }
    }

    /// The control block for the batch in optimiser step `step`, counted from 1.
    pub(super) fn control(self, config: &TrainConfig, schedule: &Schedule, step: u64) -> Control {
        let [seed_low, seed_high] = rng::key(config.seed);
        let correction = |beta: f64| (1.0 - beta.powf(step as f64)) as f32;
        Control {
            // A run has at most 2^32 - 1 batches.
            step: step as u32,
            batch: self.batch as u32,
            seed_low,
            seed_high,
            learning_rate: schedule.rate(step) as f32,
            bias_correction1: correction(config.beta1),
            bias_correction2: correction(config.beta2()),
            range_momentum: if config.qat && schedule.in_first_epoch(step) { RANGE_MOMENTUM } else { 0.0 },
            share: 1.0 / self.of as f32,
            first: u32::from(self.index == 0),
            ..Control::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_of_an_epoch_has_what_is_left() {
        let config = TrainConfig { grad_accum_steps: 4, ..TrainConfig::default() };
        assert_eq!([8, 9, 10].map(|batches| config.steps_per_epoch(batches)), [2, 3, 3]);
        let places: Vec<Place> = Place::of_step(&config, 2, 8, 10).collect();
        assert_eq!(places, [29, 30].map(|batch| Place { batch, index: (batch - 29) as usize, of: 2 }));
        assert_eq!(
            places.iter().map(|place| place.pass()).collect::<Vec<_>>(),
            [Pass::Accumulate, Pass::Train]
        );
        let schedule = Schedule::new(&config, 3);
        let controls: Vec<Control> =
            places.iter().map(|place| place.control(&config, &schedule, 9)).collect();
        assert_eq!(
            controls.iter().map(|c| (c.step, c.batch, c.share, c.first)).collect::<Vec<_>>(),
            [(9, 29, 0.5, 1), (9, 30, 0.5, 0)]
        );
        // Without accumulation a batch is a step.
        let plain: Vec<Place> = Place::of_step(&TrainConfig::default(), 1, 0, 10).collect();
        assert_eq!(plain, [Place { batch: 11, index: 0, of: 1 }]);
        assert_eq!(plain[0].pass(), Pass::Train);
    }
}
