//! What the rest of the program sees of a data set.

use std::path::PathBuf;
use std::sync::Arc;

use super::crop::Rectangle;
use super::picture::PictureError;

/// The part of an image to crop, given its height and width.
pub type Crop<'a> = &'a (dyn Fn([usize; 2]) -> Option<Rectangle> + Sync);

/// Labelled images of one size.
///
/// Methods that take an index panic if it is not below [`len`](Dataset::len), as a slice does.
pub trait Dataset: Send + Sync {
    /// The set's name in reports, such as `mnist`.
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
    /// A set whose images vary in size ([`crops`](Dataset::crops)) reads the part returned by `crop`, or for `None` the
    /// evaluation's centre crop. Other sets read whole images.
    ///
    /// # Errors
    /// [`PictureError`] if a file has changed since the set was opened.
    fn read(&self, index: usize, crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError>;

    /// Whether [`read`](Dataset::read) crops; if not, the device does.
    fn crops(&self) -> bool {
        false
    }

    /// One image as in an evaluation, `[H, W, C]`, channels last.
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

    /// The mean and standard deviation for normalising a network's input.
    fn normalization(&self) -> &Normalization;

    /// The files that were left out when the set was opened, each with the reason.
    fn skipped(&self) -> &[String] {
        &[]
    }
}

/// Normalises pixels to about mean 0 and standard deviation 1: `(value / 255 - mean) / std`.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// The mean of each channel, `[C]`, in units of 0 to 1.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel, `[C]`, in units of 0 to 1.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The mean and deviation of each channel of MNIST's training images.
    pub(super) const MNIST: [&'static [f32]; 2] = [&[0.1307], &[0.3081]];
    /// Those of ImageNet's.
    const IMAGENET: [&'static [f32]; 2] = [&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]];

    pub(super) fn of([mean, std]: [&[f32]; 2]) -> Self {
        Self { mean: mean.to_vec(), std: std.to_vec() }
    }

    /// The default for weights that do not record theirs: for three channels ImageNet's, which torchvision's and timm's
    /// weights were trained with; for one channel MNIST's.
    pub fn usual(channels: usize) -> Self {
        Self::of(if channels == 3 { Self::IMAGENET } else { Self::MNIST })
    }

    /// The normalisation for grey images: averages over the channels.
    pub fn grey(&self) -> Self {
        let mean = |values: &[f32]| vec![values.iter().sum::<f32>() / values.len() as f32];
        Self { mean: mean(&self.mean), std: mean(&self.std) }
    }

    /// Checks that means and deviations are finite and deviations are above 0.
    ///
    /// # Errors
    /// A message about the first bad channel.
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

/// The parts of a data set.
#[derive(Clone)]
pub struct DataSets {
    /// The training images.
    pub train: Arc<dyn Dataset>,
    /// The test images, never trained on.
    pub test: Arc<dyn Dataset>,
    /// Images that [`with_validation`](DataSets::with_validation) took from the training images, to choose the best epoch by.
    pub validation: Option<Arc<dyn Dataset>>,
}

impl DataSets {
    /// A set without validation images.
    pub fn new(train: Arc<dyn Dataset>, test: Arc<dyn Dataset>) -> Self {
        Self { train, test, validation: None }
    }

    /// The images that the epochs of a training are judged on: the validation images, else the test images.
    pub fn judged_on(&self) -> &Arc<dyn Dataset> {
        self.validation.as_ref().unwrap_or(&self.test)
    }
}

impl std::fmt::Debug for DataSets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, train, test) = (self.train.name(), self.train.len(), self.test.len());
        write!(f, "DataSets({name}: {train} train, {test} test images)")
    }
}

/// How to open a set. Only folders of pictures need it.
pub struct Options<'a> {
    /// The side of the network's input, in pixels.
    pub size: usize,
    /// The length to which the shorter side is resized before the centre crop of `size`; `None` keeps the full shorter side.
    pub resize: Option<usize>,
    /// Whether damaged images are left out; if not, they are an error.
    pub skip_corrupt: bool,
    /// The folder for cached scans; `None` caches nothing.
    pub cache: Option<PathBuf>,
    /// Called with the number of images before a scan, which may take minutes.
    pub scanning: &'a dyn Fn(usize),
}

impl Options<'_> {
    /// Images of `size` pixels, with nothing cropped, skipped or cached.
    pub fn new(size: usize) -> Self {
        Self { size, resize: None, skip_corrupt: false, cache: None, scanning: &|_| {} }
    }
}
