//! How the loss and its gradient are checked.

use super::{CrossEntropy, CrossEntropyGrad};
use crate::{
    ops::mix::check::mixes,
    verify::{
        Tolerance,
        check::{Check, EPSILON, Inputs, Tolerances, labels, late, normal, roundings, softmax},
    },
};

/// Images and classes.
const SHAPES: [[usize; 2]; 5] = [[1, 2], [7, 10], [3, 1000], [65, 67], [1, 65_536]];
/// Label smoothing, whether targets are shared, and the factor on logits.
const TARGETS: [(f32, bool, f32); 3] = [(0.0, false, 1.0), (0.1, false, 0.111), (0.2, true, 1.0)];

impl Check for CrossEntropy {
    fn cases() -> Vec<Self> {
        let cases = |(label_smoothing, mixed, logit_scale)| {
            SHAPES.map(|[n, classes]| Self { n, classes, label_smoothing, mixed, logit_scale })
        };
        TARGETS.into_iter().flat_map(cases).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        let logits = normal("logits", self.n * self.classes).into_iter().enumerate();
        data.logits = logits.map(|(i, v)| v * 5.0 + 300.0 * (i % 3) as f32).collect();
        data.labels = labels(self.n, self.classes);
        data.mixes = self.mixed.then(|| mixes(self.n));
    }

    /// `exp` of a difference of up to 600 has a relative error of 600 eps if it is not 0.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let all = Tolerance { absolute: 600.0 * EPSILON * 4.0, relative: 64.0 * EPSILON };
        (results.loss, results.probs) = (all, all);
    }
}

impl Check for CrossEntropyGrad {
    fn cases() -> Vec<Self> {
        let cases = |(label_smoothing, mixed, logit_scale)| {
            SHAPES.map(|[n, classes]| Self { n, classes, label_smoothing, mixed, logit_scale })
        };
        TARGETS.into_iter().flat_map(cases).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.control = late(self.n);
        data.probs = softmax(normal("probs", self.n * self.classes), self.classes);
        data.labels = labels(self.n, self.classes);
        data.mixes = self.mixed.then(|| mixes(self.n));
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_logits = roundings(4.0, 1.0);
    }
}
