//! How [`Lion`] is checked.

use super::Lion;
use crate::{
    ops::LossScale,
    verify::{
        check::{Check, Inputs, Tolerances, halve, roundings, zeros},
        shapes::LENGTHS,
    },
};

impl Check for Lion {
    fn cases() -> Vec<Self> {
        let rules = |len| {
            let lion = Lion { len, beta1: 0.9, beta2: 0.99, weight_decay: 0.1, scaled: false, sparse: false };
            let sparse = Lion { sparse: true, ..lion };
            [Lion { weight_decay: 0.0, ..lion }, lion, Lion { scaled: true, ..lion }, sparse]
        };
        LENGTHS.into_iter().flat_map(rules).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        // For one length the step is skipped; and a direction of exactly 0.
        data.loss_scale = self.scaled.then(|| LossScale::sample(self.len != 255));
        (data.gradient[0], data.m[0]) = (0.0, 0.0);
        zeros(&mut data.parameter);
    }

    /// A few products and sums, the largest with the outlier of 50. No direction of these inputs is small enough for rounding to
    /// change its sign.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let all = roundings(8.0, 50.0);
        (results.parameter, results.m) = (all, all);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
