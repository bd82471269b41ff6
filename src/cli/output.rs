//! Results go to standard output, everything else to standard error.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Writes a result to standard output. A closed pipe is not an error.
pub(super) fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes a line to standard error, unless `quiet`.
pub(super) fn note(quiet: bool, line: &str) {
    if !quiet {
        // A failure to write to standard error cannot be reported anywhere.
        let _ = writeln!(io::stderr(), "{line}");
    }
}
