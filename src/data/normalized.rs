//! A data set normalised with a mean and standard deviation other than its own.

use std::sync::Arc;

use super::{Crop, Dataset, Normalization, picture::PictureError};

struct Normalized {
    set: Arc<dyn Dataset>,
    normalization: Normalization,
}

pub(super) fn by(set: Arc<dyn Dataset>, normalization: Normalization) -> Arc<dyn Dataset> {
    Arc::new(Normalized { set, normalization })
}

impl Dataset for Normalized {
    fn name(&self) -> &str {
        self.set.name()
    }

    fn len(&self) -> usize {
        self.set.len()
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
        self.set.read(index, crop, pixels)
    }

    fn crops(&self) -> bool {
        self.set.crops()
    }

    fn label(&self, index: usize) -> u32 {
        self.set.label(index)
    }

    fn normalization(&self) -> &Normalization {
        &self.normalization
    }

    fn skipped(&self) -> &[String] {
        self.set.skipped()
    }
}
