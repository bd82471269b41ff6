//! Standard output carries results, standard error everything else.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Writes a result to standard output. A reader that has gone away is no error.
pub(super) fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes a line for the person to standard error, unless they asked for quiet.
pub(super) fn note(quiet: bool, line: &str) {
    if !quiet {
        // Nowhere is left to report that standard error is gone.
        let _ = writeln!(io::stderr(), "{line}");
    }
}
