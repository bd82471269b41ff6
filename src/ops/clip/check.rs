//! How clipping is checked.

use super::{ClipGradient, SquareSum};
use crate::{
    ops::LossScale,
    verify::{
        check::{Check, Inputs, Tolerances, halve, roundings},
        shapes::{LENGTHS, LONG},
    },
};

impl Check for SquareSum {
    /// The last takes the most workgroups, each invocation more than one value.
    fn cases() -> Vec<Self> {
        let lengths = LENGTHS.into_iter().chain([LONG]);
        lengths.map(|len| Self { len, accumulate: len % 2 == 0 }).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.squares.fill(81.0);
    }

    /// All terms are positive.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.squares = roundings(32.0, 0.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}

impl Check for ClipGradient {
    /// Below and above the norm, which is 9.
    fn cases() -> Vec<Self> {
        let norms = [(4.5, false), (0.01, true), (20.0, false), (20.0, true)];
        let cases = |len| norms.map(|(max_norm, scaled)| Self { len, max_norm, scaled });
        LENGTHS.into_iter().flat_map(cases).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.squares.fill(81.0);
        data.loss_scale = self.scaled.then(|| LossScale::sample(true));
    }

    /// A root, a quotient and a product.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.gradient = roundings(6.0, 0.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
