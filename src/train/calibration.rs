//! How far a network's probabilities can be believed: the expected calibration error, and the temperature that lowers it.
//!
//! # Source
//! Guo, Pleiss, Sun, Weinberger: "On Calibration of Modern Neural Networks" (2017).

/// The bins of the expected calibration error, as in the paper.
pub const CALIBRATION_BINS: usize = 15;

/// The lowest probability of an answer that `vgg predict` is sure of, by default.
pub const SURE: f32 = 0.9;

/// Temperatures outside this range are not looked for.
const RANGE: [f64; 2] = [0.1, 10.0];

/// The answers of a network to labelled images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The classes.
    pub classes: usize,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The probabilities at temperature 1, `[images][classes]`.
    pub probs: Vec<f32>,
}

/// The images of one bin of confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CalibrationBin {
    /// Images whose most probable class has a probability in this bin.
    pub images: u64,
    /// Those of them that are classified correctly.
    pub correct: u64,
    /// The sum of the probabilities of the most probable classes.
    pub confidence: f64,
}

impl Answers {
    /// The images by their confidence at a temperature: bin `m` of `M` has those above `m / M` and up to `(m + 1) / M`.
    pub fn bins(&self, temperature: f64) -> [CalibrationBin; CALIBRATION_BINS] {
        let mut bins = [CalibrationBin::default(); CALIBRATION_BINS];
        for (probs, &label) in self.probs.chunks_exact(self.classes).zip(&self.labels) {
            let mut probs = probs.to_vec();
            temper(&mut probs, temperature);
            let answer = argmax(&probs);
            let confidence = f64::from(probs[answer]);
            let bin = (confidence * CALIBRATION_BINS as f64).ceil() as usize;
            let bin = &mut bins[bin.clamp(1, CALIBRATION_BINS) - 1];
            bin.images += 1;
            bin.correct += u64::from(answer == label as usize);
            bin.confidence += confidence;
        }
        bins
    }

    /// The expected calibration error at a temperature: the mean over the images of the difference between accuracy and mean
    /// confidence in the image's bin. 0 to 1; NaN without images.
    pub fn calibration_error(&self, temperature: f64) -> f64 {
        let differences = self.bins(temperature).map(|bin| (bin.correct as f64 - bin.confidence).abs());
        differences.iter().sum::<f64>() / self.labels.len() as f64
    }

    /// The mean negative log likelihood at a temperature; NaN without images.
    pub fn loss(&self, temperature: f64) -> f64 {
        let logs = self.logs();
        let losses = self.images(&logs).map(|(logs, label)| {
            let moments = Moments::of(logs, 1.0 / temperature);
            moments.log_sum - f64::from(logs[label]) / temperature
        });
        losses.sum::<f64>() / self.labels.len() as f64
    }

    /// The temperature with the lowest [`Answers::loss`]. `None` if there is no minimum between 0.1 and 10, as when all answers are
    /// right, so that sharper probabilities are always better.
    ///
    /// The loss is convex in `1 / temperature`; its derivative's zero is found by Newton's method, or by bisection where
    /// a step leaves the bracket.
    pub fn temperature(&self) -> Option<f64> {
        let logs = self.logs();
        // First and second derivative by the inverse temperature: of each image, mean and variance of the logits less the label's.
        let derivatives = |inverse: f64| {
            self.images(&logs).fold([0.0, 0.0], |[first, second], (logs, label)| {
                let Moments { mean, variance, .. } = Moments::of(logs, inverse);
                [first + mean - f64::from(logs[label]), second + variance]
            })
        };
        let [mut low, mut high] = [1.0 / RANGE[1], 1.0 / RANGE[0]];
        if self.labels.is_empty() || derivatives(low)[0] >= 0.0 || derivatives(high)[0] <= 0.0 {
            return None;
        }
        let mut inverse = 1.0;
        loop {
            let [first, second] = derivatives(inverse);
            if first > 0.0 {
                high = inverse
            } else {
                low = inverse
            }
            let newton = inverse - first / second;
            let next = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
            if (next - inverse).abs() <= 1e-9 * inverse || high - low <= 1e-12 {
                return Some(1.0 / next);
            }
            inverse = next;
        }
    }

    /// Logits, up to a constant for each image.
    fn logs(&self) -> Vec<f32> {
        self.probs.iter().map(|&p| log(p) as f32).collect()
    }

    fn images<'a>(&'a self, logs: &'a [f32]) -> impl Iterator<Item = (&'a [f32], usize)> {
        logs.chunks_exact(self.classes).zip(self.labels.iter().map(|&label| label as usize))
    }
}

/// Moments of an image's logits under the softmax of them times a factor.
struct Moments {
    /// The logarithm of the softmax's denominator.
    log_sum: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(logits: &[f32], factor: f64) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let [mut sum, mut first, mut second] = [0.0; 3];
        for &logit in logits {
            // Relative to the largest, so that nothing overflows.
            let logit = f64::from(logit - most);
            let weight = (factor * logit).exp();
            sum += weight;
            first += weight * logit;
            second += weight * logit * logit;
        }
        let mean = first / sum;
        let most = f64::from(most);
        Self { log_sum: sum.ln() + factor * most, mean: mean + most, variance: second / sum - mean * mean }
    }
}

/// A logit of a probability, up to a constant. A device rounds probabilities below 1e-38 to 0.
fn log(probability: f32) -> f64 {
    f64::from(probability.max(f32::MIN_POSITIVE)).ln()
}

/// Divides the logits of an image's probabilities by a temperature: the probabilities become those of the softmax of the quotients. At
/// temperature 1 they are unchanged, and at no temperature does another class become the most probable one.
pub fn temper(probs: &mut [f32], temperature: f64) {
    if temperature == 1.0 || probs.is_empty() {
        return;
    }
    let best = argmax(probs);
    let most = log(probs[best]);
    let weights: Vec<f64> = probs.iter().map(|&p| ((log(p) - most) / temperature).exp()).collect();
    let sum: f64 = weights.iter().sum();
    for (p, weight) in probs.iter_mut().zip(&weights) {
        *p = (weight / sum) as f32;
    }
    // Close probabilities may be rounded to the same value.
    let largest = probs[best];
    for (_, p) in probs.iter_mut().enumerate().filter(|(class, p)| *class != best && **p >= largest) {
        *p = largest.next_down();
    }
}

/// The index of the first maximum.
pub(super) fn argmax(values: &[f32]) -> usize {
    let better = |best: usize, index: usize| if values[index] > values[best] { index } else { best };
    (0..values.len()).fold(0, better)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{key, philox4x32};

    /// Softmax of logits, in f64.
    fn softmax(logits: &[f64]) -> Vec<f64> {
        let most = logits.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    fn unit(image: u32, word: u32) -> f64 {
        let words = philox4x32([image, word / 4, 0, 7], key(11));
        (f64::from(words[(word % 4) as usize]) + 0.5) / 4_294_967_296.0
    }

    /// Logits of `images`, and labels drawn from the softmax of the logits divided by `truth`.
    fn drawn(images: u32, classes: usize, truth: f64) -> (Vec<Vec<f64>>, Answers) {
        let mut answers = Answers { classes, ..Answers::default() };
        let mut all = Vec::new();
        for image in 0..images {
            let logits: Vec<f64> = (0..classes as u32).map(|class| 12.0 * unit(image, class)).collect();
            let divided: Vec<f64> = logits.iter().map(|logit| logit / truth).collect();
            let mut left = unit(image, classes as u32);
            let probs = softmax(&divided);
            let label = probs
                .iter()
                .position(|p| {
                    left -= p;
                    left < 0.0
                })
                .unwrap_or(classes - 1);
            answers.labels.push(label as u32);
            answers.probs.extend(softmax(&logits).iter().map(|&p| p as f32));
            all.push(logits);
        }
        (all, answers)
    }

    /// Bins by hand: 0.95 and 0.97 in the last (of 14 / 15 to 1), 0.6 in the ninth, whose upper end it is.
    #[test]
    fn the_calibration_error_is_that_computed_by_hand() {
        let answers = Answers {
            classes: 2,
            labels: vec![0, 1, 0, 1],
            probs: vec![0.95, 0.05, 0.97, 0.03, 0.6, 0.4, 0.25, 0.75],
        };
        // The last bin: one of two right, confidence 1.92 in sum. The others: right with 0.6 and with 0.75.
        let expected = ((1.0_f64 - 1.92).abs() + (1.0 - 0.6) + (1.0 - 0.75)) / 4.0;
        assert!((answers.calibration_error(1.0) - expected).abs() <= 1e-7);
        let bins = answers.bins(1.0);
        let counts: Vec<(usize, u64, u64)> = (0..CALIBRATION_BINS)
            .filter(|&bin| bins[bin].images > 0)
            .map(|bin| (bin, bins[bin].images, bins[bin].correct))
            .collect();
        // 0.6 in f32 is above 9 / 15.
        assert_eq!(counts, [(9, 1, 1), (11, 1, 1), (14, 2, 1)]);
        assert!(Answers { classes: 2, ..Answers::default() }.calibration_error(1.0).is_nan());
        let ends = Answers { classes: 2, labels: vec![0, 0], probs: vec![1.0, 0.0, 0.5, 0.5] };
        assert_eq!(ends.bins(1.0)[14].images, 1);
        assert_eq!((ends.bins(1.0)[7].images, ends.calibration_error(1.0)), (1, 0.25));
    }

    /// Against plain loops over logits in f64: bins found by comparing with their ends, losses from the softmax.
    #[test]
    fn error_and_loss_are_those_of_a_plain_reference() {
        let (logits, answers) = drawn(2000, 7, 1.7);
        for temperature in [0.4, 1.0, 1.7, 5.0] {
            let (mut error, mut loss) = (0.0, 0.0);
            let divided: Vec<Vec<f64>> = logits
                .iter()
                .map(|logits| softmax(&logits.iter().map(|logit| logit / temperature).collect::<Vec<_>>()))
                .collect();
            for bin in 0..15 {
                let [low, high] = [bin, bin + 1].map(|end| f64::from(end) / 15.0);
                let inside = divided.iter().zip(&answers.labels).filter_map(|(probs, &label)| {
                    let most = probs.iter().copied().fold(0.0, f64::max);
                    (most > low && most <= high).then(|| (most, probs[label as usize] == most))
                });
                let inside: Vec<(f64, bool)> = inside.collect();
                let right = inside.iter().filter(|(_, right)| *right).count() as f64;
                error += (right - inside.iter().map(|(most, _)| most).sum::<f64>()).abs() / 2000.0;
            }
            for (probs, &label) in divided.iter().zip(&answers.labels) {
                loss -= probs[label as usize].ln() / 2000.0;
            }
            let found = answers.calibration_error(temperature);
            // The probabilities are rounded to f32 once, and again after the temperature.
            assert!((found - error).abs() <= 1e-6, "{temperature}: {found}, {error}");
            let found = answers.loss(temperature);
            assert!((found - loss).abs() <= 1e-5, "{temperature}: {found}, {loss}");
        }
    }

    /// Labels drawn at a temperature: it is found again within the error of the sample, and is a minimum.
    #[test]
    fn the_temperature_is_that_of_the_labels() {
        for truth in [0.5, 1.0, 2.5] {
            let (_, answers) = drawn(20_000, 10, truth);
            let found = answers.temperature().unwrap();
            assert!((found / truth - 1.0).abs() <= 0.04, "{truth}: {found}");
            let [low, least, high] = [0.99, 1.0, 1.01].map(|factor| answers.loss(factor * found));
            assert!(least < low && least < high, "{low} {least} {high}");
            if truth > 2.0 {
                assert!(answers.calibration_error(found) < 0.2 * answers.calibration_error(1.0));
            }
        }
        let right = Answers { classes: 2, labels: vec![0, 1], probs: vec![0.9, 0.1, 0.2, 0.8] };
        assert_eq!(right.temperature(), None, "always better when sharper");
        assert_eq!(Answers { classes: 2, ..Answers::default() }.temperature(), None);
        let wrong = Answers { classes: 2, labels: vec![1, 0], probs: vec![0.9, 0.1, 0.2, 0.8] };
        assert_eq!(wrong.temperature(), None, "always better when flatter");
    }

    #[test]
    fn no_temperature_changes_the_answer() {
        let close = [0.5_f32.next_down(), 0.5, 1e-30, 0.0];
        for temperature in [0.3, 1.0, 1.5, 9.0] {
            let mut probs = close;
            temper(&mut probs, temperature);
            assert_eq!(argmax(&probs), 1, "{temperature}: {probs:?}");
            assert!((probs.iter().sum::<f32>() - 1.0).abs() <= 1e-6);
            let mut equal = [0.25_f32; 4];
            temper(&mut equal, temperature);
            assert_eq!(argmax(&equal), 0);
        }
        let mut probs = [0.8_f32, 0.2];
        temper(&mut probs, 2.0);
        // Square roots: 0.894 and 0.447 of their sum.
        assert!((probs[0] - 2.0 / 3.0).abs() <= 1e-6 && (probs[1] - 1.0 / 3.0).abs() <= 1e-6, "{probs:?}");
    }
}
