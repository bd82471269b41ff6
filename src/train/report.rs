//! The run directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    config::TrainConfig,
    curves,
    files::{FileError, write_text},
    metrics::{Row, to_csv},
};

/// The first line of a `config.toml` of ours.
const MARK: &str = "# Written by vgg train: all that was resolved for this run.";

/// A run directory that cannot be used.
#[derive(Debug, Error)]
pub enum RunError {
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is a file of this name.
    #[error("output directory {path} is a file; give another --output-dir")]
    IsAFile {
        /// The file.
        path: PathBuf,
    },
    /// Another run's results are there.
    #[error(
        "{path} holds another run ({file}); go on with it by --resume {path}, or give another --output-dir"
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// What was found.
        file: &'static str,
    },
    /// Another comparison's results are there.
    #[error("{path} holds another comparison (compare.md); give another --output-dir")]
    Compared {
        /// The directory.
        path: PathBuf,
    },
    /// A `config.toml` that no run has written.
    #[error("{path} holds a config.toml that is not a run's; give another --output-dir")]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// There is no checkpoint to resume.
    #[error("there is no checkpoint to resume in {path}: it has no checkpoint.safetensors")]
    NoCheckpoint {
        /// The directory.
        path: PathBuf,
    },
}

/// A directory that holds a run: `config.toml`, `metrics.csv`, `curves.svg`, `report.html`,
/// `checkpoint.safetensors`, `best.safetensors`. Every file in it is whole at all times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
    /// The best weights of another directory, which a resumed run begins with.
    best_before: Option<PathBuf>,
}

impl RunDirectory {
    /// Makes the directory of a new run and writes its `config.toml`, so that a place that cannot be written to is an
    /// error before anything is trained.
    ///
    /// Without `output_dir` it is a fresh `runs/<recipe>`, or `runs/<recipe>-2` and so on. A directory
    /// that the user named may exist, but must not hold a run.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn create(config: &TrainConfig) -> Result<Self, RunError> {
        let path = match &config.output_dir {
            Some(path) => named(Path::new(path))?,
            None => fresh(Path::new("runs"), &config.recipe)?,
        };
        let directory = Self { path, best_before: None };
        directory.write_config(config)?;
        Ok(directory)
    }

    /// The checkpoint that `--resume` names: the file itself, or that of a run directory.
    ///
    /// # Errors
    /// [`RunError::NoCheckpoint`] where a directory has none.
    pub fn checkpoint_of(resume: &Path) -> Result<PathBuf, RunError> {
        let file = resume.join("checkpoint.safetensors");
        match resume.is_dir() {
            true if file.is_file() => Ok(file),
            true => Err(RunError::NoCheckpoint { path: resume.to_owned() }),
            false => Ok(resume.to_owned()),
        }
    }

    /// The directory in which a resumed run goes on: the checkpoint's own, or `output_dir`. What is in it stays as it is until
    /// [`RunDirectory::take_over`].
    ///
    /// # Errors
    /// [`RunError`].
    pub fn resume(checkpoint: &Path, config: &TrainConfig) -> Result<Self, RunError> {
        let own = checkpoint.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let same = |other: &Path| match (own.canonicalize(), other.canonicalize()) {
            (Ok(own), Ok(other)) => own == other,
            _ => false,
        };
        Ok(match config.output_dir.as_deref().map(Path::new) {
            Some(other) if !same(other) => {
                let best = own.join("best.safetensors");
                Self { path: named(other)?, best_before: best.is_file().then_some(best) }
            }
            _ => Self { path: own.to_owned(), best_before: None },
        })
    }

    /// Begins with a resumed run, which has been checked: copies the best weights, where they are elsewhere, and writes
    /// `config.toml`.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn take_over(&self, config: &TrainConfig) -> Result<(), RunError> {
        if let Some(from) = &self.best_before {
            let to = self.best();
            fs::copy(from, &to).map_err(|error| FileError::new("write", &to, error))?;
        }
        Ok(self.write_config(config)?)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `checkpoint.safetensors`.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// `best.safetensors`.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    fn write_config(&self, config: &TrainConfig) -> Result<(), FileError> {
        write_text(&self.path.join("config.toml"), &format!("{MARK}\n{}", config.to_toml()))
    }

    /// Writes `report.html`; gives its path.
    ///
    /// # Errors
    /// [`FileError`] where the system refuses.
    pub fn write_report(&self, html: &str) -> Result<PathBuf, FileError> {
        let path = self.path.join("report.html");
        write_text(&path, html)?;
        Ok(path)
    }

    /// Writes `metrics.csv` and `curves.svg`.
    pub(super) fn write_history(&self, title: &str, rows: &[Row]) -> Result<(), FileError> {
        write_text(&self.path.join("metrics.csv"), &to_csv(rows))?;
        write_text(&self.path.join("curves.svg"), &curves::svg(title, rows))
    }
}

/// Makes the directory of a comparison: a fresh `runs/compare`, or the one that the user named, which must hold none.
///
/// # Errors
/// [`RunError`].
pub fn comparison_directory(named: Option<&Path>) -> Result<PathBuf, RunError> {
    let Some(path) = named else { return fresh(Path::new("runs"), "compare") };
    make_all(path)?;
    match path.join("compare.md").exists() {
        true => Err(RunError::Compared { path: path.to_owned() }),
        false => Ok(path.to_owned()),
    }
}

/// Makes the first of `name`, `name-2`, `name-3` that is not there.
fn fresh(runs: &Path, name: &str) -> Result<PathBuf, RunError> {
    make_all(runs)?;
    let names = std::iter::once(name.to_owned()).chain((2..).map(|n: u32| format!("{name}-{n}")));
    for path in names.map(|name| runs.join(name)) {
        // Making it is the test: two runs that start together get two directories.
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FileError::new("create", &path, error).into()),
        }
    }
    unreachable!("there are more numbers than directories")
}

/// Makes a directory that the user named, or takes it where it holds no run.
fn named(path: &Path) -> Result<PathBuf, RunError> {
    make_all(path)?;
    for file in ["checkpoint.safetensors", "best.safetensors"] {
        if path.join(file).exists() {
            return Err(RunError::Taken { path: path.to_owned(), file });
        }
    }
    match fs::read_to_string(path.join("config.toml")) {
        // A run that ended before its first checkpoint: there is nothing to lose.
        Ok(text) if text.starts_with(MARK) => Ok(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        _ => Err(RunError::Foreign { path: path.to_owned() }),
    }
}

fn make_all(path: &Path) -> Result<(), RunError> {
    if path.is_file() {
        return Err(RunError::IsAFile { path: path.to_owned() });
    }
    fs::create_dir_all(path).map_err(|error| FileError::new("create", path, error).into())
}
