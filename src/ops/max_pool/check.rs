//! How max-pooling and its gradient are checked.

use super::{MaxPool, MaxPoolForward, MaxPoolGrad};
use crate::{
    ops::{Activation, GradStatistics, PAPER_RELU, RELU, other_activations},
    verify::{
        Tolerance,
        check::{
            Check, EPSILON, Inputs, Tolerances, affine_of, halve, normal, roundings, special, whole_numbers,
        },
    },
};

const POOLS: [MaxPool; 8] = [
    MaxPool { n: 2, h: 28, w: 28, c: 16, kernel: 2, stride: [2, 2] },
    MaxPool { n: 3, h: 7, w: 7, c: 12, kernel: 2, stride: [2, 2] },
    MaxPool { n: 2, h: 3, w: 3, c: 8, kernel: 2, stride: [1, 1] },
    MaxPool { n: 1, h: 2, w: 5, c: 3, kernel: 2, stride: [1, 2] },
    MaxPool { n: 2, h: 9, w: 6, c: 5, kernel: 3, stride: [2, 1] },
    MaxPool { n: 1, h: 8, w: 8, c: 4, kernel: 2, stride: [3, 3] },
    MaxPool { n: 1, h: 2, w: 2, c: 1, kernel: 2, stride: [2, 2] },
    MaxPool { n: 2, h: 11, w: 9, c: 6, kernel: 3, stride: [3, 3] },
];

/// The mean of every fifth channel: large, so that it must not cancel.
const LARGE_MEAN: f32 = 1000.0;

/// Ties, around the large means of [`affine`].
fn input(pool: &MaxPool) -> Vec<f32> {
    let mut values = normal("input", pool.n * pool.h * pool.w * pool.c);
    whole_numbers(&mut values);
    let large = |(at, _): &(usize, &mut f32)| at % pool.c % 5 == 1;
    values.iter_mut().enumerate().filter(large).for_each(|(_, v)| *v += LARGE_MEAN);
    values
}

impl Check for MaxPoolForward {
    fn cases() -> Vec<Self> {
        let cases = |pool| {
            [(None, false), (Some(RELU), false), (Some(RELU), true)].map(|(normalized, by_image)| Self {
                pool,
                normalized,
                by_image,
            })
        };
        let others = POOLS.into_iter().zip(other_activations().cycle());
        let others =
            others.map(|(pool, activation)| Self { pool, normalized: Some(activation), by_image: false });
        POOLS.into_iter().flat_map(cases).chain(others).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = input(&self.pool);
        if self.normalized.is_none_or(Activation::straight) {
            special(&mut data.input);
        }
        let images = self.by_image.then_some(self.pool.n);
        data.affine = self.normalized.map(|_| affine_of("affine", images, self.pool.c, LARGE_MEAN));
    }

    /// Inputs and the vectors of `affine` have few digits, so that batch norm is exact.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = self.normalized.map_or(Tolerance::EXACT, Activation::tolerance);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { pool: MaxPool { n: halve(self.pool.n)?, ..self.pool }, ..*self })
    }
}

impl Check for MaxPoolGrad {
    fn cases() -> Vec<Self> {
        let (relu, grad) = (Some(RELU), |pool, normalized, statistics| Self {
            pool,
            normalized,
            by_image: false,
            statistics,
        });
        let mut cases: Vec<_> =
            POOLS.into_iter().flat_map(|pool| [grad(pool, None, None), grad(pool, relu, None)]).collect();
        cases.extend(POOLS.map(|pool| Self { by_image: true, ..grad(pool, relu, None) }));
        // More channels, and more chunks than a workgroup adds at once.
        let more = [[3, 10, 14, 67], [2, 9, 4, 256], [5, 119, 121, 8]];
        let more = more.map(|[n, h, w, c]| MaxPool { n, h, w, c, kernel: 2, stride: [2, 2] });
        for (at, pool) in POOLS.into_iter().chain(more).filter(MaxPool::disjoint).enumerate() {
            let activation = [PAPER_RELU, RELU][at % 2];
            let statistics = [false, true].map(|accumulate| GradStatistics { activation, accumulate });
            cases.extend(statistics.map(|statistics| grad(pool, Some(activation), Some(statistics))));
        }
        for (pool, activation) in POOLS.into_iter().filter(MaxPool::disjoint).zip(other_activations()) {
            let statistics = Some(GradStatistics { activation, accumulate: false });
            cases.extend([None, statistics].map(|statistics| grad(pool, Some(activation), statistics)));
        }
        cases
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = input(&self.pool);
        // Non-finite terms would make the sums non-finite.
        if self.statistics.is_none() && self.normalized.is_none_or(Activation::straight) {
            special(&mut data.input);
        }
        let images = self.by_image.then_some(self.pool.n);
        data.affine = self.normalized.map(|_| affine_of("affine", images, self.pool.c, LARGE_MEAN));
    }

    /// The sum of at most four gradients. Each term of the sums is the product of a gradient, a distance of about 3 from the mean
    /// and an inverse deviation; the outliers are 50, 12 and 4. Slopes of GELU and SiLU are off by up to eight roundings more.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let [p, q] = self.pool.output_size();
        let windows = self.pool.n * p * q;
        let straight = self.statistics.is_none_or(|statistics| statistics.activation.straight());
        let roundings_of_slopes = if straight { 1.0 } else { 3.0 };
        let sums = Tolerance::sum(EPSILON, windows, roundings_of_slopes * (3.0 + 2400.0 / windows as f64));
        results.grad_input = roundings(4.0, 4.0);
        results.grad_gamma = results.grad_gamma.map(|_| sums);
        results.grad_beta = results.grad_beta.map(|_| sums);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { pool: MaxPool { n: halve(self.pool.n)?, ..self.pool }, ..*self })
    }
}
