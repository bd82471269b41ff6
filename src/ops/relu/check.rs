//! How [`Relu`] and its gradient are checked.

use super::{Relu, ReluGrad};
use crate::verify::{
    check::{Check, Inputs, Tolerances, halve, roundings, ties},
    shapes::{LENGTHS, LONG},
};

impl Check for Relu {
    fn cases() -> Vec<Self> {
        LENGTHS.into_iter().chain([LONG]).map(|len| Self { len }).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = ties("input", self.len);
    }

    fn tolerances(&self, _: &mut Tolerances<Self>) {}

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)? })
    }
}

impl Check for ReluGrad {
    fn cases() -> Vec<Self> {
        [0.5, 0.0].into_iter().flat_map(|at_zero| LENGTHS.map(|len| Self { len, at_zero })).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = ties("input", self.len);
    }

    /// One product with a power of two.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_input = roundings(1.0, 0.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
