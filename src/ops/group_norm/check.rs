//! How group normalisation is checked.

use super::{GroupNorm, GroupNormAffine, GroupNormGrad};
use crate::{
    ops::{Activation, activations},
    verify::{
        Tolerance,
        check::{Check, EPSILON, Inputs, OUTLIER, Tolerances, few_digits, halve, normal, roundings},
    },
};

/// Images, pixels, channels and groups: one set for each image, for each channel, for each pixel, and in between; sets of one
/// value; a large image.
const SHAPES: [[usize; 4]; 12] = [
    [1, 1, 1, 1],
    [2, 1, 8, 4],
    [3, 7, 3, 3],
    [2, 33, 10, 2],
    [2, 49, 24, 3],
    [5, 255, 7, 1],
    [2, 784, 64, 1],
    [3, 100, 64, 16],
    [1, 12_544, 16, 2],
    [257, 1, 64, 1],
    [1571, 1, 16, 1],
    [40, 1, 255, 1],
];

/// Far from 0, compared with the standard deviation of 1, so that the mean must not cancel.
const LARGE_MEAN: f32 = 100.0;

fn shapes(activation: Option<Activation>) -> impl Iterator<Item = GroupNorm> {
    SHAPES.into_iter().map(move |[images, pixels, channels, groups]| GroupNorm {
        images,
        pixels,
        channels,
        groups,
        eps: 1e-5,
        activation,
    })
}

impl GroupNorm {
    /// Normal values, in every second image with a large mean, and with the usual outlier.
    fn input(&self) -> Vec<f32> {
        let mut values = normal("input", self.len());
        let image = self.pixels * self.channels;
        values.chunks_mut(image).skip(1).step_by(2).flatten().for_each(|v| *v += LARGE_MEAN);
        if let Some(outlier) = values.get_mut(1) {
            *outlier = OUTLIER;
        }
        values
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { images: halve(self.images)?, ..*self })
    }

    /// Of the moments: the mean is rounded to f32 a few times. The variance is corrected for the error of the mean, so that only
    /// its sum is rounded, whose terms are of one sign.
    fn tolerance(&self) -> Tolerance {
        Tolerance { relative: 16.0 * EPSILON, ..roundings(1.0, f64::from(LARGE_MEAN)) }
    }

    /// The largest `inv_std`: a set of one value has no variance.
    fn steepest(&self) -> f64 {
        if self.count() == 1 { 1.0 / f64::from(self.eps).sqrt() } else { 3.0 }
    }
}

impl Check for GroupNorm {
    fn cases() -> Vec<Self> {
        [None].into_iter().chain(Activation::EACH.map(Some)).flat_map(shapes).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = self.input();
    }

    /// The mean is rounded to f32, which is off by `EPSILON * LARGE_MEAN`, and that error is multiplied by `inv_std` and gamma
    /// (up to 50, the outlier). The sum of squares has the error of a sum.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let sum = Tolerance::sum(EPSILON, self.count().min(512), 1.0);
        let mean = roundings(4.0, f64::from(LARGE_MEAN));
        results.moments = self.tolerance();
        let steep = f64::from(OUTLIER) * self.steepest();
        results.output = Tolerance { absolute: mean.absolute * steep + sum.absolute * 50.0, relative: 1e-5 };
    }

    fn halved(&self) -> Option<Self> {
        self.halved()
    }
}

impl Check for GroupNormAffine {
    fn cases() -> Vec<Self> {
        shapes(None).map(Self).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = self.0.input();
    }

    /// As for the moments of [`GroupNorm`]; gamma is at most 50, the outlier.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let moments = self.0.tolerance();
        results.moments = moments;
        results.affine = Tolerance { relative: moments.relative + 2.0 * EPSILON, ..moments };
    }

    fn halved(&self) -> Option<Self> {
        self.0.halved().map(Self)
    }
}

impl Check for GroupNormGrad {
    fn cases() -> Vec<Self> {
        let with = |norm: GroupNorm| {
            [(false, false), (true, false), (true, true)].map(|(parameters, accumulate)| Self {
                norm,
                parameters,
                accumulate,
            })
        };
        let all = [None].into_iter().chain(activations().map(Some)).flat_map(shapes);
        all.enumerate().map(|(at, norm)| with(norm)[at % 3]).collect()
    }

    /// Means, inverse standard deviations and factors of few digits: the values at which the activation is differentiated are
    /// exact, zeros among them.
    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = self.norm.input();
        few_digits(&mut data.input, 8.0);
        for (set, moments) in data.moments.chunks_exact_mut(2).enumerate() {
            let large = if set / self.norm.groups % 2 == 1 { LARGE_MEAN } else { 0.0 };
            moments[0] = (moments[0] * 8.0).round().min(16.0) / 8.0 + large;
            moments[1] = if moments[1] > 0.0 { 0.5 } else { 2.0 };
        }
        for values in [&mut data.gamma, &mut data.beta] {
            values.iter_mut().for_each(|v| *v = (*v * 4.0).round().min(16.0) / 4.0);
        }
    }

    /// `x` is at most 100 (the outlier) and gamma at most 4; gradients are of order 1, but for an outlier of 50.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let norm = &self.norm;
        let (x, gamma) = (100.0, 4.0);
        let terms = norm.count() as f64;
        // The mean of products: the error of the sum over the number of terms, times x.
        let mean =
            Tolerance::sum(EPSILON, norm.count().min(512), gamma * (x / terms.sqrt() + 50.0 * x / terms));
        let own = roundings(16.0, 2.0 * gamma * 50.0);
        results.grad_input =
            Tolerance { absolute: own.absolute + 2.0 * x * mean.absolute, relative: 16.0 * EPSILON };
        let rows = norm.images * norm.pixels;
        let sums = Tolerance::sum(EPSILON, rows.min(512), 10.0 + 100_000.0 / rows as f64);
        results.grad_gamma = results.grad_gamma.map(|_| sums);
        results.grad_beta = results.grad_beta.map(|_| sums);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { norm: self.norm.halved()?, ..*self })
    }
}
