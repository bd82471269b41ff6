//! Some of the images of a data set.

use std::sync::Arc;

use super::{
    dataset::{Crop, Dataset, Normalization},
    picture::PictureError,
};

/// Some of the images of a data set.
pub struct Subset {
    set: Arc<dyn Dataset>,
    indices: Vec<usize>,
}

impl Subset {
    /// `count` images at equal distances, or all if there are fewer: of sets in the order of their classes, some of each.
    pub fn spread(set: Arc<dyn Dataset>, count: usize) -> Self {
        let (count, len) = (count.min(set.len()), set.len());
        let indices = (0..count).map(|index| index * len / count).collect();
        Self { set, indices }
    }
}

impl Dataset for Subset {
    fn name(&self) -> &str {
        self.set.name()
    }

    fn len(&self) -> usize {
        self.indices.len()
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
        self.set.read(self.indices[index], crop, pixels)
    }

    fn crops(&self) -> bool {
        self.set.crops()
    }

    fn label(&self, index: usize) -> u32 {
        self.set.label(self.indices[index])
    }

    fn normalization(&self) -> &Normalization {
        self.set.normalization()
    }

    fn skipped(&self) -> &[String] {
        self.set.skipped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist;

    #[test]
    fn images_are_spread_over_the_set() {
        let test = mnist::builtin().unwrap().test;
        let some = Subset::spread(Arc::clone(&test), 3);
        assert_eq!(some.indices, [0, test.len() / 3, 2 * test.len() / 3]);
        assert_eq!(some.image(1).unwrap(), test.image(test.len() / 3).unwrap());
        assert_eq!(some.label(2), test.label(2 * test.len() / 3));
        assert_eq!(Subset::spread(Arc::clone(&test), usize::MAX).len(), test.len());
    }
}
