//! How [`Metrics`] is checked.

use super::Metrics;
use crate::verify::{
    Tolerance,
    check::{Check, EPSILON, Inputs, Tolerances, labels, late, normal, softmax},
};

impl Check for Metrics {
    fn cases() -> Vec<Self> {
        [[1, 2], [7, 10], [200, 33]].map(|[n, classes]| Self { n, classes }).into()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.control = late(self.n);
        data.probs = softmax(normal("probs", self.n * self.classes), self.classes);
        data.labels = labels(self.n, self.classes);
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.metrics = Tolerance::sum(EPSILON, self.n, 2.0);
    }
}
