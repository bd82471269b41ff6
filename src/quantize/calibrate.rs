//! The ranges of activations.

use crate::{
    data::Loader,
    ops::Op,
    program::floats,
    train::{Session, TrainError},
};

/// How the largest value of an activation that a byte stands for is found. All are after a ReLU, so that the smallest is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calibrator {
    /// The largest value of all images.
    #[default]
    MinMax,
    /// The mean over the batches of the largest value.
    MovingAverage,
    /// The value that 99.999 % of all values do not exceed.
    Percentile,
    /// The value above which clipping costs the least information: the Kullback-Leibler divergence of the clipped and quantised
    /// distribution from the original one.
    ///
    /// # Source
    /// Migacz: "8-bit inference with TensorRT" (2017).
    Entropy,
}

/// Bins of the histograms, from 0 to the largest value.
const BINS: usize = 2048;

/// Levels of the distributions whose divergence is measured.
const LEVELS: usize = 128;

/// The share of values that [`Calibrator::Percentile`] does not clip.
const PERCENTILE: f64 = 0.999_99;

/// The upper end of the range of each activation of a network without batch norms, first to last.
pub(super) fn calibrate(
    session: &mut Session,
    loader: &Loader,
    calibrator: Calibrator,
) -> Result<Vec<f32>, TrainError> {
    let mut largest: Vec<Vec<f32>> = Vec::new();
    each_activation(session, loader, |activation, values| {
        if largest.len() <= activation {
            largest.push(Vec::new());
        }
        largest[activation].push(values.iter().copied().fold(0.0, larger));
    })?;
    let ends: Vec<f32> = largest.iter().map(|batches| batches.iter().copied().fold(0.0, larger)).collect();
    match calibrator {
        Calibrator::MinMax => Ok(ends),
        Calibrator::MovingAverage => {
            let mean = |batches: &Vec<f32>| batches.iter().sum::<f32>() / batches.len() as f32;
            Ok(largest.iter().map(mean).collect())
        }
        Calibrator::Percentile | Calibrator::Entropy => {
            let mut histograms = vec![Histogram::default(); ends.len()];
            each_activation(session, loader, |activation, values| {
                histograms[activation].add(values, ends[activation]);
            })?;
            let end = |(histogram, &end): (&Histogram, &f32)| {
                let bins = match calibrator {
                    Calibrator::Entropy => histogram.least_divergent(),
                    _ => histogram.quantile(PERCENTILE),
                };
                end * bins as f32 / BINS as f32
            };
            Ok(histograms.iter().zip(&ends).map(end).collect())
        }
    }
}

/// The larger number, or NaN if there is one.
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// Calls `each` with the index and the values of each activation, for each batch.
fn each_activation(
    session: &mut Session,
    loader: &Loader,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<(), TrainError> {
    for batch in loader.epoch(0, 0)? {
        let batch = batch?;
        let mut activation = 0;
        session.outputs(
            &batch,
            |op| matches!(op, Op::Activate(_)),
            |tensor, bytes| {
                let image = tensor.shape.elements() / tensor.shape.dims()[0];
                each(activation, &floats(bytes)[..batch.valid * image]);
                activation += 1;
            },
        )?;
    }
    Ok(())
}

/// The distribution of the values of an activation.
#[derive(Clone, Debug)]
struct Histogram {
    bins: Vec<u64>,
    /// Exact zeros, which are in no bin.
    zeros: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: vec![0; BINS], zeros: 0 }
    }
}

impl Histogram {
    /// Counts values from 0 to `end`.
    fn add(&mut self, values: &[f32], end: f32) {
        for &value in values {
            if value == 0.0 {
                self.zeros += 1;
            } else {
                let bin = (value / end * BINS as f32) as usize;
                self.bins[bin.min(BINS - 1)] += 1;
            }
        }
    }

    /// The number of bins that have at least this share of all values.
    fn quantile(&self, share: f64) -> usize {
        let all = self.zeros + self.bins.iter().sum::<u64>();
        let mut below = self.zeros;
        let reaches = |&bin: &u64| {
            below += bin;
            below as f64 >= share * all as f64
        };
        self.bins.iter().position(reaches).map_or(BINS, |bin| bin + 1)
    }

    /// The number of bins after which clipping diverges least. Zeros do not count: every scale has one.
    fn least_divergent(&self) -> usize {
        let divergence = |kept: usize| {
            let clipped: u64 = self.bins[kept..].iter().sum();
            let mut original: Vec<f64> = self.bins[..kept].iter().map(|&count| count as f64).collect();
            let mut quantised = vec![0.0; kept];
            for level in 0..LEVELS {
                // The bins of a level share its values equally.
                let bins = level * kept / LEVELS..(level + 1) * kept / LEVELS;
                let filled = self.bins[bins.clone()].iter().filter(|&&count| count > 0).count();
                let sum: u64 = self.bins[bins.clone()].iter().sum();
                for bin in bins.filter(|&bin| self.bins[bin] > 0) {
                    quantised[bin] = sum as f64 / filled as f64;
                }
            }
            original[kept - 1] += clipped as f64;
            kullback_leibler(&original, &quantised)
        };
        let kept = (LEVELS..=BINS).map(|kept| (divergence(kept), kept));
        kept.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(BINS, |(_, kept)| kept)
    }
}

/// The divergence of `q` from `p`, both normalised; infinite if `q` is 0 where `p` is not.
fn kullback_leibler(p: &[f64], q: &[f64]) -> f64 {
    let [all_p, all_q] = [p, q].map(|values| values.iter().sum::<f64>());
    let term = |(&p, &q): (&f64, &f64)| {
        let (p, q) = (p / all_p, q / all_q);
        if p == 0.0 { 0.0 } else { p * (p / q).ln() }
    };
    p.iter().zip(q).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(values, values.iter().copied().fold(0.0, f32::max));
        histogram
    }

    #[test]
    fn a_rare_outlier_is_clipped_and_a_flat_distribution_is_not() {
        let flat: Vec<f32> = (1..=100_000).map(|v| v as f32 / 100.0).collect();
        assert_eq!(histogram(&flat).quantile(PERCENTILE), BINS);
        assert!(histogram(&flat).least_divergent() > BINS * 9 / 10);
        // One value of 1000 above values up to 100.
        let mut outlier: Vec<f32> = flat.iter().map(|v| v / 10.0).collect();
        outlier.extend([1000.0; 1]);
        let histogram = histogram(&outlier);
        let tenth = BINS / 10 + 1;
        assert!(histogram.quantile(0.999) <= tenth && histogram.quantile(1.0) == BINS);
        assert!(histogram.least_divergent() <= tenth + 1, "{}", histogram.least_divergent());
    }

    #[test]
    fn zeros_count_for_the_percentile_only() {
        let mut values = vec![0.0; 900];
        values.extend((1..=100).map(|v| v as f32));
        let histogram = histogram(&values);
        assert_eq!(histogram.zeros, 900);
        // 90 of the 100 values above 0.
        assert!((histogram.quantile(0.99) as f32 / BINS as f32 - 0.9).abs() < 0.01);
    }

    #[test]
    fn the_divergence_of_equal_distributions_is_0() {
        assert_eq!(kullback_leibler(&[1.0, 2.0, 0.0], &[2.0, 4.0, 0.0]), 0.0);
        // 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75)
        let found = kullback_leibler(&[1.0, 1.0], &[1.0, 3.0]);
        assert!((found - 0.5 * (4.0f64 / 3.0).ln()).abs() < 1e-12, "{found}");
        assert_eq!(kullback_leibler(&[1.0, 1.0], &[1.0, 0.0]), f64::INFINITY);
    }
}
