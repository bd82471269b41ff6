//! Files that are either whole or not there.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// A file or directory that cannot be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {path}: {error}{hint}")]
pub struct FileError {
    /// What was tried.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
    hint: &'static str,
}

impl FileError {
    pub(super) fn new(action: &'static str, path: &Path, error: io::Error) -> Self {
        let writing = action != "read";
        let hint = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; free some space there, or give another --output-dir"
            }
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
                if writing =>
            {
                "; give an --output-dir that can be written to"
            }
            _ => "",
        };
        Self { action, path: path.to_owned(), error, hint }
    }
}

/// Writes a file under a temporary name beside it, syncs it and renames it.
///
/// Whatever happens, `path` holds either its old content or all of the new; where `fill` fails, the temporary file
/// is removed. One that a killed process left behind is overwritten by the next call.
///
/// # Errors
/// Those of `fill`, and [`FileError`] where the system refuses.
pub(super) fn write_whole<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let failed = |error| FileError::new("write", path, error);
    let file = File::create(&temporary).map_err(failed)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let write = || {
        fill(&mut writer)?;
        writer.flush().and_then(|()| writer.get_ref().sync_all()).map_err(failed)?;
        fs::rename(&temporary, path).map_err(failed)?;
        Ok(())
    };
    let written = write();
    match written {
        Ok(()) => {
            sync_directory(path).map_err(failed)?;
            Ok(())
        }
        Err(error) => {
            // What is still buffered is not worth another failure.
            drop(writer.into_parts());
            // Nothing to add where even this fails: the error in hand says what the matter is.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// As [`write_whole`], for text in memory.
pub(super) fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    write_whole(path, |writer| {
        writer.write_all(text.as_bytes()).map_err(|error| FileError::new("write", path, error))
    })
}

/// Makes the rename itself last, where the system and the file system have a way to.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let synced = File::open(parent.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
    match synced {
        // Some network and FUSE file systems do not sync directories; the file itself is whole there, too.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_directory_in_the_way_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        let error = write_text(&path, "new").unwrap_err().to_string();
        assert!(error.starts_with("cannot write") && error.contains("taken"), "{error}");
        assert_eq!(names(folder.path()), ["taken"]);
    }

    /// Every byte written to /dev/full is refused as on a full disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(".a.txt.tmp")).unwrap();
        let error = write_text(&folder.path().join("a.txt"), "new").unwrap_err().to_string();
        assert!(error.contains("a.txt") && error.contains("free some space"), "{error}");
        assert_eq!(names(folder.path()).len(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".a.txt.tmp"), "half of somethi").unwrap();
        write_text(&folder.path().join("a.txt"), "new").unwrap();
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    /// Files cannot be made in /proc, not even by root.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_that_refuses_is_named() {
        let error = write_text(Path::new("/proc/vgg.txt"), "new").unwrap_err().to_string();
        assert!(error.starts_with("cannot write /proc/vgg.txt: "), "{error}");
    }
}
