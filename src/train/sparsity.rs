//! Weights that become 0 during training, and stay 0.

use super::config::{SparsitySchedule, TrainConfig};

/// Steps between two increases of the share of zeros.
const INTERVAL: u64 = 100;

/// The share of zeros among the weights of each layer, as a pure function of the step.
///
/// `cubic`: `s (1 - (1 - t / end)^3)` after step `t`, for multiples of [`INTERVAL`] and for `end`, three quarters of all epochs' steps.
///
/// # Source
/// Zhu and Gupta: "To prune, or not to prune" (2017), with 0 as the initial sparsity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sparsity {
    share: f64,
    end: u64,
}

impl Sparsity {
    pub fn new(config: &TrainConfig, steps_per_epoch: u64) -> Self {
        let all = u64::from(config.epochs) * steps_per_epoch;
        let end = match config.sparsity_schedule {
            SparsitySchedule::Cubic => (all * 3 / 4).max(1),
            SparsitySchedule::Constant => 0,
        };
        Self { share: config.sparsity, end }
    }

    /// The share to which the weights are pruned after a step; `None`: they are not pruned then.
    pub fn due(&self, step: u64) -> Option<f64> {
        let due = step <= self.end && (step.is_multiple_of(INTERVAL) || step == self.end);
        Some(self.after(step)).filter(|&share| due && share > 0.0)
    }

    /// The share of zeros after a step.
    pub fn after(&self, step: u64) -> f64 {
        if step >= self.end {
            return self.share;
        }
        let last = step - step % INTERVAL;
        self.share * (1.0 - (1.0 - last as f64 / self.end as f64).powi(3))
    }
}

/// The indices of the share of the values, rounded down, that have the smallest absolute values; the first of equals.
pub(super) fn smallest(values: &[f32], share: f64) -> Vec<usize> {
    let count = (share * values.len() as f64) as usize;
    if count == 0 {
        return Vec::new();
    }
    // The bits of positive floats are in their order.
    let size = |value: &f32| value.abs().to_bits();
    let mut sizes: Vec<u32> = values.iter().map(size).collect();
    let (_, &mut limit, _) = sizes.select_nth_unstable(count - 1);
    let mut equals = count - values.iter().filter(|value| size(value) < limit).count();
    let mut chosen = |value: &f32| {
        let equal = size(value) == limit && equals > 0;
        equals -= usize::from(equal);
        equal || size(value) < limit
    };
    (0..values.len()).filter(|&index| chosen(&values[index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_along_a_cubic_curve() {
        let config = TrainConfig { sparsity: 0.8, epochs: 4, ..TrainConfig::default() };
        let sparsity = Sparsity::new(&config, 150);
        // The end is step 450: t = 0, 2/9, 4/9, 6/9, 8/9 and 1.
        let shares = [0.0, 0.4235939643, 0.6628257887, 0.7703703704, 0.7989026063, 0.8];
        for (step, share) in [0, 100, 200, 300, 400, 450].into_iter().zip(shares) {
            assert!((sparsity.after(step) - share).abs() < 1e-9, "{step}: {}", sparsity.after(step));
            assert_eq!(sparsity.due(step).is_some(), step > 0, "{step}");
        }
        assert_eq!((sparsity.after(299), sparsity.after(449)), (sparsity.after(200), sparsity.after(400)));
        for step in [1, 99, 449, 451, 500, 600] {
            assert_eq!(sparsity.due(step), None, "{step}");
        }
        assert_eq!(sparsity.after(600), 0.8);
        let constant = TrainConfig { sparsity_schedule: SparsitySchedule::Constant, ..config.clone() };
        let constant = Sparsity::new(&constant, 150);
        assert_eq!((constant.due(0), constant.due(100), constant.after(0)), (Some(0.8), None, 0.8));
        let none = Sparsity::new(&TrainConfig { sparsity: 0.0, ..config }, 150);
        assert_eq!((none.due(0), none.due(100), none.due(450), none.after(450)), (None, None, None, 0.0));
        // A run too short for the interval still ends with all zeros.
        let short = Sparsity::new(&TrainConfig { sparsity: 0.5, epochs: 1, ..TrainConfig::default() }, 1);
        assert_eq!((short.due(0), short.due(1)), (None, Some(0.5)));
    }

    #[test]
    fn the_smallest_are_chosen_and_the_first_of_equals() {
        let values = [0.5, -0.25, 0.25, -0.0, 1.0, 0.25, -2.0, f32::NAN];
        assert_eq!(smallest(&values, 0.0), [0; 0]);
        assert_eq!(smallest(&values, 0.124), [0; 0]);
        assert_eq!(smallest(&values, 0.125), [3]);
        assert_eq!(smallest(&values, 0.375), [1, 2, 3]);
        assert_eq!(smallest(&values, 0.5), [1, 2, 3, 5]);
        assert_eq!(smallest(&values, 0.99), [0, 1, 2, 3, 4, 5, 6]);
    }
}
