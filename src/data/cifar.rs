//! CIFAR-10 and CIFAR-100: 60,000 pictures of 32 x 32 pixels in colour, in their binary version.
//!
//! A file is a sequence of records: the label (CIFAR-100: the coarse label, then the fine one, which is used), then the
//! red, green and blue planes of 1024 bytes each.
//!
//! # Source
//! Alex Krizhevsky: "Learning Multiple Layers of Features from Tiny Images" (2009), and the sets' page on the layout.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Crop, DataSets, Dataset, Normalization, picture::PictureError};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// Files with more records than this are not CIFAR files.
const MAX_RECORDS: u64 = 1_000_000;

/// One of the two sets.
pub(super) struct Cifar {
    /// The word of `--data`.
    word: &'static str,
    classes: usize,
    /// Bytes of labels before each image; the last is the class.
    labels: usize,
    /// The folder in the published archive, and the archive.
    published: [&'static str; 2],
    train_files: &'static [&'static str],
    test_file: &'static str,
    names_file: &'static str,
    /// Files of the version for Python.
    python: [&'static str; 2],
}

pub(super) static TEN: Cifar = Cifar {
    word: "cifar10",
    classes: 10,
    labels: 1,
    published: ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"],
    train_files: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test_file: "test_batch.bin",
    names_file: "batches.meta.txt",
    python: ["data_batch_1", "cifar-10-batches-py/data_batch_1"],
};

pub(super) static HUNDRED: Cifar = Cifar {
    word: "cifar100",
    classes: 100,
    labels: 2,
    published: ["cifar-100-binary", "cifar-100-binary.tar.gz"],
    train_files: &["train.bin"],
    test_file: "test.bin",
    names_file: "fine_label_names.txt",
    python: ["train", "cifar-100-python/train"],
};

/// Files that are not a CIFAR set.
#[derive(Debug, thiserror::Error)]
pub enum CifarError {
    /// A file is missing.
    #[error("{dir}: no {file}; {hint}")]
    Missing {
        /// The directory.
        dir: String,
        /// The file.
        file: &'static str,
        /// The likely cause.
        hint: String,
    },
    /// A file cannot be read.
    #[error("{file}: {error}; check that it is a file that you may read")]
    Io {
        /// The file.
        file: String,
        /// The system's error.
        error: std::io::Error,
    },
    /// A file is not a sequence of records.
    #[error(
        "{file}: {bytes} bytes, which is not a whole number of records of {record} bytes from 1 to {MAX_RECORDS}; \
         the file is cut short or of another set, extract the archive again"
    )]
    Length {
        /// The file.
        file: String,
        /// Its length.
        bytes: u64,
        /// Bytes in a record.
        record: usize,
    },
    /// A label is not a class.
    #[error(
        "{file}: record {index} has the label {label}, but {set} has {classes} classes, counted from 0; is this another set?"
    )]
    Label {
        /// The file.
        file: String,
        /// The record, counted from 0.
        index: usize,
        /// Its label.
        label: u8,
        /// The set.
        set: &'static str,
        /// Its classes.
        classes: usize,
    },
    /// The number of class names is not the number of classes.
    #[error("{file}: {found} names, but {set} has {classes} classes; extract the archive again")]
    Names {
        /// The file.
        file: String,
        /// The number of names.
        found: usize,
        /// The set.
        set: &'static str,
        /// Its classes.
        classes: usize,
    },
}

/// One half of a CIFAR set, in memory.
struct CifarDataset {
    name: &'static str,
    /// `[N, H, W, C]`.
    images: Vec<u8>,
    labels: Vec<u8>,
    class_names: Vec<String>,
    normalization: Normalization,
}

/// Opens the extracted archive: its folder, or the folder that contains it.
///
/// # Errors
/// [`CifarError`] if a file is missing or damaged, or has labels or names of another set.
pub(super) fn open(
    set: &Cifar,
    normalization: Option<Normalization>,
    dir: &Path,
) -> Result<DataSets, CifarError> {
    let normalization = normalization.expect("the row has it");
    let inner = dir.join(set.published[0]);
    let dir = if inner.is_dir() { &inner } else { dir };
    let names = class_names(set, dir)?;
    let half = |files: &[&'static str]| -> Result<Arc<dyn Dataset>, CifarError> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for file in files {
            records(set, &find(set, dir, file)?, &mut images, &mut labels)?;
        }
        Ok(Arc::new(CifarDataset {
            name: set.word,
            images,
            labels,
            class_names: names.clone(),
            normalization: normalization.clone(),
        }))
    };
    Ok(DataSets::new(half(set.train_files)?, half(&[set.test_file])?))
}

fn find(set: &Cifar, dir: &Path, file: &'static str) -> Result<PathBuf, CifarError> {
    let path = dir.join(file);
    if path.is_file() { Ok(path) } else { Err(missing(set, dir, file)) }
}

/// The likely cause of a missing file.
fn missing(set: &Cifar, dir: &Path, file: &'static str) -> CifarError {
    let [folder, archive] = set.published;
    let parent = dir.parent().unwrap_or(dir);
    let packed = [dir.join(archive), parent.join(archive)].into_iter().find(|path| path.is_file());
    let other = if set.classes == TEN.classes { &HUNDRED } else { &TEN };
    let hint = if let Some(packed) = packed {
        let into = packed.parent().unwrap_or(dir).display();
        format!("the archive is there but packed; run: tar xzf {} -C {into}", packed.display())
    } else if dir.join(other.test_file).is_file() || dir.join(other.published[0]).is_dir() {
        format!("this is the other set; write --data {}:{}", other.word, dir.display())
    } else if set.python.iter().any(|name| dir.join(name).is_file()) {
        format!("this is the Python version; only the binary version ({archive}) is read")
    } else if dir.is_dir() {
        format!("give the folder {folder} from {archive}, with all of its files")
    } else {
        format!("this is not a directory; extract {archive} and give its folder")
    };
    CifarError::Missing { dir: dir.display().to_string(), file, hint }
}

/// Appends a file's records.
fn records(set: &Cifar, path: &Path, images: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<(), CifarError> {
    let file = path.display().to_string();
    let record = set.labels + 3 * PLANE;
    let io = |error| CifarError::Io { file: file.clone(), error };
    let bytes = fs::metadata(path).map_err(io)?.len();
    if bytes == 0 || !bytes.is_multiple_of(record as u64) || bytes / record as u64 > MAX_RECORDS {
        return Err(CifarError::Length { file, bytes, record });
    }
    let content = fs::read(path).map_err(io)?;
    if content.len() as u64 != bytes {
        return Err(CifarError::Length { file, bytes: content.len() as u64, record });
    }
    images.reserve_exact(bytes as usize / record * 3 * PLANE);
    for (index, record) in content.chunks_exact(record).enumerate() {
        let (head, planes) = record.split_at(set.labels);
        let label = head[head.len() - 1];
        if usize::from(label) >= set.classes {
            let (set, classes) = (set.word, set.classes);
            return Err(CifarError::Label { file, index, label, set, classes });
        }
        labels.push(label);
        let start = images.len();
        images.resize(start + 3 * PLANE, 0);
        for (channel, plane) in planes.chunks_exact(PLANE).enumerate() {
            let to = images[start + channel..].iter_mut().step_by(3);
            to.zip(plane).for_each(|(to, from)| *to = *from);
        }
    }
    Ok(())
}

/// The names in the set's own file.
fn class_names(set: &Cifar, dir: &Path) -> Result<Vec<String>, CifarError> {
    let path = find(set, dir, set.names_file)?;
    let file = path.display().to_string();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(CifarError::Io { file, error }),
    };
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() != set.classes {
        let (found, set, classes) = (names.len(), set.word, set.classes);
        return Err(CifarError::Names { file, found, set, classes });
    }
    Ok(names)
}

impl Dataset for CifarDataset {
    fn name(&self) -> &str {
        self.name
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn height(&self) -> usize {
        SIDE
    }

    fn width(&self) -> usize {
        SIDE
    }

    fn channels(&self) -> usize {
        3
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn read(&self, index: usize, _crop: Crop<'_>, pixels: &mut [u8]) -> Result<(), PictureError> {
        pixels.copy_from_slice(&self.images[index * 3 * PLANE..][..3 * PLANE]);
        Ok(())
    }

    fn label(&self, index: usize) -> u32 {
        self.labels[index].into()
    }

    fn normalization(&self) -> &Normalization {
        &self.normalization
    }
}
