//! How [`Dropout`] is checked.

use super::Dropout;
use crate::verify::{
    check::{Check, Tolerances, halve, roundings},
    shapes::LENGTHS,
};

impl Check for Dropout {
    fn cases() -> Vec<Self> {
        LENGTHS.map(|len| Self { len, offset: 4 * (len % 3), rate: 0.3, layer: 2 }).into()
    }

    /// One product.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = roundings(1.0, 0.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
