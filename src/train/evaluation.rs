//! Evaluation and prediction, and the result of an evaluation.

use super::{
    calibration::{Answers, argmax, temper},
    error::TrainError,
    metrics::Sums,
    session::Session,
};
use crate::{
    data::{Batch, IDENTITY, Loader, TestAugmentation},
    ops::Control,
    program::{ExecutorError, Pass, floats},
};

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Loss and correct answers.
    pub sums: Sums,
    /// Images whose class is among the five most probable.
    pub top5: u64,
    /// `confusion[label][answer]` counts images.
    pub confusion: Vec<Vec<u64>>,
    /// The [`Evaluation::HARD`] images with the highest loss, the worst first.
    pub hardest: Vec<Hard>,
    /// The probabilities of all images, 4 bytes for each image and class.
    pub answers: Answers,
}

/// An image of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Hard {
    /// Its index in the data set.
    pub image: usize,
    /// Its class.
    pub label: usize,
    /// The network's answer.
    pub answer: usize,
    /// The probability of the answer.
    pub probability: f32,
    /// The loss.
    pub loss: f32,
}

impl Evaluation {
    /// How many of the images with the highest loss are kept.
    pub const HARD: usize = 25;

    /// Mean loss.
    pub fn loss(&self) -> f64 {
        self.sums.mean_loss()
    }

    /// Fraction of correct answers.
    pub fn accuracy(&self) -> f64 {
        self.sums.accuracy()
    }

    /// Fraction of images whose class is among the five most probable; `None` with five classes or fewer.
    pub fn top5_accuracy(&self) -> Option<f64> {
        (self.confusion.len() > 5).then(|| self.top5 as f64 / self.sums.images as f64)
    }
}

/// The sums of an evaluation, and of the variants of its current batch.
struct Counting<'a> {
    evaluation: Evaluation,
    file: &'a Option<String>,
    /// The weighted sum of the probabilities so far, `[N, classes]`.
    probs: Vec<f32>,
}

/// Images on the device whose answers are awaited.
struct Awaited {
    labels: Vec<u32>,
    valid: usize,
    weight: f32,
    /// Whether they are the last variant of their batch.
    last: bool,
}

impl Counting<'_> {
    fn count(&mut self, images: &Awaited, probs: &[f32], losses: &[f32]) -> Result<(), TrainError> {
        let Evaluation { sums, top5, confusion, hardest, answers } = &mut self.evaluation;
        let &Awaited { ref labels, valid, weight, last } = images;
        let (classes, first) = (answers.classes, sums.images as usize);
        finite(self.file, "loss", first, 1, &losses[..valid])?;
        finite(self.file, PROBABILITY, first, classes, &probs[..valid * classes])?;
        self.probs.resize(valid * classes, 0.0);
        self.probs.iter_mut().zip(probs).for_each(|(sum, p)| *sum += weight * p);
        if !last {
            return Ok(());
        }
        for ((probs, &label), &loss) in self.probs.chunks_exact(classes).zip(labels).zip(losses) {
            let answer = argmax(probs);
            // Without variants the device's, which no rounding of a small probability makes infinite.
            let loss = if weight == 1.0 { loss } else { -probs[label as usize].max(f32::MIN_POSITIVE).ln() };
            confusion[label as usize][answer] += 1;
            sums.loss += f64::from(loss);
            sums.correct += u64::from(answer == label as usize);
            *top5 += u64::from(rank(probs, label as usize) < 5);
            hardest.push(Hard {
                image: sums.images as usize,
                label: label as usize,
                answer,
                probability: probs[answer],
                loss,
            });
            sums.images += 1;
            answers.labels.push(label);
            answers.probs.extend_from_slice(probs);
        }
        hardest.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.image.cmp(&b.image)));
        hardest.truncate(Evaluation::HARD);
        self.probs.clear();
        Ok(())
    }
}

impl Session {
    /// Loss, accuracy and confusion matrix over the images of an evaluation loader.
    ///
    /// `progress` is called after every batch with the number of finished batches and the total.
    ///
    /// # Errors
    /// [`TrainError::Loader`], [`TrainError::Executor`]; [`TrainError::NotFinite`] for the first image whose loss or
    /// probabilities are NaN or infinite.
    pub fn evaluate(
        &mut self,
        loader: &Loader,
        progress: impl FnMut(usize, usize),
    ) -> Result<Evaluation, TrainError> {
        self.evaluate_augmented(loader, TestAugmentation::NONE, progress)
    }

    /// As [`Session::evaluate`], of the mean probabilities over the variants of each image; the loss is the negative logarithm of the
    /// label's.
    ///
    /// # Errors
    /// As [`Session::evaluate`].
    pub fn evaluate_augmented(
        &mut self,
        loader: &Loader,
        augmentation: TestAugmentation,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Evaluation, TrainError> {
        let classes = self.network().config.classes;
        let evaluation = Evaluation {
            sums: Sums::default(),
            top5: 0,
            confusion: vec![vec![0; classes]; classes],
            hardest: Vec::new(),
            answers: Answers { classes, ..Answers::default() },
        };
        let file = self.file.clone();
        let mut counting = Counting { evaluation, file: &file, probs: Vec::new() };
        let (variants, size) = (augmentation.variants(), self.image_size());
        let batches = loader.epoch(0, 0)?;
        let of = batches.len();
        // Each run is queued before waiting for the answer to the previous one.
        let mut waiting: Option<Awaited> = None;
        for (done, batch) in batches.enumerate() {
            let mut batch = batch?;
            let images = if variants.len() > 1 { batch.images.clone() } else { Vec::new() };
            for (index, variant) in variants.iter().enumerate() {
                if index > 0 {
                    batch.images = variant.of(&images, size);
                }
                self.run_batch(&batch, Pass::Evaluate, Control::default())?;
                let (probs, loss) = (self.inputs.probs, self.inputs.loss);
                self.executor_mut().request(probs)?;
                self.executor_mut().request(loss)?;
                let next = Awaited {
                    labels: batch.labels.clone(),
                    valid: batch.valid,
                    weight: variant.weight,
                    last: index + 1 == variants.len(),
                };
                if let Some(before) = waiting.replace(next)
                    && let Err(error) = counting.count(&before, &self.answer()?, &self.answer()?)
                {
                    // Later requests must not receive these answers.
                    while self.executor_mut().collect(true)?.is_some() {}
                    return Err(error);
                }
            }
            progress(done + 1, of);
        }
        if let Some(last) = waiting {
            counting.count(&last, &self.answer()?, &self.answer()?)?;
        }
        Ok(counting.evaluation)
    }

    /// The probabilities of each class for images `[count, H, W, C]` of the data set's size, `[count][classes]`, at the temperature of
    /// the weights.
    ///
    /// # Errors
    /// [`TrainError::Executor`], also if the bytes are not a whole number of images; [`TrainError::NotFinite`].
    pub fn predict(&mut self, images: &[u8]) -> Result<Vec<Vec<f32>>, TrainError> {
        self.predict_augmented(images, TestAugmentation::NONE)
    }

    /// As [`Session::predict`], the mean over the variants of each image. A mean of several is at temperature 1, because averaging lowers
    /// the confidence by itself.
    ///
    /// # Errors
    /// As [`Session::predict`].
    pub fn predict_augmented(
        &mut self,
        images: &[u8],
        augmentation: TestAugmentation,
    ) -> Result<Vec<Vec<f32>>, TrainError> {
        let size = self.image_size();
        let image: usize = size.iter().product();
        if !images.len().is_multiple_of(image) {
            let tensor = self.executor().program().tensor(self.inputs.images).name.clone();
            let (expected, found) = (image as u64, images.len() as u64);
            return Err(ExecutorError::Size { tensor, expected, found }.into());
        }
        let classes = self.network().config.classes;
        let mut mean = vec![0.0; images.len() / image * classes];
        for variant in augmentation.variants() {
            let probs = self.probabilities(&variant.of(images, size), image)?;
            mean.iter_mut().zip(&probs).for_each(|(mean, p)| *mean += variant.weight * p);
        }
        if augmentation == TestAugmentation::NONE {
            mean.chunks_exact_mut(classes).for_each(|probs| temper(probs, self.temperature));
        }
        Ok(mean.chunks_exact(classes).map(<[f32]>::to_vec).collect())
    }

    /// The probabilities at temperature 1 of images with `image` bytes each, `[count, classes]`.
    fn probabilities(&mut self, images: &[u8], image: usize) -> Result<Vec<f32>, TrainError> {
        let (batch, classes) = (self.batch_size(), self.network().config.classes);
        let mut probs = Vec::with_capacity(images.len() / image * classes);
        for chunk in images.chunks(batch * image) {
            let valid = chunk.len() / image;
            let mut padded = chunk.to_vec();
            padded.resize(batch * image, 0);
            let labels = vec![0; batch];
            let transforms = IDENTITY.repeat(batch);
            let batch =
                Batch { images: padded, labels, transforms, mixes: Vec::new(), valid, epoch: 0, index: 0 };
            self.run_batch(&batch, Pass::Evaluate, Control::default())?;
            let tensor = self.inputs.probs;
            let answer = floats(&self.executor_mut().read(tensor)?);
            let answer = &answer[..valid * classes];
            finite(&self.file, PROBABILITY, probs.len() / classes, classes, answer)?;
            probs.extend_from_slice(answer);
        }
        Ok(probs)
    }

    /// Height, width and channels of the images that are uploaded.
    fn image_size(&self) -> [usize; 3] {
        let dims = self.executor().program().tensor(self.inputs.images).shape.dims();
        [dims[1], dims[2], dims[3]]
    }
}

/// The name of an output in [`TrainError::NotFinite`].
const PROBABILITY: &str = "probability of a class";

/// Checks the outputs for images from `first` on, with `each` values per image.
pub(super) fn finite(
    file: &Option<String>,
    what: &'static str,
    first: usize,
    each: usize,
    values: &[f32],
) -> Result<(), TrainError> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let weights = file.clone().unwrap_or_else(|| "the trained network".to_owned());
    Err(TrainError::NotFinite { weights, what, image: first + at / each, value: values[at] })
}

/// The number of classes ranked above this one: more probable ones, and equals with a lower index.
fn rank(probs: &[f32], class: usize) -> usize {
    let own = probs[class];
    probs.iter().enumerate().filter(|&(index, &p)| p > own || (p == own && index < class)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_counts_what_comes_before() {
        let probs = [0.1, 0.3, 0.2, 0.3, 0.05, 0.05];
        let ranks: Vec<usize> = (0..6).map(|class| rank(&probs, class)).collect();
        assert_eq!(ranks, [3, 0, 2, 1, 4, 5]);
        assert_eq!((argmax(&probs), rank(&probs, argmax(&probs))), (1, 0));
    }
}
