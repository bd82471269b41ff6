//! How [`Accumulate`] is checked.

use super::Accumulate;
use crate::verify::{
    check::{Check, Inputs, Tolerances, halve, roundings},
    shapes::LENGTHS,
};

impl Check for Accumulate {
    fn cases() -> Vec<Self> {
        LENGTHS.map(|len| Self { len }).into()
    }

    /// The first batch at one length.
    fn inputs(&self, data: &mut Inputs<Self>) {
        data.control.share = 0.3;
        data.control.first = u32::from(self.len == 257);
    }

    /// A product and a sum of terms of at most 8.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.mean = roundings(2.0, 16.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)? })
    }
}
