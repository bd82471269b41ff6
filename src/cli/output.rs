//! Results go to standard output, everything else to standard error; the exit codes.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::Path,
};

use anyhow::{Context, Result};
use serde::Serialize;
use thiserror::Error;

use crate::files;

/// Success.
pub(super) const DONE: u8 = 0;
/// Failure.
pub(super) const FAILED: u8 = 1;
/// The command line or a recipe is invalid; the same code as clap's.
pub(super) const USAGE: u8 = 2;

/// Stopped by Ctrl-C or SIGTERM; the code of shells for the former.
pub(super) const INTERRUPTED: u8 = 130;

/// A flag that is invalid here.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// Writes a result to standard output. A closed pipe is not an error.
pub(super) fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes a result as one JSON object, on a line.
pub(super) fn print_json(figures: &impl Serialize) -> Result<()> {
    print(&(serde_json::to_string(figures)? + "\n"))
}

/// Writes a file that the user named, atomically; but a device, a pipe or a link is written to, not replaced. `flag` is the way to
/// name another file.
pub(super) fn write_file(path: &Path, contents: &[u8], flag: &str) -> Result<()> {
    let special = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    let written = match special {
        true => fs::write(path, contents),
        false => files::write_bytes(path, contents).map_err(|failure| failure.error),
    };
    written.with_context(|| format!("cannot write {}; choose another path with {flag}", path.display()))
}

/// Writes a line to standard error, unless `quiet`.
pub(super) fn note(quiet: bool, line: &str) {
    if !quiet {
        // A failure to write to standard error cannot be reported anywhere.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_written_to_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [link, file] = ["link", "file"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_file(&link, b"picture", "--output FILE").unwrap();
        assert!(link.is_symlink() && fs::read(&file).unwrap() == b"picture");
        write_file(&file, b"other", "--output FILE").unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"other");
        let error = format!("{:#}", write_file(folder.path(), b"", "--output FILE").unwrap_err());
        assert!(
            error.starts_with("cannot write /") && error.contains("path with --output FILE: "),
            "{error}"
        );
    }
}
