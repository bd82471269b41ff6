//! Why a data set cannot be named or opened.

use super::{cifar::CifarError, folder::FolderError, idx::IdxError};

/// Why a data set cannot be named or opened.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The text is not the name of a data set this program reads.
    #[error("--data {text:?}: no such data set; there are {known}")]
    UnknownSource {
        /// The text.
        text: String,
        /// The known data sets.
        known: String,
    },
    /// The data set came without a directory.
    #[error("--data {word}: names no directory after a colon; write {}", .forms.replace(", ", " or "))]
    NoDirectory {
        /// The data set's word.
        word: &'static str,
        /// The forms that name it.
        forms: String,
    },
    /// A directory or a text file cannot be read.
    #[error("{dir}: {error}; check that it is there and that you may read it")]
    Directory {
        /// The directory or file.
        dir: String,
        /// The system's error.
        error: std::io::Error,
    },
    /// There is not just one split of EMNIST.
    #[error(
        "{dir}: no single set of files {wanted}-train-images-idx3-ubyte and so on; the splits there: {}. {}",
        if .splits.is_empty() { "none" } else { .splits },
        if .splits.is_empty() { "Give the folder of the extracted archive" }
        else { "Name one, as --data emnist:DIR/emnist-letters" }
    )]
    Splits {
        /// The directory.
        dir: String,
        /// The requested split.
        wanted: String,
        /// The existing splits.
        splits: String,
    },
    /// A fraction of the training images is none of them, or all.
    #[error(
        "--val-fraction {fraction} takes {} training images as validation images of {name}; give a {} fraction",
        if *.taken == 0 { format!("0 of its {images}") } else { format!("all of its {images}") },
        if *.taken == 0 { "larger" } else { "smaller" }
    )]
    NoValidation {
        /// The data set.
        name: String,
        /// The fraction.
        fraction: f64,
        /// Its training images.
        images: usize,
        /// The images that would be taken.
        taken: usize,
    },
    /// A line of EMNIST's mapping cannot be read.
    #[error(
        "{file}, line {line}, {text:?}: each line must be a label, one more than on the line before, and the codes of \
         its characters; extract the archive again"
    )]
    Mapping {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The line's text.
        text: String,
    },
    /// A label comes before the mapping's first.
    #[error("{file}: label {index} is {label}, but the mapping begins with {first}; is this another split?")]
    BelowMapping {
        /// The file of labels.
        file: String,
        /// The label's index.
        index: usize,
        /// Its value.
        label: u8,
        /// The first label of the mapping.
        first: u8,
    },
    /// A CIFAR file is missing or damaged.
    #[error(transparent)]
    Cifar(#[from] CifarError),
    /// A folder of pictures cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file of IDX images or labels is missing or damaged.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// A file is sound but is not the published one.
    #[error(
        "{file}: the MD5 of the uncompressed content is {found}, but the original MNIST file's is {expected}; \
         this file is not the original: fetch it again, or use `--data mnist` for the built-in set"
    )]
    Checksum {
        /// The file.
        file: String,
        /// Its checksum, in hexadecimal.
        found: String,
        /// The expected checksum, in hexadecimal.
        expected: &'static str,
    },
}
