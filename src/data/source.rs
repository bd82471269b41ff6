//! The data sets, one row each, and the value of `--data`: which of them, and where it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::idx::{self, IdxDataset};
use super::{DataError, DataSets, Normalization, Options, cifar, emnist, folder, mnist};

/// A data set: a row of [`KINDS`](DataKind::KINDS).
#[derive(Debug)]
pub struct DataKind {
    /// The word of `--data`.
    pub word: &'static str,
    /// The content of its directory, in Markdown.
    pub reads: &'static str,
    /// Whether its images are letters or digits, which a recipe's rotation and translation suit.
    pub characters: bool,
    /// Whether its images are pictures of various sizes.
    pub pictures: bool,
    /// The names of its classes, separated by commas; empty if the files or their labels name them.
    pub classes: &'static str,
    /// The mean and deviation of each channel; `None` measures them on the training images.
    pub mean_std: Option<[&'static [f32]; 2]>,
    /// Opens the set inside the program, for `WORD` alone.
    built_in: Option<fn() -> Result<DataSets, DataError>>,
    /// Opens a directory, for `WORD:DIR`.
    dir: fn(&DataKind, &Path, &Options<'_>) -> Result<DataSets, DataError>,
}

impl DataKind {
    /// The defaults of a row.
    const USUAL: Self = Self {
        word: "",
        reads: "",
        characters: false,
        pictures: false,
        classes: "",
        mean_std: None,
        built_in: None,
        // Four files in MNIST's layout.
        dir: |kind, dir, _| {
            Ok(IdxDataset::pair(kind.word, idx::read_dir(dir)?, kind.class_names(), kind.normalization())?)
        },
    };

    /// Every data set.
    pub const KINDS: &[Self] = &[
        Self {
            word: "mnist",
            reads: "the four IDX files of MNIST, gzipped or not, which must be the originals",
            characters: true,
            classes: mnist::CLASSES,
            mean_std: Some(Normalization::MNIST),
            built_in: Some(mnist::builtin),
            dir: |_, dir, _| mnist::from_dir(dir),
            ..Self::USUAL
        },
        // Xiao, Rasul, Vollgraf: "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms" (2017).
        Self {
            word: "fashion-mnist",
            reads: "the four IDX files of Fashion-MNIST, gzipped or not",
            classes: "T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot",
            mean_std: Some([&[0.2860], &[0.3530]]),
            ..Self::USUAL
        },
        Self {
            word: "emnist",
            reads: "one split of EMNIST and its mapping; `emnist:DIR/emnist-letters` if there are several",
            characters: true,
            dir: |_, dir, _| emnist::open(dir),
            ..Self::USUAL
        },
        Self {
            word: "idx",
            reads: "any four IDX files in MNIST's layout, gzipped or not",
            dir: |_, dir, _| Ok(IdxDataset::open(dir)?),
            ..Self::USUAL
        },
        Self {
            word: "cifar10",
            reads: "the extracted binary version of CIFAR-10",
            mean_std: Some([&[0.4914, 0.4822, 0.4465], &[0.2470, 0.2435, 0.2616]]),
            dir: |kind, dir, _| Ok(cifar::open(&cifar::TEN, kind.normalization(), dir)?),
            ..Self::USUAL
        },
        Self {
            word: "cifar100",
            reads: "the extracted binary version of CIFAR-100",
            mean_std: Some([&[0.5071, 0.4865, 0.4409], &[0.2673, 0.2564, 0.2762]]),
            dir: |kind, dir, _| Ok(cifar::open(&cifar::HUNDRED, kind.normalization(), dir)?),
            ..Self::USUAL
        },
        Self {
            word: "folder",
            reads: "PNG and JPEG pictures in `DIR/train/CLASS/` and `DIR/val/CLASS/` (or `test`)",
            pictures: true,
            dir: |_, dir, options| Ok(folder::open(dir, options)?),
            ..Self::USUAL
        },
    ];

    /// The data set of a word.
    fn of(word: &str) -> Option<&'static Self> {
        Self::KINDS.iter().find(|kind| kind.word == word)
    }

    /// The forms of `--data` that name it, in Markdown.
    pub(crate) fn forms(&self) -> String {
        let alone = self.built_in.map_or(String::new(), |_| format!("`{}` (built in), ", self.word));
        format!("{alone}`{}:DIR`", self.word)
    }

    /// The names of its classes.
    fn class_names(&self) -> Vec<String> {
        self.classes.split(", ").map(str::to_owned).collect()
    }

    /// The normalisation of its images, unless it is measured.
    fn normalization(&self) -> Option<Normalization> {
        self.mean_std.map(Normalization::of)
    }
}

/// A data set as the command line names it.
///
/// Parses from and displays as the value of `--data`, so that a run's configuration has the same text. The default is `mnist`, the
/// files inside the program.
#[derive(Clone, Debug)]
pub struct DataSource {
    kind: &'static DataKind,
    dir: Option<PathBuf>,
}

impl DataSource {
    /// The data set.
    pub fn kind(&self) -> &'static DataKind {
        self.kind
    }

    /// All forms of `--data`, in Markdown.
    pub(crate) fn forms() -> String {
        DataKind::KINDS.iter().map(DataKind::forms).collect::<Vec<_>>().join(", ")
    }

    /// Reads, checks and, except for folders, decodes the data set.
    ///
    /// # Errors
    /// [`DataError`] if a file is missing, damaged or not what it claims to be.
    pub fn open(&self, options: &Options<'_>) -> Result<DataSets, DataError> {
        match (&self.dir, self.kind.built_in) {
            (None, Some(built_in)) => built_in(),
            (dir, _) => (self.kind.dir)(self.kind, dir.as_deref().unwrap_or(Path::new("")), options),
        }
    }
}

impl Default for DataSource {
    fn default() -> Self {
        Self { kind: &DataKind::KINDS[0], dir: None }
    }
}

impl FromStr for DataSource {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let (word, dir) = text.split_once(':').map_or((text, None), |(word, dir)| (word, Some(dir)));
        let unknown = || DataError::UnknownSource { text: text.to_owned(), known: Self::forms() };
        let kind = DataKind::of(word).ok_or_else(unknown)?;
        let nowhere = dir.map_or(kind.built_in.is_none(), str::is_empty);
        if nowhere {
            return Err(DataError::NoDirectory { word: kind.word, forms: kind.forms() });
        }
        Ok(Self { kind, dir: dir.map(PathBuf::from) })
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dir {
            None => f.write_str(self.kind.word),
            Some(dir) => write!(f, "{}:{}", self.kind.word, dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_print_as_they_are_typed() {
        for text in
            ["mnist", "mnist:/a/b", r"mnist:C:\mnist", "emnist:e/emnist-letters", "cifar100:c", "folder:pets"]
        {
            let source: DataSource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            assert_eq!(source.kind().word, text.split(':').next().unwrap());
            assert_eq!(source.dir.as_deref(), text.split_once(':').map(|(_, dir)| Path::new(dir)));
        }
        assert_eq!(DataSource::default().to_string(), "mnist");
    }

    #[test]
    fn each_row_has_a_word_and_says_what_it_reads() {
        for kind in DataKind::KINDS {
            assert!(!kind.word.is_empty() && !kind.reads.is_empty());
            let same = DataKind::KINDS.iter().filter(|other| other.word == kind.word);
            assert_eq!(same.count(), 1, "{}", kind.word);
            if let Some([mean, std]) = kind.mean_std {
                assert!(mean.len() == std.len() && matches!(mean.len(), 1 | 3), "{}", kind.word);
            }
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
