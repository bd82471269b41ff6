//! Data: labelled images on the host, the order they are drawn in, and how each is moved about.
//!
//! A [`Dataset`] gives u8 images of one size, channels last, from memory or from the files of a folder;
//! [`DataSource`] names one the way the command line does; a [`Loader`] turns it into [`Batch`]es, shuffled and
//! augmented as pure functions of (seed, epoch); [`picture`] brings any PNG or JPEG into the form a network was
//! trained on. Resizing, augmenting and normalising the pixels themselves is the device's work: a batch carries u8
//! images and their transforms. Only files of all sizes are cropped and resized here, as they are decoded.

mod augment;
pub mod cifar;
mod crop;
mod emnist;
pub mod folder;
pub mod idx;
mod loader;
pub mod mnist;
mod normalized;
pub mod picture;
mod shuffle;
mod source;

pub use augment::{Augmentation, AugmentationError, IDENTITY};
pub use crop::Rectangle;
pub use idx::{IdxDataset, IdxError};
pub use loader::{Batch, Batches, Loader, LoaderError};
pub use shuffle::permutation;
pub use source::{DataError, DataSource, Options};

use std::sync::Arc;

use picture::PictureError;

/// Says which part of an image to see, given its height and width.
pub type Crop<'a> = &'a (dyn Fn([usize; 2]) -> Option<Rectangle> + Sync);

/// Labelled images that are seen at one size.
///
/// Methods that take an index panic where it is not below [`len`](Dataset::len), as a slice does.
pub trait Dataset: Send + Sync {
    /// What the set is called in reports, such as `mnist`.
    fn name(&self) -> &str;

    /// The number of images.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The height of each image, in pixels.
    fn height(&self) -> usize;

    /// The width of each image, in pixels.
    fn width(&self) -> usize;

    /// The number of channels: 1 for grey, 3 for red, green, blue.
    fn channels(&self) -> usize;

    /// The name of each class; a label is an index into this.
    fn class_names(&self) -> &[String];

    /// The number of classes.
    fn classes(&self) -> usize {
        self.class_names().len()
    }

    /// Writes one image, `[H, W, C]`, channels last, over all of `pixels`.
    ///
    /// A set whose images have sizes of their own sees the part that `crop` says, or where it says none the centre
    /// that an evaluation sees; [`crops`](Dataset::crops) tells which sets do. The others see whole images.
    ///
    /// # Errors
    /// [`PictureError`] where a file has changed since the set was opened.
    fn read(&self, index: usize, crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError>;

    /// Whether [`read`](Dataset::read) crops; if not, the device does.
    fn crops(&self) -> bool {
        false
    }

    /// One image as an evaluation sees it, `[H, W, C]`, channels last.
    ///
    /// # Errors
    /// As [`read`](Dataset::read).
    fn image(&self, index: usize) -> Result<Vec<u8>, PictureError> {
        let mut pixels = vec![0; self.height() * self.width() * self.channels()];
        self.read(index, &|_| None, &mut pixels)?;
        Ok(pixels)
    }

    /// The class of one image, below [`classes`](Dataset::classes).
    fn label(&self, index: usize) -> u32;

    /// The mean and standard deviation that a network's input is normalised with.
    fn normalization(&self) -> &Normalization;

    /// The files that were left out when the set was opened, each with the reason.
    fn skipped(&self) -> &[String] {
        &[]
    }
}

/// What brings pixels to about mean 0 and deviation 1: `(value / 255 - mean) / std`.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// The mean of each channel, `[C]`, in units of 0 to 1.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel, `[C]`, in units of 0 to 1.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The usual one for weights that do not name theirs: ImageNet's for three channels, which torchvision's and timm's
    /// weights were trained with, MNIST's for one.
    pub fn usual(channels: usize) -> Self {
        if channels != 3 {
            return mnist::normalization();
        }
        Self { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] }
    }

    /// For grey images: the means over the channels.
    pub fn grey(&self) -> Self {
        let mean = |values: &[f32]| vec![values.iter().sum::<f32>() / values.len() as f32];
        Self { mean: mean(&self.mean), std: mean(&self.std) }
    }

    /// Checks that it gives numbers: finite means, and deviations that are numbers above 0.
    ///
    /// # Errors
    /// What is wrong with which channel, in words.
    pub fn check(&self) -> Result<(), String> {
        let faulty = |(mean, std): (&f32, &f32)| !(mean.is_finite() && std.is_normal() && *std > 0.0);
        match self.mean.iter().zip(&self.std).position(faulty) {
            None => Ok(()),
            Some(channel) => Err(format!(
                "channel {channel} is normalised with mean {:?} and std {:?}, but both must be finite and std above 0",
                self.mean[channel], self.std[channel]
            )),
        }
    }
}

/// The two halves of a data set.
#[derive(Clone)]
pub struct DataSets {
    /// The images to learn from.
    pub train: Arc<dyn Dataset>,
    /// The images to measure with; none of them is learnt from.
    pub test: Arc<dyn Dataset>,
}

impl DataSets {
    /// The same images, normalised with another mean and standard deviation.
    pub fn normalized_by(self, normalization: &Normalization) -> Self {
        let of = |set| normalized::by(set, normalization.clone());
        Self { train: of(self.train), test: of(self.test) }
    }
}

impl std::fmt::Debug for DataSets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, train, test) = (self.train.name(), self.train.len(), self.test.len());
        write!(f, "DataSets({name}: {train} train, {test} test images)")
    }
}
