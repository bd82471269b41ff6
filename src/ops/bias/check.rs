//! How [`GradBias`] is checked.

use super::GradBias;
use crate::verify::{
    Tolerance,
    check::{Check, EPSILON, Tolerances, halve},
    shapes::COLUMNS,
};

impl Check for GradBias {
    fn cases() -> Vec<Self> {
        COLUMNS.map(|[rows, channels]| Self { rows, channels, accumulate: rows % 2 == 0 }).into()
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_bias = Tolerance::sum(EPSILON, self.rows, 1.0 + 50.0 / self.rows as f64);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { rows: halve(self.rows)?, ..*self })
    }
}
