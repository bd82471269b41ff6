//! How [`L1Penalty`] is checked.

use super::L1Penalty;
use crate::{
    ops::LossScale,
    verify::{
        check::{Check, Inputs, Tolerances, halve, roundings},
        shapes::LENGTHS,
    },
};

impl Check for L1Penalty {
    fn cases() -> Vec<Self> {
        let cases = |len| [false, true].map(|scaled| Self { len, strength: 0.3, scaled });
        LENGTHS.into_iter().flat_map(cases).collect()
    }

    /// Every fifth parameter is exactly 0, of either sign.
    fn inputs(&self, data: &mut Inputs<Self>) {
        data.loss_scale = self.scaled.then(|| LossScale::sample(true));
        for (i, p) in data.parameter.iter_mut().enumerate().skip(2).step_by(5) {
            *p = if i % 2 == 0 { 0.0 } else { -0.0 };
        }
    }

    /// A sum with a term of at most 0.3 * 1024; the product with the scale is exact.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.gradient = roundings(1.0, if self.scaled { 308.0 } else { 0.3 });
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
