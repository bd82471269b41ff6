//! A data set seen otherwise: some of its images, or another normalisation.

use std::sync::Arc;

use super::{
    DataError,
    dataset::{Crop, DataSets, Dataset, Normalization},
    picture::PictureError,
};

/// A data set with some of its images only, or normalised with a mean and standard deviation other than its own.
pub struct View {
    set: Arc<dyn Dataset>,
    /// Those of the set; `None`: all.
    indices: Option<Vec<usize>>,
    normalization: Normalization,
}

impl View {
    /// All images, with another normalisation.
    pub fn normalized(set: Arc<dyn Dataset>, normalization: Normalization) -> Self {
        Self { set, indices: None, normalization }
    }

    /// `count` images at equal distances, or all if there are fewer: of sets in the order of their classes, some of each.
    pub fn spread(set: Arc<dyn Dataset>, count: usize) -> Self {
        let (count, len) = (count.min(set.len()), set.len());
        Self::some(set, (0..count).map(|index| index * len / count).collect())
    }

    /// The images at these indices.
    fn some(set: Arc<dyn Dataset>, indices: Vec<usize>) -> Self {
        let normalization = set.normalization().clone();
        Self { set, indices: Some(indices), normalization }
    }

    fn index(&self, index: usize) -> usize {
        self.indices.as_ref().map_or(index, |indices| indices[index])
    }
}

impl Dataset for View {
    fn name(&self) -> &str {
        self.set.name()
    }

    fn len(&self) -> usize {
        self.indices.as_ref().map_or(self.set.len(), Vec::len)
    }

    fn height(&self) -> usize {
        self.set.height()
    }

    fn width(&self) -> usize {
        self.set.width()
    }

    fn channels(&self) -> usize {
        self.set.channels()
    }

    fn class_names(&self) -> &[String] {
        self.set.class_names()
    }

    fn read(&self, index: usize, crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError> {
        self.set.read(self.index(index), crop, pixels)
    }

    fn crops(&self) -> bool {
        self.set.crops()
    }

    fn label(&self, index: usize) -> u32 {
        self.set.label(self.index(index))
    }

    fn normalization(&self) -> &Normalization {
        &self.normalization
    }

    fn skipped(&self) -> &[String] {
        self.set.skipped()
    }
}

impl DataSets {
    /// The same images, normalised with another mean and standard deviation.
    pub fn normalized_by(self, normalization: &Normalization) -> Self {
        let of = |set| Arc::new(View::normalized(set, normalization.clone())) as Arc<dyn Dataset>;
        Self { train: of(self.train), test: of(self.test), validation: self.validation.map(of) }
    }

    /// Takes a fraction of the training images of each class, rounded down and at equal distances, as validation images.
    ///
    /// # Errors
    /// [`DataError::NoValidation`] if no image would be taken, or all.
    pub fn with_validation(self, fraction: f64) -> Result<Self, DataError> {
        let mut seen = vec![0u64; self.train.classes()];
        let taken = |count: u64| (count as f64 * fraction) as u64;
        let (validation, train): (Vec<usize>, Vec<usize>) = (0..self.train.len()).partition(|&index| {
            let count = &mut seen[self.train.label(index) as usize];
            *count += 1;
            taken(*count) > taken(*count - 1)
        });
        if validation.is_empty() || train.is_empty() {
            let (name, images) = (self.train.name().to_owned(), self.train.len());
            return Err(DataError::NoValidation { name, fraction, images, taken: validation.len() });
        }
        let part = |indices| Arc::new(View::some(Arc::clone(&self.train), indices)) as Arc<dyn Dataset>;
        Ok(Self { validation: Some(part(validation)), train: part(train), test: self.test })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist;

    /// A quarter of each class, whatever the order of the images.
    #[test]
    fn validation_images_are_a_fraction_of_each_class() {
        let all = mnist::builtin().unwrap();
        let count = |set: &Arc<dyn Dataset>| {
            let mut counts = [0usize; 10];
            (0..set.len()).for_each(|index| counts[set.label(index) as usize] += 1);
            counts
        };
        let whole = count(&all.train);
        let split = all.clone().with_validation(0.25).unwrap();
        let validation = split.validation.clone().unwrap();
        assert_eq!(count(&validation), whole.map(|images| images / 4));
        assert_eq!(validation.len() + split.train.len(), all.train.len());
        assert!(Arc::ptr_eq(split.judged_on(), &validation) && split.test.len() == all.test.len());
        // The fourth image of its class is the first one taken.
        let first = (0..).filter(|&i| all.train.label(i) == validation.label(0)).nth(3).unwrap();
        assert_eq!(validation.image(0).unwrap(), all.train.image(first).unwrap());
        let normalized = split.normalized_by(&Normalization::usual(1));
        assert_eq!(normalized.judged_on().len(), validation.len());
        for (fraction, says) in [(1e-6, "0 of its 60000"), (1.0, "all of its")] {
            let error = all.clone().with_validation(fraction).unwrap_err().to_string();
            assert!(error.contains("mnist") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn images_are_spread_over_the_set() {
        let test = mnist::builtin().unwrap().test;
        let some = View::spread(Arc::clone(&test), 3);
        assert_eq!(some.indices.as_deref().unwrap(), [0, test.len() / 3, 2 * test.len() / 3]);
        assert_eq!(some.image(1).unwrap(), test.image(test.len() / 3).unwrap());
        assert_eq!(some.label(2), test.label(2 * test.len() / 3));
        assert_eq!(View::spread(Arc::clone(&test), usize::MAX).len(), test.len());
    }
}
