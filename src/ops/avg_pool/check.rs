//! How [`AvgPool`] and its gradient are checked.

use super::{AvgPool, AvgPoolGrad};
use crate::verify::check::{Check, Tolerances, halve, roundings};

/// Sizes that divide and sizes that do not, the identity, and outputs larger than the input.
const POOLS: [AvgPool; 7] = [
    AvgPool { n: 2, h: 7, w: 7, c: 16, output: [7, 7] },
    AvgPool { n: 3, h: 1, w: 1, c: 12, output: [7, 7] },
    AvgPool { n: 2, h: 14, w: 14, c: 8, output: [7, 7] },
    AvgPool { n: 1, h: 10, w: 3, c: 5, output: [7, 7] },
    AvgPool { n: 2, h: 9, w: 13, c: 3, output: [2, 5] },
    AvgPool { n: 1, h: 5, w: 4, c: 4, output: [1, 1] },
    AvgPool { n: 1, h: 2, w: 1, c: 1, output: [3, 1] },
];

impl Check for AvgPool {
    fn cases() -> Vec<Self> {
        POOLS.into()
    }

    /// A sum of normal values with an outlier of 50, divided by the number of terms.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = roundings(8.0, 50.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { n: halve(self.n)?, ..*self })
    }
}

impl Check for AvgPoolGrad {
    fn cases() -> Vec<Self> {
        POOLS.map(Self).into()
    }

    /// At most one share of each of up to nine windows, the outlier in one; more if the output is larger.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let AvgPool { h, w, output: [p, q], .. } = self.0;
        results.grad_input = roundings(16.0, 50.0 + (p * q / (h * w)) as f64);
    }

    fn halved(&self) -> Option<Self> {
        self.0.halved().map(Self)
    }
}
