//! How [`Adam`] is checked.

use super::Adam;
use crate::{
    ops::LossScale,
    verify::{
        check::{Check, Inputs, Tolerances, halve, positive, roundings, zeros},
        shapes::LENGTHS,
    },
};

impl Check for Adam {
    fn cases() -> Vec<Self> {
        let rules = |len| {
            let adam = Adam { len, weight_decay: 0.01, ..Adam::DEFAULT };
            [
                Adam { weight_decay: 0.0, ..adam },
                adam,
                Adam { decoupled: true, weight_decay: 0.5, ..adam },
                Adam { scaled: true, ..adam },
                Adam { scaled: true, decoupled: true, ..adam },
                Adam { sparse: true, ..adam },
            ]
        };
        LENGTHS.into_iter().flat_map(rules).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.v = positive("v", self.len);
        zeros(&mut data.parameter);
        // For one length the step is skipped.
        data.loss_scale = self.scaled.then(|| LossScale::sample(self.len != 255));
    }

    /// The parameter moves by `learning_rate / sqrt(correction2)` at most some tens of times.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let all = roundings(8.0, 1.0);
        (results.parameter, results.m, results.v) = (all, all, all);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
