//! The learning rate as a pure function of the step, and for `plateau` of the epochs before.

use std::f64::consts::PI;

use super::{
    config::{LrScheduler, Points, TrainConfig},
    metrics::Row,
};

/// The learning rate of every step of a run.
///
/// Over the first `w = lr_warmup_epochs * steps_per_epoch` steps (rounded) the rate rises linearly: step `t` (from 1) has
/// the factor `t / (w + 1)`. The schedules whose unit is an epoch, and `wsd`, are multiplied by that factor; `cosine`, `polynomial` and
/// `restarts` start after the warm-up. Those that are spread over the run end with the last epoch, whatever `--steps` says.
///
/// # Source
/// PyTorch's `torch.optim.lr_scheduler`: `StepLR`, `MultiStepLR`, `ExponentialLR`, `ReduceLROnPlateau` (`mode="min"`), one step per
/// epoch; `CosineAnnealingLR`, `PolynomialLR`, `CosineAnnealingWarmRestarts`, `OneCycleLR` (without a cycle of the momentum), one step
/// per optimiser step.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    kind: Kind,
    lr: f64,
    steps_per_epoch: u64,
    warmup: u64,
    /// Steps of all epochs.
    total: u64,
}

/// The factor on the learning rate.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Constant,
    /// `gamma` for each of these epochs that is over.
    Falls {
        gamma: f64,
        falls: Falls,
    },
    Cosine,
    Polynomial {
        power: f64,
    },
    /// The steps of the first cosine, and the factor on the length of each further one.
    Restarts {
        first: u64,
        factor: u64,
    },
    /// The fraction of all steps over which the rate rises.
    OneCycle {
        rise: f64,
    },
    Piecewise(Points),
    /// The steps of the decay at the end.
    Wsd {
        decay: u64,
    },
    /// `gamma` for each plateau so far; epochs to wait.
    Plateau {
        gamma: f64,
        patience: u32,
        plateaus: i32,
    },
}

/// The epochs after which the rate falls.
#[derive(Clone, Debug, PartialEq)]
enum Falls {
    Every(u64),
    After(Vec<u64>),
}

/// The smallest decrease of the test loss that ends a plateau, relative to the lowest: PyTorch's.
const THRESHOLD: f64 = 1e-4;

/// `OneCycleLR`'s `div_factor` and `final_div_factor`.
const START: f64 = 25.0;
const END: f64 = 1e4;

impl Schedule {
    /// The schedule of a configuration.
    pub fn new(config: &TrainConfig, steps_per_epoch: u64) -> Self {
        let steps_per_epoch = steps_per_epoch.max(1);
        let steps = |epochs: f64| (epochs * steps_per_epoch as f64).round() as u64;
        let gamma = config.lr_gamma;
        let every = |epochs: u32| Kind::Falls { gamma, falls: Falls::Every(epochs.into()) };
        let kind = match config.lr_scheduler {
            LrScheduler::Constant => Kind::Constant,
            LrScheduler::Step => every(config.lr_step_size),
            LrScheduler::Exponential => every(1),
            LrScheduler::Multistep => {
                let epochs = config.lr_milestones.iter().map(|&epoch| epoch.into()).collect();
                Kind::Falls { gamma, falls: Falls::After(epochs) }
            }
            LrScheduler::Cosine => Kind::Cosine,
            LrScheduler::Polynomial => Kind::Polynomial { power: config.lr_power },
            LrScheduler::Restarts => Kind::Restarts {
                first: u64::from(config.lr_restart_epochs) * steps_per_epoch,
                factor: config.lr_restart_factor.into(),
            },
            LrScheduler::Onecycle => Kind::OneCycle { rise: config.lr_rise },
            LrScheduler::Piecewise => Kind::Piecewise(config.lr_points.clone().unwrap_or_default()),
            LrScheduler::Wsd => Kind::Wsd { decay: steps(config.lr_decay_epochs()) },
            LrScheduler::Plateau => Kind::Plateau { gamma, patience: config.lr_patience, plateaus: 0 },
        };
        Self {
            kind,
            lr: config.lr,
            steps_per_epoch,
            warmup: steps(config.lr_warmup_epochs),
            total: u64::from(config.epochs) * steps_per_epoch,
        }
    }

    /// Counts the plateaus of the epochs so far: each time the test loss has not fallen for more than `lr_patience` epochs.
    pub(super) fn observe(&mut self, history: &[Row]) {
        let Kind::Plateau { patience, plateaus, .. } = &mut self.kind else { return };
        let (mut lowest, mut bad, mut count) = (f64::INFINITY, 0, 0);
        // An epoch that `--steps` cut short will be trained to its end.
        let whole = |row: &&Row| row.step == u64::from(row.epoch) * self.steps_per_epoch;
        for row in history.iter().filter(whole) {
            if row.test_loss < lowest * (1.0 - THRESHOLD) {
                (lowest, bad) = (row.test_loss, 0);
            } else {
                bad += 1;
            }
            if bad > *patience {
                (count, bad) = (count + 1, 0);
            }
        }
        *plateaus = count;
    }

    /// Whether a step, counted from 1, is in the first epoch.
    pub fn in_first_epoch(&self, step: u64) -> bool {
        step <= self.steps_per_epoch
    }

    /// The learning rate of an optimiser step, counted from 1.
    pub fn rate(&self, step: u64) -> f64 {
        let before = step.saturating_sub(1);
        let rise = ((before + 1) as f64 / (self.warmup + 1) as f64).min(1.0);
        let epoch = before / self.steps_per_epoch;
        // After the warm-up: steps so far, and the length of the schedule.
        let length = self.total.saturating_sub(self.warmup).max(1);
        let done = before.saturating_sub(self.warmup);
        let factor = match &self.kind {
            Kind::Constant => 1.0,
            Kind::Falls { gamma, falls: Falls::Every(epochs) } => power(*gamma, epoch / epochs),
            Kind::Falls { gamma, falls: Falls::After(epochs) } => {
                power(*gamma, epochs.iter().filter(|&&over| over <= epoch).count() as u64)
            }
            Kind::Cosine => between(1.0, 0.0, done.min(length) as f64, length as f64),
            Kind::Polynomial { power } => (1.0 - done.min(length) as f64 / length as f64).powf(*power),
            Kind::Restarts { first, factor } => {
                let (done, length) = in_cycle(done, (*first).max(1), *factor);
                between(1.0, 0.0, done as f64, length as f64)
            }
            Kind::OneCycle { rise } => one_cycle(before, self.total, *rise),
            Kind::Piecewise(points) => points.at(before as f64 / self.steps_per_epoch as f64),
            Kind::Wsd { decay } => {
                (self.total.saturating_sub(before) as f64 / (*decay).max(1) as f64).min(1.0)
            }
            Kind::Plateau { gamma, plateaus, .. } => gamma.powi(*plateaus),
        };
        self.lr * rise * factor
    }
}

fn power(gamma: f64, falls: u64) -> f64 {
    gamma.powi(i32::try_from(falls).unwrap_or(i32::MAX))
}

/// From one value to another along half a cosine of this length.
fn between(from: f64, to: f64, done: f64, length: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * done / length).cos())
}

/// The steps done in the running cycle, and its length.
fn in_cycle(done: u64, first: u64, factor: u64) -> (u64, u64) {
    if factor == 1 {
        return (done % first, first);
    }
    let (mut start, mut length) = (0u64, first);
    while done - start >= length {
        start += length;
        length = length.saturating_mul(factor);
    }
    (done - start, length)
}

/// The factor of `OneCycleLR` with cosines: from `1 / START` to 1 over the fraction `rise` of all steps, then to `1 / (START * END)`.
fn one_cycle(before: u64, total: u64, rise: f64) -> f64 {
    let (top, last) = (rise * total as f64 - 1.0, total.saturating_sub(1) as f64);
    let at = (before as f64).min(last);
    if at <= top {
        between(1.0 / START, 1.0, at, top.max(f64::MIN_POSITIVE))
    } else {
        between(1.0, 1.0 / START / END, at - top, last - top)
    }
}

#[cfg(test)]
mod tests;
