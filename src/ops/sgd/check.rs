//! How [`Sgd`] is checked.

use super::Sgd;
use crate::{
    ops::LossScale,
    verify::{
        check::{Check, Inputs, Tolerances, halve, roundings, zeros},
        shapes::LENGTHS,
    },
};

impl Check for Sgd {
    fn cases() -> Vec<Self> {
        let rules = |len| {
            let sgd =
                Sgd { len, momentum: 0.9, nesterov: false, weight_decay: 0.01, scaled: false, sparse: false };
            [
                Sgd { momentum: 0.0, weight_decay: 0.0, ..sgd },
                sgd,
                Sgd { nesterov: true, ..sgd },
                Sgd { momentum: 0.0, scaled: true, ..sgd },
                Sgd { scaled: true, ..sgd },
                Sgd { nesterov: true, scaled: true, ..sgd },
                Sgd { momentum: 0.0, sparse: true, ..sgd },
                Sgd { nesterov: true, sparse: true, ..sgd },
            ]
        };
        LENGTHS.into_iter().flat_map(rules).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        // For one length the step is skipped.
        data.loss_scale = self.scaled.then(|| LossScale::sample(self.len != 255));
        zeros(&mut data.parameter);
    }

    /// Sums of at most four terms, the largest the outlier of 50.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.parameter = roundings(8.0, 50.0);
        results.velocity = results.velocity.map(|_| roundings(8.0, 50.0));
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
