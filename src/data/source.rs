//! The value of `--data`: which data set, and where it lies.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{DataSets, IdxError, mnist};

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
}

impl DataSource {
    /// Reads, checks and decodes the data set.
    ///
    /// # Errors
    /// [`DataError`], where a file is missing, damaged or not what it claims to be.
    pub fn open(&self) -> Result<DataSets, DataError> {
        match self {
            Self::Mnist => mnist::builtin(),
            Self::MnistDir(dir) => mnist::from_dir(dir),
        }
    }
}

impl FromStr for DataSource {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text.split_once(':') {
            None if text == "mnist" => Ok(Self::Mnist),
            Some(("mnist", "")) => Err(DataError::NoDirectory),
            Some(("mnist", dir)) => Ok(Self::MnistDir(PathBuf::from(dir))),
            _ => Err(DataError::UnknownSource { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mnist => f.write_str("mnist"),
            Self::MnistDir(dir) => write!(f, "mnist:{}", dir.display()),
        }
    }
}

/// Why a data set cannot be named or opened.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The text is not the name of a data set this program reads.
    #[error(
        "--data {text:?}: no such kind of data set; there are `mnist` (built in) and `mnist:DIR` \
         (the four MNIST files in a directory of yours)"
    )]
    UnknownSource {
        /// The text.
        text: String,
    },
    /// `mnist:` came without a directory.
    #[error(
        "--data mnist: names no directory after the colon; write `mnist:DIR`, or `mnist` for the built-in set"
    )]
    NoDirectory,
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
        ] {
            assert_eq!(text.parse::<DataSource>().unwrap(), source);
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn other_kinds_are_refused_with_the_list() {
        for text in ["", "MNIST", "fashion-mnist:/d", "cifar10:/d", "folder:/d", "mnist ", ":/d"] {
            let error = text.parse::<DataSource>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("`mnist:DIR`"), "{error}");
        }
        assert!(matches!("mnist:".parse::<DataSource>(), Err(DataError::NoDirectory)));
    }
}
