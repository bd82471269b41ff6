//! `vgg completions` and `vgg man`, made from the command line's own description.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::output::{note, print};

/// `vgg completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

/// `vgg man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The directory of the pages, such as ~/.local/share/man/man1; it is created.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Runs `vgg completions`.
pub(super) fn completions(flags: &Completions, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    generate(flags.shell, &mut command, "vgg", &mut script);
    print(&String::from_utf8(script).context("the script is no text")?)
}

/// Runs `vgg man`.
pub(super) fn man(flags: &Man, command: Command, quiet: bool) -> Result<()> {
    let directory = &flags.output;
    write_pages(directory, command)
        .with_context(|| format!("cannot write manual pages to {}", directory.display()))?;
    note(quiet, &format!("wrote     {}", directory.join("vgg.1").display()));
    Ok(())
}

fn write_pages(directory: &Path, command: Command) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command, directory)
}
