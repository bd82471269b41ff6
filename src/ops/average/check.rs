//! How [`Average`] is checked.

use super::Average;
use crate::verify::{
    check::{Check, Inputs, Tolerances, halve, roundings},
    shapes::LENGTHS,
};

impl Check for Average {
    /// At step 7 the warm-up is at 8 / 17: below one decay and above the other.
    fn cases() -> Vec<Self> {
        LENGTHS.into_iter().flat_map(|len| [0.9, 0.3].map(|decay| Self { len, decay })).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        // The first step at one length.
        if self.len == 257 {
            data.control.step = 1;
        }
    }

    /// Both weights are quotients, for which WGSL allows an error of 2.5 ULP each; then two products and their sum.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.average = roundings(8.0, 50.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
