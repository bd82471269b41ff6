//! IDX, the format of MNIST: u8 images and u8 labels, gzipped or plain.
//!
//! A file is a magic number (two zero bytes, the type of the values, the number of dimensions), the dimensions
//! as big-endian u32, and the values. A data set is four such files, see [`Part`].

mod error;
mod file;
mod kind;

pub use error::IdxError;
pub use file::IdxFile;
pub use kind::IdxKind;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::{Crop, DataSets, Dataset, Normalization, picture::PictureError};

/// One of the four files of a data set in MNIST's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The training images.
    TrainImages,
    /// Their labels.
    TrainLabels,
    /// The test images.
    TestImages,
    /// Their labels.
    TestLabels,
}

impl Part {
    /// The four parts, in the order of the variants.
    pub const ALL: [Self; 4] = [Self::TrainImages, Self::TrainLabels, Self::TestImages, Self::TestLabels];

    /// The file's name without `.gz`.
    pub const fn stem(self) -> &'static str {
        match self {
            Self::TrainImages => "train-images-idx3-ubyte",
            Self::TrainLabels => "train-labels-idx1-ubyte",
            Self::TestImages => "t10k-images-idx3-ubyte",
            Self::TestLabels => "t10k-labels-idx1-ubyte",
        }
    }

    /// The kind of the file.
    pub const fn kind(self) -> IdxKind {
        match self {
            Self::TrainImages | Self::TestImages => IdxKind::Images,
            Self::TrainLabels | Self::TestLabels => IdxKind::Labels,
        }
    }

    /// The file in `dir`: its [`stem`](Part::stem) or the other common spelling (`train-images.idx3-ubyte`), plain before
    /// `.gz`.
    ///
    /// # Errors
    /// [`IdxError::Missing`] if there is none, with the names that were tried.
    pub fn find(self, dir: &Path) -> Result<PathBuf, IdxError> {
        find(dir, self.stem())
    }
}

/// The file with a name in `dir`, in any spelling.
pub(super) fn find(dir: &Path, stem: &str) -> Result<PathBuf, IdxError> {
    let dotted = stem.replace("-idx", ".idx");
    let names = [stem.to_owned(), format!("{stem}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let paths = names.iter().map(|name| dir.join(name));
    paths.into_iter().find(|path| path.is_file()).ok_or_else(|| IdxError::Missing {
        dir: dir.display().to_string(),
        looked_for: names.join(", "),
        reason: match std::fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => "the directory has none of",
            Ok(_) => "this is not a directory; looked there for",
            Err(_) => "the directory cannot be read; looked there for",
        },
    })
}

/// Reads the four parts, each on its own thread: the training images take longer than the rest together.
pub(super) fn read_parts<E: Send>(
    read: impl Fn(Part) -> Result<IdxFile, E> + Sync,
) -> Result<[IdxFile; 4], E> {
    let read = &read;
    let [a, b, c, d] = thread::scope(|scope| {
        Part::ALL
            .map(|part| scope.spawn(move || read(part)))
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    Ok([a?, b?, c?, d?])
}

/// Reads the four files of a directory.
pub(super) fn read_dir(dir: &Path) -> Result<[IdxFile; 4], IdxError> {
    read_parts(|part| IdxFile::open(&part.find(dir)?, part.kind()))
}

/// A data set of u8 grey images and u8 labels, stored as its two files.
#[derive(Clone, Debug)]
pub struct IdxDataset {
    name: String,
    images: IdxFile,
    labels: IdxFile,
    class_names: Vec<String>,
    normalization: Normalization,
}

impl IdxDataset {
    /// Joins images and labels.
    ///
    /// # Errors
    /// [`IdxError`] if a file is of the other kind, the counts differ, or a label is not below the number of class names.
    pub fn new(
        name: &str,
        images: IdxFile,
        labels: IdxFile,
        class_names: Vec<String>,
        normalization: Normalization,
    ) -> Result<Self, IdxError> {
        images.expect(IdxKind::Images)?;
        labels.expect(IdxKind::Labels)?;
        if images.len() != labels.len() {
            return Err(IdxError::Counts {
                images_file: images.name().to_owned(),
                images: images.len(),
                labels_file: labels.name().to_owned(),
                labels: labels.len(),
            });
        }
        let classes = class_names.len();
        if let Some(index) = labels.values().iter().position(|&label| usize::from(label) >= classes) {
            return Err(IdxError::Label {
                file: labels.name().to_owned(),
                index,
                label: labels.values()[index],
                classes,
            });
        }
        Ok(Self { name: name.to_owned(), images, labels, class_names, normalization })
    }

    /// Opens any data set in MNIST's layout, without checking checksums.
    ///
    /// The set is named after the directory and its classes `0`, `1`, ... up to the largest label; both halves are
    /// normalised by the mean and deviation of the training images.
    ///
    /// # Errors
    /// [`IdxError`] if a file is missing or damaged, images and labels do not match, or train and test images differ in size.
    pub fn open(dir: &Path) -> Result<DataSets, IdxError> {
        let name = dir.file_name().map_or_else(|| dir.to_string_lossy(), |name| name.to_string_lossy());
        let files = read_dir(dir)?;
        let labels = files.iter().filter(|file| file.kind() == IdxKind::Labels);
        let largest = labels.flat_map(IdxFile::values).max().map_or(0, |&label| usize::from(label));
        Self::pair(&name, files, (0..=largest).map(|class| class.to_string()).collect(), None)
    }

    /// Joins the files of [`Part::ALL`]; without a normalisation, measures the training images.
    pub(super) fn pair(
        name: &str,
        [train_images, train_labels, test_images, test_labels]: [IdxFile; 4],
        class_names: Vec<String>,
        normalization: Option<Normalization>,
    ) -> Result<DataSets, IdxError> {
        train_images.expect(IdxKind::Images)?;
        if train_images.image_size() != test_images.image_size() {
            return Err(IdxError::Sizes {
                train_file: train_images.name().to_owned(),
                train: train_images.image_size(),
                test_file: test_images.name().to_owned(),
                test: test_images.image_size(),
            });
        }
        let normalization = normalization.unwrap_or_else(|| measure(train_images.values()));
        let train = Self::new(name, train_images, train_labels, class_names.clone(), normalization.clone())?;
        let test = Self::new(name, test_images, test_labels, class_names, normalization)?;
        Ok(DataSets::new(Arc::new(train), Arc::new(test)))
    }
}

/// The mean and deviation of grey pixels, exact up to the last rounding; a deviation of 0 becomes 1.
fn measure(pixels: &[u8]) -> Normalization {
    let mut histogram = [0u64; 256];
    for &pixel in pixels {
        histogram[usize::from(pixel)] += 1;
    }
    let count = pixels.len() as f64;
    let moment = |power| {
        let terms = (0..256u32).map(|value| (f64::from(value) / 255.0).powi(power));
        terms.zip(histogram).map(|(term, n)| term * n as f64).sum::<f64>() / count
    };
    let mean = moment(1);
    let std = (moment(2) - mean * mean).max(0.0).sqrt();
    Normalization { mean: vec![mean as f32], std: vec![if std < 1e-6 { 1.0 } else { std as f32 }] }
}

impl Dataset for IdxDataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.images.len()
    }

    fn height(&self) -> usize {
        self.images.image_size().0
    }

    fn width(&self) -> usize {
        self.images.image_size().1
    }

    fn channels(&self) -> usize {
        1
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn read(&self, index: usize, _crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError> {
        pixels.copy_from_slice(&self.images.values()[index * pixels.len()..][..pixels.len()]);
        Ok(())
    }

    fn label(&self, index: usize) -> u32 {
        u32::from(self.labels.values()[index])
    }

    fn normalization(&self) -> &Normalization {
        &self.normalization
    }
}

#[cfg(test)]
mod tests;
