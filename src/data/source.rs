//! The value of `--data`: which data set, and where it lies.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::cifar::{self, Cifar, CifarError};
use super::folder::{self, FolderError};
use super::{DataSets, IdxDataset, IdxError, emnist, mnist};

/// The kinds of `--data` that need a directory.
const KINDS: [&str; 7] = ["mnist", "fashion-mnist", "emnist", "idx", "cifar10", "cifar100", "folder"];

/// A data set as the command line names it.
///
/// Parses from and displays as the value of `--data`, so that a run's configuration holds the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DataSource {
    /// `mnist`: the MNIST files inside the program.
    #[default]
    Mnist,
    /// `mnist:DIR`: the four MNIST files in a directory.
    MnistDir(PathBuf),
    /// `fashion-mnist:DIR`: the four files of Fashion-MNIST.
    FashionMnist(PathBuf),
    /// `emnist:DIR`, or `emnist:DIR/emnist-SPLIT` where there are several: a split of EMNIST.
    Emnist(PathBuf),
    /// `idx:DIR`: any four files in MNIST's layout.
    Idx(PathBuf),
    /// `cifar10:DIR`, `cifar100:DIR`: the extracted binary version.
    Cifar(Cifar, PathBuf),
    /// `folder:DIR`: pictures in `DIR/train/<class>/` and `DIR/val/<class>/`.
    Folder(PathBuf),
}

/// How a set is to be opened. Only folders of pictures need it.
pub struct Options<'a> {
    /// The side that images are seen at, in pixels.
    pub size: usize,
    /// What the shorter side is resized to before `size` is cut from the centre; `None` cuts nothing off it.
    pub resize: Option<usize>,
    /// Whether damaged images are left out; if not, they are an error.
    pub skip_corrupt: bool,
    /// The folder in which what was found out about a folder's files is kept; `None` keeps nothing.
    pub cache: Option<PathBuf>,
    /// Called before every image is looked at once, with their number: it may take minutes.
    pub scanning: &'a dyn Fn(usize),
}

impl Options<'_> {
    /// Images of `size` pixels, nothing cut off, skipped or kept.
    pub fn new(size: usize) -> Self {
        Self { size, resize: None, skip_corrupt: false, cache: None, scanning: &|_| {} }
    }
}

impl DataSource {
    /// Reads, checks and, but for folders, decodes the data set.
    ///
    /// # Errors
    /// [`DataError`], where a file is missing, damaged or not what it claims to be.
    pub fn open(&self, options: &Options<'_>) -> Result<DataSets, DataError> {
        match self {
            Self::Mnist => mnist::builtin(),
            Self::MnistDir(dir) => mnist::from_dir(dir),
            Self::FashionMnist(dir) => mnist::fashion(dir),
            Self::Emnist(dir) => emnist::open(dir),
            Self::Idx(dir) => Ok(IdxDataset::open(dir)?),
            Self::Cifar(set, dir) => Ok(cifar::open(*set, dir)?),
            Self::Folder(dir) => Ok(folder::open(dir, options)?),
        }
    }

    /// The kind, and the directory where there is one.
    fn parts(&self) -> (&'static str, Option<&PathBuf>) {
        match self {
            Self::Mnist => ("mnist", None),
            Self::MnistDir(dir) => ("mnist", Some(dir)),
            Self::FashionMnist(dir) => ("fashion-mnist", Some(dir)),
            Self::Emnist(dir) => ("emnist", Some(dir)),
            Self::Idx(dir) => ("idx", Some(dir)),
            Self::Cifar(set, dir) => (set.word(), Some(dir)),
            Self::Folder(dir) => ("folder", Some(dir)),
        }
    }
}

impl FromStr for DataSource {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let unknown = || DataError::UnknownSource { text: text.to_owned() };
        let Some((kind, dir)) = text.split_once(':') else {
            return match text {
                "mnist" => Ok(Self::Mnist),
                kind if KINDS.contains(&kind) => Err(DataError::NoDirectory { kind: kind.to_owned() }),
                _ => Err(unknown()),
            };
        };
        if dir.is_empty() && KINDS.contains(&kind) {
            return Err(DataError::NoDirectory { kind: kind.to_owned() });
        }
        let dir = PathBuf::from(dir);
        match kind {
            "mnist" => Ok(Self::MnistDir(dir)),
            "fashion-mnist" => Ok(Self::FashionMnist(dir)),
            "emnist" => Ok(Self::Emnist(dir)),
            "idx" => Ok(Self::Idx(dir)),
            "cifar10" => Ok(Self::Cifar(Cifar::Ten, dir)),
            "cifar100" => Ok(Self::Cifar(Cifar::Hundred, dir)),
            "folder" => Ok(Self::Folder(dir)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (kind, None) => f.write_str(kind),
            (kind, Some(dir)) => write!(f, "{kind}:{}", dir.display()),
        }
    }
}

/// Why a data set cannot be named or opened.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The text is not the name of a data set this program reads.
    #[error(
        "--data {text:?}: no such kind of data set; there are `mnist` (built in), and with a directory of yours \
         `mnist:DIR`, `fashion-mnist:DIR`, `emnist:DIR`, `idx:DIR`, `cifar10:DIR`, `cifar100:DIR` and `folder:DIR`"
    )]
    UnknownSource {
        /// The text.
        text: String,
    },
    /// The kind came without a directory.
    #[error("--data {kind}: names no directory after a colon; write `{kind}:DIR`{}", 
        if .kind == "mnist" { ", or `mnist` for the built-in set" } else { "" })]
    NoDirectory {
        /// The kind of data set.
        kind: String,
    },
    /// A directory or a text file cannot be read.
    #[error("{dir}: {error}; check that it is there and that you may read it")]
    Directory {
        /// The directory or file.
        dir: String,
        /// What the system said.
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
        /// The split that was wanted.
        wanted: String,
        /// The splits that are there.
        splits: String,
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
        /// What stands there.
        text: String,
    },
    /// A label comes before the mapping's first.
    #[error("{file}: label {index} is {label}, but the mapping begins with {first}; is this another split?")]
    BelowMapping {
        /// The file of labels.
        file: String,
        /// Which label.
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
        /// The checksum it has, in hexadecimal.
        found: String,
        /// The checksum it should have, in hexadecimal.
        expected: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_the_same_thing() {
        for (text, source) in [
            ("mnist", DataSource::Mnist),
            ("mnist:/a/b", DataSource::MnistDir("/a/b".into())),
            (r"mnist:C:\mnist", DataSource::MnistDir(r"C:\mnist".into())),
            ("fashion-mnist:f", DataSource::FashionMnist("f".into())),
            ("emnist:e/emnist-letters", DataSource::Emnist("e/emnist-letters".into())),
            ("idx:i", DataSource::Idx("i".into())),
            ("cifar10:c", DataSource::Cifar(Cifar::Ten, "c".into())),
            ("cifar100:c", DataSource::Cifar(Cifar::Hundred, "c".into())),
            ("folder:pets", DataSource::Folder("pets".into())),
        ] {
            assert_eq!(text.parse::<DataSource>().unwrap(), source);
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn other_kinds_are_refused_with_the_list() {
        for text in ["", "MNIST", "imagenet:/d", "CIFAR10:/d", "folders:/d", "mnist ", ":/d"] {
            let error = text.parse::<DataSource>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("`mnist:DIR`"), "{error}");
        }
        for text in ["mnist:", "folder:", "folder", "cifar10"] {
            let error = text.parse::<DataSource>().unwrap_err();
            assert!(matches!(error, DataError::NoDirectory { .. }), "{error}");
            assert!(error.to_string().contains(":DIR`"), "{error}");
        }
    }
}
