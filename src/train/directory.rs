//! The run directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    config::TrainConfig,
    error::RunError,
    lock::Lock,
    metrics::{Row, curves, to_csv},
    steps::Steps,
};
use crate::{
    files::{FileError, change, copy, remove_temporaries, write_text},
    pictures::curves_svg,
};

/// The first line of every `config.toml` that a run writes.
const MARK: &str = "# Written by vgg train: all that was resolved for this run.";

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.csv";
const STEPS: &str = "steps.csv";
const CURVES: &str = "curves.svg";
const REPORT: &str = "report.html";
const CHECKPOINT: &str = "checkpoint.safetensors";
const BEST: &str = "best.safetensors";

/// The directory of a run: `config.toml`, `metrics.csv`, `steps.csv`, `curves.svg`, `report.html`,
/// `checkpoint.safetensors`, `best.safetensors`. Every file in it is complete at all times, and only one run at a time writes there.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    /// `None` until [`RunDirectory::take_over`] if a run is resumed into another directory.
    lock: Option<Lock>,
    /// The directory of the checkpoint, if the run continues in another one.
    from: Option<PathBuf>,
}

impl RunDirectory {
    /// Creates and locks the directory of a new run and writes its `config.toml`, so that a directory that cannot be written
    /// to is an error before anything is trained.
    ///
    /// Without `output_dir` it is a new `runs/<recipe>`, `runs/<recipe>-2` and so on. A directory named by the user may
    /// exist, but must not contain a run, except one that was stopped before its first checkpoint.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn create(config: &TrainConfig) -> Result<Self, RunError> {
        let path = match &config.output_dir {
            Some(path) => path.into(),
            None => fresh(Path::new("runs"), &config.recipe)?,
        };
        let directory = Self { lock: Some(claim(&path)?), path, from: None };
        directory.write_config(config)?;
        Ok(directory)
    }

    /// The directory in which a resumed run continues, and its checkpoint: the one in the directory `from`, or the file `from`.
    ///
    /// The run continues in the checkpoint's directory, which is locked now; or in `output_dir`, which is locked and written
    /// once the trainer has checked and restored the checkpoint.
    ///
    /// # Errors
    /// [`RunError`]; [`RunError::NoCheckpoint`] says what to do with a run that was stopped before its first checkpoint.
    pub fn resume(from: &Path, output_dir: Option<&Path>) -> Result<(Self, PathBuf), RunError> {
        let checkpoint = if from.is_dir() { from.join(CHECKPOINT) } else { from.to_owned() };
        let own = checkpoint.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let same = |other: &Path| match (own.canonicalize(), other.canonicalize()) {
            (Ok(own), Ok(other)) => own == other,
            _ => false,
        };
        let found = |checkpoint: &Path| match fs::metadata(checkpoint) {
            Err(error) if from.is_dir() && error.kind() == io::ErrorKind::NotFound => {
                Err(no_checkpoint(from))
            }
            Err(error) => Err(FileError::new("read", checkpoint, error).into()),
            Ok(_) => Ok(()),
        };
        let directory = match output_dir.filter(|other| !same(other)) {
            Some(other) => {
                found(&checkpoint)?;
                free(other)?;
                Self { path: other.to_owned(), lock: None, from: Some(own.to_owned()) }
            }
            None => {
                // A missing file has no run directory either.
                if !from.is_dir() {
                    found(&checkpoint)?;
                }
                let lock = Lock::take(own)?;
                found(&checkpoint)?;
                remove_temporaries(own, &FILES);
                Self { path: own.to_owned(), lock: Some(lock), from: None }
            }
        };
        Ok((directory, checkpoint))
    }

    /// Starts a checked, resumed run: writes `config.toml`, and if the directory is not the checkpoint's, locks it and copies
    /// the best weights there. Returns whether the directory still needs a checkpoint.
    ///
    /// # Errors
    /// [`RunError`].
    pub(super) fn take_over(&mut self, config: &TrainConfig) -> Result<bool, RunError> {
        if self.lock.is_none() {
            self.lock = Some(claim(&self.path)?);
        }
        self.write_config(config)?;
        let Some(from) = &self.from else { return Ok(false) };
        if from.join(BEST).is_file() {
            copy(&from.join(BEST), &self.best())?;
        }
        Ok(true)
    }

    /// Removes the directory of a new run that ended before it began, unless there are other files in it.
    pub fn abandon(self) {
        let Self { path, lock, .. } = self;
        // What cannot be removed does no harm: a new run may take such a directory.
        let _ = change(|| fs::remove_file(path.join(CONFIG)));
        drop(lock);
        let _ = change(|| fs::remove_dir(&path));
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `checkpoint.safetensors`.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// `best.safetensors`.
    pub fn best(&self) -> PathBuf {
        self.path.join(BEST)
    }

    fn write_config(&self, config: &TrainConfig) -> Result<(), FileError> {
        write_text(&self.path.join(CONFIG), &format!("{MARK}\n{}", config.to_toml()))
    }

    /// Writes `report.html`; returns its path.
    ///
    /// # Errors
    /// [`FileError`] if the file cannot be written.
    pub fn write_report(&self, html: &str) -> Result<PathBuf, FileError> {
        let path = self.path.join(REPORT);
        write_text(&path, html)?;
        Ok(path)
    }

    /// Whether the directory contains a run.
    pub(super) fn contains_run(&self) -> bool {
        self.from.is_none() && matches!(owner(&self.path), Owner::Run)
    }

    /// Writes `metrics.csv`, `steps.csv` and `curves.svg`.
    pub(super) fn write_history(
        &self,
        title: &str,
        rows: &[Row],
        steps: &Steps,
        judged_on: &str,
    ) -> Result<(), FileError> {
        write_text(&self.path.join(METRICS), &to_csv(rows, judged_on))?;
        write_text(&self.path.join(STEPS), &steps.to_csv())?;
        write_text(&self.path.join(CURVES), &curves_svg(title, &[("", curves(rows))]))
    }
}

/// Creates the directory of a comparison: a new `runs/compare`, or the one named by the user, which must not contain one.
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

/// Creates the directory for runs with several seeds: a new `runs/<recipe>-seeds`, or the one named by the user.
///
/// # Errors
/// [`RunError`].
pub fn seeds_directory(named: Option<&Path>, recipe: &str) -> Result<PathBuf, RunError> {
    let Some(path) = named else { return fresh(Path::new("runs"), &format!("{recipe}-seeds")) };
    make_all(path)?;
    match owner(path) {
        Owner::Nobody => Ok(path.to_owned()),
        Owner::Run => Err(RunError::Taken { path: path.to_owned(), file: CONFIG }),
        Owner::Other => Err(RunError::Foreign { path: path.to_owned() }),
    }
}

/// Creates the first of `name`, `name-2`, `name-3`, ... that does not exist.
fn fresh(runs: &Path, name: &str) -> Result<PathBuf, RunError> {
    make_all(runs)?;
    let names = std::iter::once(name.to_owned()).chain((2..).map(|n: u32| format!("{name}-{n}")));
    for path in names.map(|name| runs.join(name)) {
        // Creating it is the test: two runs that start at the same time get two directories.
        match change(|| fs::create_dir(&path)) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FileError::new("create", &path, error).into()),
        }
    }
    unreachable!("there are more numbers than directories")
}

/// The files of a run.
const FILES: [&str; 7] = [CONFIG, METRICS, STEPS, CURVES, REPORT, CHECKPOINT, BEST];

/// Creates and locks a directory for a new run, and removes the files of a run that was stopped there before its first
/// checkpoint.
fn claim(path: &Path) -> Result<Lock, RunError> {
    make_all(path)?;
    let lock = Lock::take(path)?;
    free(path)?;
    remove_temporaries(path, &FILES);
    // The best weights last: as long as metrics are there, they would count as a result.
    for file in [METRICS, STEPS, CURVES, REPORT, BEST].map(|name| path.join(name)) {
        match change(|| fs::remove_file(&file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::new("replace", &file, error).into());
            }
            _ => {}
        }
    }
    Ok(lock)
}

/// Who wrote the `config.toml` of a directory.
enum Owner {
    Nobody,
    Run,
    Other,
}

fn owner(path: &Path) -> Owner {
    match fs::read_to_string(path.join(CONFIG)) {
        Ok(text) if text.starts_with(MARK) => Owner::Run,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Owner::Nobody,
        _ => Owner::Other,
    }
}

/// Refuses a directory that contains a run or the remains of one.
///
/// A run writes `config.toml`, then for each epoch `best.safetensors` if it is the best, `checkpoint.safetensors`,
/// `metrics.csv`, `steps.csv` and `curves.svg`. So without checkpoint and metrics it was stopped before its first checkpoint, and a new
/// run may take the directory; with metrics, somebody has removed the checkpoint, and the best weights are a result.
fn free(path: &Path) -> Result<(), RunError> {
    if path.is_file() {
        return Err(RunError::IsAFile { path: path.to_owned() });
    }
    let (owner, holds) = (owner(path), |file| path.join(file).exists());
    let taken = |file| Err(RunError::Taken { path: path.to_owned(), file });
    match owner {
        _ if holds(CHECKPOINT) => taken(CHECKPOINT),
        Owner::Other => Err(RunError::Foreign { path: path.to_owned() }),
        Owner::Nobody if holds(BEST) => Err(RunError::Results { path: path.to_owned() }),
        Owner::Run if holds(BEST) && holds(METRICS) => Err(RunError::Results { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// What to do with a directory that has no checkpoint.
fn no_checkpoint(path: &Path) -> RunError {
    let shown = path.display();
    let why = match owner(path) {
        _ if free(path).is_err() && path.join(BEST).exists() => format!(
            "there are only the best weights; a new run can begin with them: vgg train --weights {}",
            path.join(BEST).display()
        ),
        Owner::Run => format!(
            "the run was stopped before its first; start it again: vgg train --recipe {} --output-dir {shown}",
            path.join(CONFIG).display()
        ),
        _ => "it has no checkpoint.safetensors; name the directory of a run, or a checkpoint".to_owned(),
    };
    RunError::NoCheckpoint { path: path.to_owned(), why }
}

fn make_all(path: &Path) -> Result<(), RunError> {
    if path.is_file() {
        return Err(RunError::IsAFile { path: path.to_owned() });
    }
    change(|| fs::create_dir_all(path)).map_err(|error| FileError::new("create", path, error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_directory_is_gone_unless_others_have_files_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let output_dir = Some(path.to_str().unwrap().to_owned());
        let config = TrainConfig { output_dir, ..TrainConfig::builtin("quick").unwrap() };
        RunDirectory::create(&config).unwrap().abandon();
        assert!(!path.exists());

        fs::create_dir(&path).unwrap();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        RunDirectory::create(&config).unwrap().abandon();
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }
}
