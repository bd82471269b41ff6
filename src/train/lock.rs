//! The lock of a run directory: only one run at a time writes there.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::error::RunError;
use crate::files::{FileError, change};

/// The locked file; it contains the process ID.
const NAME: &str = ".lock";

/// How often a lock file that another run has just removed is created again.
const TRIES: usize = 100;

/// A locked directory. The lock ends with this value or with the process, however that ends. A killed process leaves the
/// file behind; the next run locks and removes it.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Closing the file releases the lock.
    file: File,
}

impl Lock {
    /// Locks a directory.
    ///
    /// On a file system without locks there is no lock.
    ///
    /// # Errors
    /// [`RunError::Locked`] if another run has the lock, [`FileError`] from the system or if the file is not a run's lock.
    pub fn take(directory: &Path) -> Result<Self, RunError> {
        let path = directory.join(NAME);
        let failed = |error| FileError::new("lock", &path, error);
        let foreign = || failed(io::Error::new(io::ErrorKind::AlreadyExists, "it is not the lock of a run"));
        for _ in 0..TRIES {
            // Never write through a link.
            if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
                return Err(foreign().into());
            }
            let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = change(open).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let process = process(&mut file).ok().flatten();
                    return Err(RunError::Locked { path: directory.to_owned(), process });
                }
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(failed(error).into()),
            }
            // A run that ended after this file was opened has removed it: this lock would exclude nobody.
            if !is_at(&file, &path) {
                continue;
            }
            process(&mut file).map_err(|_| foreign())?;
            let mut lock = Self { file, path: path.clone() };
            change(|| lock.record()).map_err(failed)?;
            return Ok(lock);
        }
        Err(failed(io::Error::other("other runs keep creating and removing it")).into())
    }

    /// Records the process ID.
    fn record(&mut self) -> io::Result<()> {
        let number = std::process::id().to_string();
        self.file.rewind()?;
        self.file.write_all(number.as_bytes())?;
        self.file.set_len(number.len() as u64)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock is released, so that a later run's file is not removed. Other systems keep the file, because their
        // `is_at` cannot detect that it is gone.
        if cfg!(unix) {
            // The next run takes over a leftover file.
            let _ = change(|| fs::remove_file(&self.path));
        }
    }
}

/// The process recorded in a lock file; an error if the file contains anything else.
fn process(file: &mut File) -> io::Result<Option<u32>> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text)?;
    match text.parse() {
        Ok(process) => Ok(Some(process)),
        Err(_) if text.is_empty() => Ok(None),
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Whether the open file is still the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let [open, named] = [file.metadata(), fs::symlink_metadata(path)].map(|found| found.ok().map(place));
    open == named
}

/// Open files are not removed on this system.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Locks whose files are created and removed: one thread has the lock at a time, and each gets its turn.
    #[test]
    fn one_of_many_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let holders = AtomicUsize::new(0);
        let work = || {
            let mut turns = 0;
            while turns < 200 {
                match Lock::take(folder.path()) {
                    Ok(_lock) => {
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two have the lock");
                        std::thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        turns += 1;
                    }
                    Err(RunError::Locked { .. }) => std::thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(work);
            }
        });
        assert_eq!(folder.path().join(NAME).exists(), !cfg!(unix));
    }
}
