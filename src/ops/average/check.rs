//! How [`Average`] is checked.

use super::Average;
use crate::verify::{
    check::{Check, Inputs, Tolerances, halve, roundings},
    shapes::LENGTHS,
};

impl Check for Average {
    fn cases() -> Vec<Self> {
        LENGTHS.map(|len| Self { len, decay: 0.9 }).into()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        // The first step at one length.
        if self.len == 257 {
            data.control.step = 1;
        }
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.average = roundings(4.0, 50.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
