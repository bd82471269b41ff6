//! A data set seen otherwise: some of its images, or another normalisation.

use std::sync::Arc;

use super::{
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
        let (count, len, normalization) = (count.min(set.len()), set.len(), set.normalization().clone());
        let indices = (0..count).map(|index| index * len / count).collect();
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
        let of = |set| Arc::new(View::normalized(set, normalization.clone()));
        Self { train: of(self.train), test: of(self.test) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist;

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
