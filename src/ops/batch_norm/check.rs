//! How batch normalisation is checked.

use super::{
    BatchNormAffine, BatchNormGradAffine, BatchNormGradInput, BatchNormGradStatistics, BatchNormNormalize,
    BatchNormRunning, BatchNormStatistics,
};
use crate::{
    ops::{Activation, activations},
    verify::{
        Tolerance,
        check::{
            Check, EPSILON, Inputs, Tolerances, affine, affine_of, few_digits, halve, normal, positive,
            roundings,
        },
        shapes::COLUMNS,
    },
};

/// The mean of every fifth channel: large, so that it must not cancel.
const LARGE_MEAN: f32 = 1000.0;

/// Every fifth channel has a large mean, another is constant, a third has an outlier.
fn hard_columns(name: &str, rows: usize, channels: usize) -> Vec<f32> {
    let mut values = normal(name, rows * channels);
    for (i, v) in values.iter_mut().enumerate() {
        match i % channels % 5 {
            1 => *v += LARGE_MEAN,
            2 => *v = 3.25,
            3 if i / channels == 2 => *v = 500.0,
            _ => {}
        }
    }
    values
}

fn of_columns<T>(make: impl Fn(usize, usize) -> T) -> impl Iterator<Item = T> {
    COLUMNS.into_iter().map(move |[rows, channels]| make(rows, channels))
}

impl Check for BatchNormStatistics {
    fn cases() -> Vec<Self> {
        let cases = |rows_before| of_columns(move |rows, channels| Self { rows, channels, rows_before });
        [0, 100].into_iter().flat_map(cases).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = hard_columns("input", self.rows, self.channels);
        data.batch_var = positive("batch_var", self.channels);
    }

    /// Means near 1000 and an outlier of 500: each value is exact, each merged mean is rounded a few times, and the mean's
    /// error enters the variance times the deviation.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.batch_mean = roundings(16.0, 10.0);
        results.batch_var = roundings(64.0, 1000.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { rows: halve(self.rows)?, ..*self })
    }
}

impl Check for BatchNormRunning {
    fn cases() -> Vec<Self> {
        of_columns(|rows, channels| Self { rows, channels, momentum: 0.1, unbiased: channels % 2 == 0 })
            .collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.batch_var = positive("batch_var", self.channels);
        data.running_var = positive("running_var", self.channels);
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let all = roundings(4.0, 1.0);
        (results.running_mean, results.running_var) = (all, all);
    }
}

impl Check for BatchNormAffine {
    fn cases() -> Vec<Self> {
        of_columns(|_, channels| Self { channels, eps: 1e-5 }).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.mean = normal("mean", self.channels);
        data.mean.iter_mut().skip(1).step_by(5).for_each(|v| *v += LARGE_MEAN);
        data.variance = positive("variance", self.channels);
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.affine = roundings(4.0, 1.0);
    }
}

impl Check for BatchNormNormalize {
    fn cases() -> Vec<Self> {
        let cases =
            |activation| of_columns(move |rows, channels| Self { rows, channels, activation, images: None });
        let batches = [None].into_iter().chain(Activation::EACH.map(Some)).flat_map(cases);
        let by_image = [[1, 7, 3], [3, 49, 8], [5, 1, 12], [2, 785, 64]].into_iter().zip(Activation::EACH);
        let by_image = by_image.map(|([images, pixels, channels], activation)| Self {
            rows: images * pixels,
            channels,
            activation: Some(activation),
            images: Some(images),
        });
        batches.chain(by_image).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = hard_columns("input", self.rows, self.channels);
        data.affine = affine_of("affine", self.images, self.channels, LARGE_MEAN);
    }

    /// `x - mean` is exact to eps * 1000, the scale at most 3 / sqrt(0.05), the outlier 500 times that.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = roundings(8.0, 14.0 * 50.0);
    }

    fn halved(&self) -> Option<Self> {
        if self.images.is_some() {
            return None;
        }
        Some(Self { rows: halve(self.rows)?, ..*self })
    }
}

/// Without an activation and with each.
fn with_activations() -> impl Iterator<Item = Option<Activation>> {
    [None].into_iter().chain(activations().map(Some))
}

/// An input whose normalised values are exact, zeros among them.
fn exact_columns(rows: usize, channels: usize) -> Vec<f32> {
    let mut values = hard_columns("input", rows, channels);
    few_digits(&mut values, 64.0);
    values
}

impl Check for BatchNormGradStatistics {
    fn cases() -> Vec<Self> {
        let case =
            |activation, rows, channels| Self { rows, channels, activation, accumulate: rows % 2 == 0 };
        let cases = |activation| of_columns(move |rows, channels| case(activation, rows, channels));
        with_activations().flat_map(cases).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = exact_columns(self.rows, self.channels);
        data.affine = affine("affine", [4, self.channels], LARGE_MEAN);
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let sums = Tolerance::sum(EPSILON, self.rows, 10.0 + 100_000.0 / self.rows as f64);
        (results.grad_gamma, results.grad_beta) = (sums, sums);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { rows: halve(self.rows)?, ..*self })
    }
}

impl Check for BatchNormGradAffine {
    fn cases() -> Vec<Self> {
        of_columns(|rows, channels| Self { channels, total_rows: rows, bias: rows % 2 == 0 }).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.affine = affine("affine", [4, self.channels], LARGE_MEAN);
    }

    /// One product more than in `affine`, and the scale up to 4.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_affine = roundings(8.0, 4.0);
        results.grad_bias = results.grad_bias.map(|_| roundings(8.0, 4.0));
    }
}

impl Check for BatchNormGradInput {
    fn cases() -> Vec<Self> {
        let cases = |activation| of_columns(move |rows, channels| Self { rows, channels, activation });
        with_activations().flat_map(cases).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = exact_columns(self.rows, self.channels);
        data.grad_affine = affine("grad_affine", [5, self.channels], LARGE_MEAN);
    }

    /// The distance from the mean is exact; scale, slope and shift are at most 4, the outlier 500.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_input = roundings(4.0, 4.0 * 500.0 + 4.0 * 50.0);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { rows: halve(self.rows)?, ..*self })
    }
}
