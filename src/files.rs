//! Atomic writes: a file is either complete or absent.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use thiserror::Error;

/// A file or directory that cannot be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {path}: {error}{hint}")]
pub struct FileError {
    /// The attempted action.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    pub error: io::Error,
    hint: &'static str,
}

impl FileError {
    pub(crate) fn new(action: &'static str, path: &Path, error: io::Error) -> Self {
        let writing = action != "read";
        let hint = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; free some space there, or write elsewhere (--output-dir or --output)"
            }
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
                if writing =>
            {
                "; write where that is allowed (--output-dir or --output)"
            }
            _ if action == "lock" => "; give another --output-dir",
            _ => "",
        };
        Self { action, path: path.to_owned(), error, hint }
    }
}

/// Makes one change to the file system. All changes of a run and of the writers here go through this function, so that the tests
/// can stop a run at each of them.
pub(crate) fn change<T>(action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    #[cfg(test)]
    faults::strike()?;
    action()
}

/// A new file next to the one that it will replace; removed if dropped before that.
struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    /// Creates it under an unused name: an existing file, say a planted link, is left alone.
    fn create(target: &Path) -> io::Result<Self> {
        loop {
            let path = temporary_path(target, NEXT.fetch_add(1, Ordering::Relaxed));
            match change(|| File::options().write(true).create_new(true).open(&path)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                opened => return opened.map(|file| Self { file, path, kept: false }),
            }
        }
    }

    fn replace(mut self, target: &Path) -> io::Result<()> {
        change(|| self.file.sync_all())?;
        change(|| fs::rename(&self.path, target))?;
        self.kept = true;
        change(|| sync_directory(target))
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        change(|| self.file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // The first error explains the failure; the next run in this directory tries again.
            let _ = change(|| fs::remove_file(&self.path));
        }
    }
}

/// The number of the next temporary file of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

fn temporary_path(target: &Path, number: u32) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.{number}.tmp", std::process::id()))
}

/// Whether `name` is a temporary file of `target`. Earlier versions wrote `.TARGET.tmp`.
fn is_temporary(name: &str, target: &str) -> bool {
    let rest = name.strip_prefix('.').and_then(|rest| rest.strip_prefix(target));
    let numbers = rest.and_then(|rest| rest.strip_suffix(".tmp"));
    numbers.is_some_and(|numbers| {
        numbers.is_empty()
            || numbers.starts_with('.') && numbers.bytes().all(|b| b == b'.' || b.is_ascii_digit())
    })
}

/// Removes the temporary files of `targets` left by dead processes. Nobody else may be writing them in this directory.
pub(crate) fn remove_temporaries(directory: &Path, targets: &[&str]) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if targets.iter().any(|target| is_temporary(&name.to_string_lossy(), target)) {
            // A leftover does no harm.
            let _ = change(|| fs::remove_file(entry.path()));
        }
    }
}

/// Writes a file under a unique temporary name next to it, syncs it, renames it and syncs the directory.
///
/// Whatever happens, `path` has either its old content or all of the new. The temporary file is removed if `fill` or the
/// system fails; one left by a killed process is removed by the next run in the directory ([`remove_temporaries`]).
///
/// # Errors
/// The errors of `fill`, and [`FileError`] from the system.
pub(crate) fn write_whole<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error| FileError::new("write", path, error);
    let mut temporary = Temporary::create(path).map_err(failed)?;
    let mut writer = BufWriter::with_capacity(1 << 20, &mut temporary);
    fill(&mut writer)?;
    writer.flush().map_err(failed)?;
    drop(writer);
    Ok(temporary.replace(path).map_err(failed)?)
}

/// Fills a folder under a unique temporary name next to `path`, and renames it: whatever happens, `path` has all of its files or is as
/// it was. `path` must be new or an empty folder.
///
/// # Errors
/// The errors of `fill`, and [`FileError`] from the system; the temporary folder is then removed.
pub(crate) fn write_folder<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error| FileError::new("write", path, error);
    let temporary = temporary_path(path, NEXT.fetch_add(1, Ordering::Relaxed));
    change(|| fs::create_dir(&temporary)).map_err(failed)?;
    let filled = fill(&temporary).and_then(|()| {
        // Windows renames to unused names only.
        if path.is_dir() {
            change(|| fs::remove_dir(path)).map_err(failed)?;
        }
        Ok(change(|| fs::rename(&temporary, path)).map_err(failed)?)
    });
    if filled.is_err() {
        // The first error explains the failure.
        let _ = fs::remove_dir_all(&temporary);
    }
    filled?;
    Ok(change(|| sync_directory(path)).map_err(failed)?)
}

/// Replaces a file with text, atomically: whatever happens, `path` has either its old content or all of the new.
///
/// # Errors
/// [`FileError`] if the file cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    write_bytes(path, text.as_bytes())
}

/// As [`write_text`], with any bytes.
///
/// # Errors
/// [`FileError`] if the file cannot be written.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_whole(path, |writer| writer.write_all(bytes).map_err(|error| FileError::new("write", path, error)))
}

/// As [`write_whole`], with the bytes of another file.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    let mut source = File::open(from).map_err(|error| FileError::new("read", from, error))?;
    write_whole(to, |writer| {
        let copied = io::copy(&mut source, writer);
        copied.map(|_| ()).map_err(|error| FileError::new("write", to, error))
    })
}

/// Makes the rename durable, where the system and the file system support it.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let synced = File::open(parent.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
    match synced {
        // Some network and FUSE file systems cannot sync directories; the file is complete anyway.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        other => other,
    }
}

/// Injects a fault into one of this thread's changes.
#[cfg(test)]
pub(crate) mod faults {
    use std::{cell::Cell, io};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fault {
        /// The change fails, as on a disk that is briefly full; the process goes on and cleans up.
        Fails,
        /// The process dies: neither this change nor any later one is made.
        Stops,
    }

    thread_local! {
        static PLANNED: Cell<Option<(usize, Fault)>> = const { Cell::new(None) };
        static MADE: Cell<usize> = const { Cell::new(0) };
    }

    /// Resets the count of changes, and plans a fault at one of them.
    pub fn plan(fault: Option<(usize, Fault)>) {
        PLANNED.set(fault);
        MADE.set(0);
    }

    /// The number of changes since the last plan.
    pub fn made() -> usize {
        MADE.get()
    }

    pub fn strike() -> io::Result<()> {
        let index = MADE.replace(MADE.get() + 1);
        match PLANNED.get() {
            Some((at, Fault::Fails)) if index == at => Err(io::ErrorKind::StorageFull.into()),
            Some((at, Fault::Stops)) if index >= at => Err(io::Error::other("stopped")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        faults::{Fault, plan},
        *,
    };

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_text(&path, "old").unwrap();
        let full = |writer: &mut dyn Write| {
            writer.write_all(&[b'x'; 3 << 20]).unwrap();
            Err(FileError::new("write", &path, io::ErrorKind::StorageFull.into()))
        };
        let error = write_whole(&path, full).unwrap_err().to_string();
        assert!(error.contains("a.txt") && error.contains("free some space"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    /// Create, write, sync, rename, sync the directory: whichever fails, the file is the old or the new one, and whole.
    #[test]
    fn each_operation_that_fails_is_named_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for at in 0..5 {
            plan(None);
            write_text(&path, "old").unwrap();
            plan(Some((at, Fault::Fails)));
            let error = write_text(&path, "new").unwrap_err().to_string();
            plan(None);
            assert!(error.contains("a.txt") && error.contains("free some space"), "{at}: {error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), if at < 4 { "old" } else { "new" }, "{at}");
            assert_eq!(names(folder.path()), ["a.txt"], "{at}");
        }
        plan(Some((5, Fault::Fails)));
        write_text(&path, "new").unwrap();
        plan(None);
    }

    /// Create the folder; create, write, sync, rename and sync the directory for each of two files; rename and sync the folder.
    #[test]
    fn a_folder_is_written_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        let write = || {
            write_folder(&path, |folder| {
                write_text(&folder.join("a.txt"), "a")?;
                write_text(&folder.join("b.txt"), "b")
            })
        };
        for at in 0..12 {
            plan(Some((at, Fault::Fails)));
            let error = write().unwrap_err().to_string();
            plan(None);
            assert!(error.contains("model"), "{at}: {error}");
            assert!(names(parent.path()).is_empty(), "{at}: {:?}", names(parent.path()));
        }
        plan(Some((13, Fault::Fails)));
        write().unwrap();
        plan(None);
        assert_eq!(names(&path).len(), 2);
        fs::remove_dir_all(&path).unwrap();
        fs::create_dir(&path).unwrap();
        write().unwrap();
        assert_eq!(names(&path).len(), 2, "an empty folder is filled");
        assert_eq!(names(parent.path()), ["model"]);
        assert!(write().is_err(), "files in the way");
        assert_eq!(names(parent.path()), ["model"]);
    }

    #[test]
    fn a_panic_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let write = || write_whole::<FileError>(&path, |_| panic!("of the caller"));
        assert!(std::panic::catch_unwind(write).is_err());
        assert_eq!(names(folder.path()).len(), 0);
    }

    #[test]
    fn a_directory_in_the_way_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        let error = write_text(&path, "new").unwrap_err().to_string();
        assert!(error.starts_with("cannot write") && error.contains("taken"), "{error}");
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn what_dead_processes_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let stale = [".a.txt.tmp", ".a.txt.123.0.tmp", ".b.txt.9.77.tmp"];
        let others = ["a.txt", "a.txt.tmp", ".a.txt.mine.tmp", ".c.txt.1.0.tmp", ".a.txt.1.0", ".a.txt1.tmp"];
        for name in stale.iter().chain(&others) {
            fs::write(folder.path().join(name), "half of somethi").unwrap();
        }
        remove_temporaries(folder.path(), &["a.txt", "b.txt"]);
        let mut left = names(folder.path());
        left.sort_unstable();
        let mut expected = others;
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    /// A link with the name of the next temporary files is neither followed nor replaced.
    #[cfg(unix)]
    #[test]
    fn planted_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join("a.txt"), folder.path().join("precious"));
        fs::write(&precious, "precious").unwrap();
        let next = NEXT.load(Ordering::Relaxed);
        // Other tests take numbers concurrently.
        let links: Vec<PathBuf> = (next..next + 200).map(|number| temporary_path(&path, number)).collect();
        for link in &links {
            std::os::unix::fs::symlink(&precious, link).unwrap();
        }
        write_text(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(links.iter().all(|link| link.is_symlink()) && !path.is_symlink());
    }

    /// Not even root can create files in /proc.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_that_refuses_is_named() {
        let error = write_text(Path::new("/proc/vgg.txt"), "new").unwrap_err().to_string();
        assert!(error.starts_with("cannot write /proc/vgg.txt: "), "{error}");
    }
}
