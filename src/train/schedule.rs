//! The learning rate as a pure function of the step.

use std::f64::consts::PI;

use super::config::{LrScheduler, TrainConfig};

/// The learning rate of every step of a run.
///
/// Over the first `w = lr_warmup_epochs * steps_per_epoch` steps (rounded) the rate rises linearly: step `t` (from 1) has
/// the factor `t / (w + 1)`. `constant`, `step` and `multistep` are multiplied by that factor; `cosine` starts after the
/// warm-up and ends with the last epoch, whatever `--steps` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    kind: LrScheduler,
    lr: f64,
    gamma: f64,
    step_size: u64,
    milestones: Vec<u64>,
    steps_per_epoch: u64,
    warmup: u64,
    total: u64,
}

impl Schedule {
    /// The schedule of a configuration.
    pub fn new(config: &TrainConfig, steps_per_epoch: u64) -> Self {
        Self {
            kind: config.lr_scheduler,
            lr: config.lr,
            gamma: config.lr_gamma,
            step_size: u64::from(config.lr_step_size),
            milestones: config.lr_milestones.iter().map(|&epoch| epoch.into()).collect(),
            steps_per_epoch: steps_per_epoch.max(1),
            warmup: (config.lr_warmup_epochs * steps_per_epoch as f64).round() as u64,
            total: u64::from(config.epochs) * steps_per_epoch,
        }
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
        let after = |falls: u64| self.gamma.powi(i32::try_from(falls).unwrap_or(i32::MAX));
        let factor = match self.kind {
            LrScheduler::Constant => 1.0,
            LrScheduler::Step => after(epoch / self.step_size),
            LrScheduler::Multistep => after(self.milestones.iter().filter(|&&m| m <= epoch).count() as u64),
            LrScheduler::Cosine => {
                let length = self.total.saturating_sub(self.warmup).max(1);
                let done = before.saturating_sub(self.warmup).min(length);
                0.5 * (1.0 + (PI * done as f64 / length as f64).cos())
            }
        };
        self.lr * rise * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_rates(config: &TrainConfig, steps_per_epoch: u64, expected: &[f64]) {
        let schedule = Schedule::new(config, steps_per_epoch);
        for (index, expected) in expected.iter().enumerate() {
            let rate = schedule.rate(index as u64 + 1);
            // PyTorch computes the cosine recursively, with a few roundings per step; the rates here are below 1e-2.
            let error = (rate - expected).abs();
            assert!(error <= 1e-15, "step {}: {rate}, expected {expected}", index + 1);
        }
    }

    // The expected values are those of PyTorch 2.15, printed before each `optimizer.step(); scheduler.step()`:
    //     optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)

    /// `StepLR(optimizer, 2, 0.1)`, one step per epoch.
    #[test]
    fn step_is_pytorchs() {
        let config = TrainConfig { lr_scheduler: LrScheduler::Step, ..TrainConfig::default() };
        let rates = [0.001, 0.001, 0.0001, 0.0001, 1e-05, 1e-05, 1.0000000000000002e-06];
        assert_rates(&config, 1, &rates);
        let thrice: Vec<f64> = rates.iter().flat_map(|&rate| [rate; 3]).collect();
        assert_rates(&config, 3, &thrice);
    }

    /// `CosineAnnealingLR(optimizer, T_max=10)`: here 2 epochs of 5 steps.
    #[test]
    fn cosine_is_pytorchs() {
        let config = TrainConfig { lr_scheduler: LrScheduler::Cosine, epochs: 2, ..TrainConfig::default() };
        let rates = [
            0.001,
            0.0009755282581475768,
            0.0009045084971874736,
            0.0007938926261462366,
            0.0006545084971874737,
            0.0005,
            0.00034549150281252633,
            0.0002061073738537635,
            9.549150281252634e-05,
            2.4471741852423235e-05,
        ];
        assert_rates(&config, 5, &rates);
        let schedule = Schedule::new(&config, 5);
        assert_eq!((schedule.rate(11), schedule.rate(u64::MAX)), (0.0, 0.0));
    }

    /// `SequentialLR(optimizer, [LinearLR(optimizer, start_factor=0.25, total_iters=3),
    /// CosineAnnealingLR(optimizer, T_max=6)], milestones=[3])`: 3 epochs of 3 steps, the first of them warm-up.
    #[test]
    fn warmup_and_cosine_are_pytorchs() {
        let config = TrainConfig {
            lr_scheduler: LrScheduler::Cosine,
            epochs: 3,
            lr_warmup_epochs: 1.0,
            ..TrainConfig::default()
        };
        let rates = [
            0.00025,
            0.0005,
            0.00075,
            0.001,
            0.0009330127018922195,
            0.0007500000000000001,
            0.0005,
            0.0002500000000000001,
            6.698729810778065e-05,
            0.0,
        ];
        assert_rates(&config, 3, &rates);
    }

    /// `ChainedScheduler([LinearLR(optimizer, start_factor=0.25, total_iters=3), StepLR(optimizer, 2, 0.1)])`.
    #[test]
    fn warmup_multiplies_the_others() {
        let config =
            TrainConfig { lr_scheduler: LrScheduler::Step, lr_warmup_epochs: 3.0, ..TrainConfig::default() };
        assert_rates(&config, 1, &[0.00025, 0.0005, 0.000075, 0.0001, 0.00001]);
        let config = TrainConfig { lr_warmup_epochs: 0.5, ..TrainConfig::default() };
        // Half an epoch of 6 steps.
        assert_rates(&config, 6, &[0.00025, 0.0005, 0.00075, 0.001, 0.001]);
    }

    #[test]
    fn extremes_stay_finite() {
        let config = TrainConfig {
            lr_scheduler: LrScheduler::Cosine,
            epochs: 100_000,
            lr_warmup_epochs: 1e5,
            ..TrainConfig::default()
        };
        let schedule = Schedule::new(&config, 60_000);
        for step in [0, 1, 6_000_000_000, u64::MAX] {
            assert!(schedule.rate(step).is_finite());
        }
    }
}
