//! How convolutions are checked.

mod winograd;

use super::{Conv, ConvForward, ConvGradInput, ConvGradWeight};
use crate::{
    ops::{Activation, Each, GradStatistics, PAPER_RELU, RELU, other_activations},
    verify::{
        Tolerance,
        check::{
            Check, EPSILON, HALF_EPSILON, Inputs, OUTLIER, Results, Tolerances, affine, affine_of,
            few_digits, halve, roundings,
        },
    },
};

/// Images, height, width, input and output channels. Sides of one, odd sides, H != W, channels that are not a multiple of 4 or
/// of 8, one and three channels, more channels than a tile, and the layers of VGG16 at 28 px.
const SHAPES: [[usize; 5]; 19] = [
    [1, 1, 1, 4, 8],
    [1, 5, 3, 1, 8],
    [2, 7, 4, 3, 5],
    [3, 3, 7, 12, 16],
    [1, 2, 9, 8, 8],
    [2, 6, 6, 10, 24],
    [1, 4, 5, 17, 67],
    [2, 28, 28, 1, 64],
    [1, 28, 28, 16, 16],
    [2, 14, 14, 64, 128],
    [3, 7, 7, 32, 64],
    [5, 3, 3, 64, 64],
    [4, 2, 2, 128, 128],
    [7, 1, 1, 72, 40],
    [1, 5, 4, 3, 32],
    [3, 3, 5, 48, 96],
    [1, 9, 11, 6, 16],
    // More images than one chunk of Winograd's workspaces takes on a software adapter.
    [13, 28, 28, 4, 64],
    // More images than one chunk of Winograd's workspaces takes.
    [13, 28, 28, 48, 64],
];

/// The product of an outlier of one operand, 50, and a large value of the other, 3.
const OF_OUTLIERS: f64 = 150.0;
/// As [`OF_OUTLIERS`], for the gradient of the weights.
const OF_GRADIENTS: f64 = 200.0;

fn shapes<T>(make: impl Fn(Conv) -> T) -> impl Iterator<Item = T> {
    SHAPES.into_iter().map(move |[n, h, w, c, k]| make(Conv { n, h, w, c, k }))
}

fn fewer(conv: Conv) -> Option<Conv> {
    Some(Conv { n: halve(conv.n)?, ..conv })
}

/// An outlier, and few enough digits for ReLU's input to be exact.
fn exact(values: &mut [f32]) {
    if let Some(outlier) = values.get_mut(1) {
        *outlier = OUTLIER;
    }
    few_digits(values, 64.0);
}

/// The error of a product whose operands are rounded to f16 after a prologue: up to two roundings of each term. With random
/// signs it grows like the square root of the number of terms; the factor 8 covers the tails, and the largest term is separate.
fn rounded_terms(terms: usize, magnitude: f64, largest: f64) -> f64 {
    2.0 * HALF_EPSILON * (8.0 * (terms as f64).sqrt() * magnitude + largest)
}

/// How much larger than normal values are after batch norm and an activation.
fn steepness(normalized: Option<Activation>) -> f64 {
    if normalized.is_some() { 4.0 } else { 1.0 }
}

/// How much larger than normal a gradient is after the backward pass of an activation and batch norm: a sum of three terms, each
/// up to 4 times as large. Slopes of GELU and SiLU are at most 1.13.
fn steepness_through(through: Option<Activation>) -> f64 {
    match through {
        Some(activation) if !activation.straight() => 13.5,
        Some(_) => 12.0,
        None => 1.0,
    }
}

/// The activations other than ReLU, each with the shapes of its cases: one that only the tiled rows support, value by value, and
/// two that all rows support.
fn others() -> impl Iterator<Item = (Activation, Conv)> {
    let shapes = [[2, 7, 4, 3, 5], [1, 28, 28, 16, 16], [3, 7, 7, 32, 64]];
    let shapes = shapes.map(|[n, h, w, c, k]| Conv { n, h, w, c, k });
    other_activations().flat_map(move |activation| shapes.map(|conv| (activation, conv)))
}

/// For vectors of each image: channels that only the tiled rows support, and more images than a chunk of Winograd's.
fn images() -> impl Iterator<Item = Conv> {
    let shapes = [[2, 7, 4, 3, 5], [3, 7, 7, 32, 64], [13, 28, 28, 4, 64]];
    shapes.into_iter().map(|[n, h, w, c, k]| Conv { n, h, w, c, k })
}

impl ConvForward {
    /// The largest result except the one with both outliers: an outlier's term plus five times the square root of the number
    /// of terms.
    fn largest(&self) -> f64 {
        steepness(self.normalized) * (OF_OUTLIERS + 5.0 * (9.0 * self.conv.c as f64).sqrt())
    }
}

impl Check for ConvForward {
    fn cases() -> Vec<Self> {
        let cases = |(normalized, statistics)| {
            shapes(move |conv| Self { conv, normalized, by_image: false, statistics })
        };
        let relu = Some(RELU);
        let cases = [(None, false), (relu, true), (relu, false), (None, true)].into_iter().flat_map(cases);
        let others =
            others().map(|(activation, conv)| Self { normalized: Some(activation), ..Self::plain(conv) });
        let by_image = images().map(|conv| Self { normalized: relu, by_image: true, ..Self::plain(conv) });
        cases.chain(others).chain(by_image).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.affine = self
            .normalized
            .map(|_| affine_of("affine", self.by_image.then_some(self.conv.n), self.conv.c, 0.0));
    }

    /// Terms are products of normal values, one of them with the outlier of 50. Moments are checked against those of the
    /// kernel's own results: a few roundings of the largest result, and of its square.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let (terms, largest) = (9 * self.conv.c, self.largest());
        let magnitude = steepness(self.normalized) * (1.0 + OF_OUTLIERS / terms as f64);
        results.output = Tolerance::sum(EPSILON, terms, magnitude);
        results.batch_mean = results.batch_mean.map(|_| roundings(4.0, largest));
        results.batch_var = results.batch_var.map(|_| roundings(4.0, largest * largest));
    }

    fn of_variant(&self, variant: &str, results: &mut Tolerances<Self>) {
        let magnitude = 9.0 * self.conv.c as f64 + OF_OUTLIERS;
        results.output = winograd::amplified(variant, false, magnitude, results.output);
    }

    fn half_operands(&self) -> f64 {
        let (terms, steep) = (9 * self.conv.c, steepness(self.normalized));
        if self.normalized.is_some() { rounded_terms(terms, steep, steep * OF_OUTLIERS) } else { 0.0 }
    }

    /// An error enters the variance twice, times the distance from the mean. A result much larger than the others dominates
    /// both moments.
    fn half_reductions(&self, results: &mut Self::Operands<Each<Option<Tolerance>>>) {
        let (largest, relative) = (self.largest(), HALF_EPSILON);
        let mean = Tolerance { absolute: relative * largest, relative };
        let var = Tolerance { absolute: 2.0 * relative * largest * largest, relative: 2.0 * relative };
        results.batch_mean = results.batch_mean.map(|_| Some(mean));
        results.batch_var = results.batch_var.map(|_| Some(var));
    }

    fn of_own_results(&self, _: &Inputs<Self>, own: &Results<Self>, expected: &mut Results<Self>) {
        if !self.statistics {
            return;
        }
        let (values, channels) = (&own.output, self.conv.k);
        let rows = (values.len() / channels) as f64;
        let mean_of = |f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            let column = |channel| values.iter().skip(channel).step_by(channels).map(move |&v| f(channel, v));
            (0..channels).map(|channel| column(channel).sum::<f64>() / rows).collect()
        };
        let mean = mean_of(&|_, v| v);
        expected.batch_var = Some(mean_of(&|channel, v| (v - mean[channel]) * (v - mean[channel])));
        expected.batch_mean = Some(mean);
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { conv: fewer(self.conv)?, ..*self })
    }
}

impl ConvGradInput {
    /// The size of a term of the sums for gamma and beta, with the outliers averaged over all terms: a result times a distance of
    /// about 1.5 from the mean times an inverse deviation of up to 4. One result and one distance (50) are outliers.
    fn sum_term(&self) -> f64 {
        let steep = steepness_through(self.through);
        let typical = steep * (9.0 * self.conv.k as f64).sqrt();
        4.0 * (1.5 * typical + (50.0 * typical + 1.5 * steep * OF_OUTLIERS) / self.conv.pixels() as f64)
    }
}

impl Check for ConvGradInput {
    fn cases() -> Vec<Self> {
        let cases = |through| shapes(move |conv| Self { conv, through, statistics: None });
        let with_sums = shapes(|conv| {
            let even = conv.w % 2 == 0;
            let (through, activation) = if even { (Some(RELU), PAPER_RELU) } else { (None, RELU) };
            Self { conv, through, statistics: Some(GradStatistics { activation, accumulate: even }) }
        });
        // The prologue's activation differs from that of the sums.
        let others = others().enumerate().map(|(at, (activation, conv))| {
            let through = Some(Activation::EACH[at % Activation::EACH.len()]);
            Self { conv, through, statistics: Some(GradStatistics { activation, accumulate: false }) }
        });
        let cases = [None, Some(PAPER_RELU), Some(RELU)].into_iter().flat_map(cases);
        cases.chain(with_sums).chain(others).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.output.iter_mut().for_each(|values| exact(values));
        data.input.iter_mut().for_each(|values| exact(values));
        data.affine = self.statistics.map(|_| affine("affine", [4, self.conv.c], 0.0));
        data.grad_affine = self.through.map(|_| affine("grad_affine", [5, self.conv.k], 0.0));
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let terms = 9 * self.conv.k;
        let magnitude = steepness_through(self.through) * (1.0 + OF_OUTLIERS / terms as f64);
        let sums = Tolerance::sum(EPSILON, self.conv.pixels(), self.sum_term());
        results.grad_input = Tolerance::sum(EPSILON, terms, magnitude);
        results.grad_gamma = results.grad_gamma.map(|_| sums);
        results.grad_beta = results.grad_beta.map(|_| sums);
    }

    fn of_variant(&self, variant: &str, results: &mut Tolerances<Self>) {
        let magnitude = 9.0 * self.conv.k as f64 + OF_OUTLIERS;
        results.grad_input = winograd::amplified(variant, false, magnitude, results.grad_input);
    }

    fn half_operands(&self) -> f64 {
        let steep = steepness_through(self.through);
        match self.through {
            Some(_) => rounded_terms(9 * self.conv.k, steep, steep * OF_OUTLIERS),
            None => 0.0,
        }
    }

    /// Each term has a rounding error; with random signs they add up to the square root of their number.
    fn half_reductions(&self, results: &mut Self::Operands<Each<Option<Tolerance>>>) {
        let roundings = 8.0 * (self.conv.pixels() as f64).sqrt() * HALF_EPSILON;
        let sums = Some(Tolerance::absolute(roundings * self.sum_term()));
        results.grad_gamma = results.grad_gamma.map(|_| sums);
        results.grad_beta = results.grad_beta.map(|_| sums);
    }

    fn of_own_results(&self, inputs: &Inputs<Self>, own: &Results<Self>, expected: &mut Results<Self>) {
        let (Some(statistics), Some(input), Some(affine)) = (self.statistics, &inputs.input, &inputs.affine)
        else {
            return;
        };
        let channels = self.conv.c;
        let before = |values: &Option<Vec<f32>>| match (statistics.accumulate, values) {
            (true, Some(values)) => values.iter().map(|&v| f64::from(v)).collect(),
            _ => vec![0.0; channels],
        };
        let [mut gamma, mut beta] = [&inputs.grad_gamma, &inputs.grad_beta].map(before);
        for (at, (&x, &dy)) in input.iter().zip(&own.grad_input).enumerate() {
            let c = at % channels;
            let [mean, scale, shift, inv_std] =
                [0, 1, 2, 3].map(|field| f64::from(affine[field * channels + c]));
            let distance = f64::from(x) - mean;
            let slope = statistics.activation.slope(distance * scale + shift);
            gamma[c] += slope * dy * distance * inv_std;
            beta[c] += slope * dy;
        }
        (expected.grad_gamma, expected.grad_beta) = (Some(gamma), Some(beta));
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { conv: fewer(self.conv)?, ..*self })
    }
}

impl ConvGradWeight {
    fn steepness(&self) -> f64 {
        steepness(self.normalized) * steepness_through(self.through)
    }
}

impl Check for ConvGradWeight {
    fn cases() -> Vec<Self> {
        let cases = |(accumulate, normalized, through)| {
            shapes(move |conv| Self { conv, normalized, by_image: false, through, accumulate })
        };
        let cases = [
            (true, None, None),
            (false, None, None),
            (true, Some(RELU), None),
            (false, Some(RELU), None),
            (true, Some(RELU), Some(PAPER_RELU)),
            (false, Some(RELU), Some(RELU)),
            (false, None, Some(PAPER_RELU)),
        ]
        .into_iter()
        .flat_map(cases);
        let others = others().enumerate().map(|(at, (activation, conv))| {
            let through = Some(Activation::EACH[at % Activation::EACH.len()]);
            Self { conv, normalized: Some(activation), by_image: at % 2 == 1, through, accumulate: false }
        });
        let relu = Some(RELU);
        let by_image = images().map(|conv| Self { normalized: relu, by_image: true, ..Self::plain(conv) });
        cases.chain(others).chain(by_image).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.output.iter_mut().for_each(|values| exact(values));
        data.affine = self
            .normalized
            .map(|_| affine_of("affine", self.by_image.then_some(self.conv.n), self.conv.c, 0.0));
        data.grad_affine = self.through.map(|_| affine("grad_affine", [5, self.conv.k], 0.0));
    }

    /// After batch norm's backward pass, the outliers of a gradient are 200: its own and the output's.
    fn tolerances(&self, results: &mut Tolerances<Self>) {
        let pixels = self.conv.pixels();
        let magnitude = self.steepness() * (1.0 + OF_GRADIENTS / pixels as f64);
        results.grad_weight = Tolerance::sum(EPSILON, pixels, magnitude);
    }

    fn of_variant(&self, variant: &str, results: &mut Tolerances<Self>) {
        let magnitude = self.conv.pixels() as f64 + OF_GRADIENTS;
        results.grad_weight = winograd::amplified(variant, true, magnitude, results.grad_weight);
    }

    fn half_operands(&self) -> f64 {
        let steep = self.steepness();
        if steep > 1.0 { rounded_terms(self.conv.pixels(), steep, steep * OF_GRADIENTS) } else { 0.0 }
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { conv: fewer(self.conv)?, ..*self })
    }
}
