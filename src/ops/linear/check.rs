//! How fully connected layers are checked.

use super::{Linear, LinearGradInput, LinearGradWeight, LinearUpdate};
use crate::{
    ops::Adam,
    verify::{
        Tolerance,
        check::{Check, EPSILON, Inputs, Tolerances, halve, positive, roundings, zeros},
    },
};

/// Images, inputs, outputs.
const WHOLE: [[usize; 3]; 10] = [
    [1, 1, 1],
    [1, 4, 3],
    [5, 7, 10],
    [3, 128, 10],
    [16, 512, 64],
    [9, 36, 72],
    [64, 100, 24],
    [2, 2052, 8],
    [33, 96, 32],
    [6, 16, 6],
];

/// A slice of features: images, inputs, outputs, first, total.
const SLICES: [[usize; 5]; 3] = [[3, 20, 64, 64, 192], [2, 12, 7, 9, 16], [9, 8, 8, 0, 72]];

/// A sum of products of normal values, one of them the product of two outliers.
fn sum(terms: usize) -> Tolerance {
    Tolerance::sum(EPSILON, terms, 1.0 + 2500.0 / terms as f64)
}

impl Check for Linear {
    fn cases() -> Vec<Self> {
        let whole = WHOLE.map(|[n, inputs, outputs]| Self::whole(n, inputs, outputs));
        let slices =
            SLICES.map(|[n, inputs, outputs, first, total]| Self { n, inputs, outputs, first, total });
        whole.into_iter().chain(slices).collect()
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = sum(self.inputs);
    }

    /// Fewer images, then fewer inputs.
    fn halved(&self) -> Option<Self> {
        match halve(self.n) {
            Some(n) => Some(Self { n, ..*self }),
            None => Some(Self { inputs: halve(self.inputs)?, ..*self }),
        }
    }
}

impl Check for LinearGradInput {
    fn cases() -> Vec<Self> {
        Linear::cases().into_iter().map(Self).collect()
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_input = sum(self.0.outputs);
    }

    fn halved(&self) -> Option<Self> {
        self.0.halved().map(Self)
    }
}

impl Check for LinearGradWeight {
    fn cases() -> Vec<Self> {
        Linear::cases().into_iter().map(Self).collect()
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_weight = sum(self.0.n);
    }

    fn halved(&self) -> Option<Self> {
        self.0.halved().map(Self)
    }
}

impl Check for LinearUpdate {
    fn cases() -> Vec<Self> {
        let case = |linear: Linear| {
            let weight_decay = if linear.n.is_multiple_of(2) { 0.0 } else { 0.01 };
            let sparse = linear.inputs.is_multiple_of(2);
            Self { linear, adam: Adam { weight_decay, sparse, ..Adam::DEFAULT } }
        };
        Linear::cases().into_iter().map(case).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.v = positive("v", data.v.len());
        zeros(&mut data.parameter);
    }

    /// The gradient, of up to about 2500, has the tolerance of the weights' gradient. A tenth of its error enters the first
    /// moment, 0.001 times twice the gradient enters the second. The parameter's step is 0.0019 times the first moment over a
    /// root of at least 2.6; if the gradient dominates the root, the step of at most 0.0005 has the gradient's relative error.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let gradient = sum(self.linear.n);
        let error = gradient.absolute + gradient.relative * 3000.0;
        let step = roundings(8.0, 1.0);
        let with = |share: f64| Tolerance { absolute: step.absolute + share * error, ..step };
        results.m = with(0.1);
        results.v = with(0.001 * 2.0 * 3000.0);
        results.parameter = with(0.001);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { linear: self.linear.halved()?, ..*self })
    }
}
