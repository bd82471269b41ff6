//! The `vgg` command: one file per subcommand. The only room that prints.

mod args;
mod bench;
mod capture;
mod compare;
mod confusion;
mod data;
mod device;
mod devices;
mod eval;
mod explain;
mod export;
mod kernel_list;
mod kernels;
mod measured;
mod output;
mod plan;
mod predict;
mod profile;
mod profile_picture;
mod profile_table;
mod profile_trace;
mod progress;
mod report;
mod summary;
mod table;
mod train;
mod tune;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use thiserror::Error;

use self::{
    args::{Cli, Command},
    output::note,
};
use crate::{
    cpu,
    model::NetworkError,
    train::{ConfigError, WeightsError},
};

/// Success.
const DONE: u8 = 0;
/// Failure.
const FAILED: u8 = 1;
/// The command line or a recipe is invalid; the same code as clap's.
const USAGE: u8 = 2;

/// A flag that is invalid here.
#[derive(Debug, Error)]
#[error("{0}")]
struct Usage(String);

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    quiet_mesa();
    let code = match run(cli) {
        Ok(code) => code,
        Err(error) => {
            note(false, &format!("error: {error:#}"));
            if is_usage(&error) { USAGE } else { FAILED }
        }
    };
    ExitCode::from(code)
}

/// Mesa's drivers print an error about a missing XDG_RUNTIME_DIR, which compute does not need.
fn quiet_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the process has no other threads yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}

fn run(cli: Cli) -> Result<u8> {
    cpu::instruction_set()?;
    match &cli.command {
        Command::Train(flags) => return train::run(flags, cli.quiet),
        Command::Compare(flags) => return compare::run(flags, cli.quiet),
        Command::Eval(flags) => eval::run(flags, cli.quiet)?,
        Command::Predict(flags) => predict::run(flags, cli.quiet)?,
        Command::Explain(flags) => explain::run(flags, cli.quiet)?,
        Command::Export(flags) => export::run(flags, cli.quiet)?,
        Command::Summary(flags) => train::summary(flags)?,
        Command::Plan(flags) => train::plan(flags, cli.quiet)?,
        Command::Tune(flags) => return tune::run(flags, cli.quiet),
        Command::Verify(flags) => return verify::run(flags, cli.quiet),
        Command::Devices => devices::run()?,
        Command::Kernels(flags) => kernel_list::run(flags, cli.quiet)?,
        Command::Bench(flags) => bench::run(flags, cli.quiet)?,
        Command::Profile(flags) => profile::run(flags, cli.quiet)?,
    }
    Ok(DONE)
}

/// Whether the error is in the request itself.
fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<cpu::UnknownInstructionSet>()
            || cause.is::<ConfigError>()
            || cause.is::<NetworkError>()
            || matches!(cause.downcast_ref(), Some(WeightsError::OtherSize { .. }))
    })
}
