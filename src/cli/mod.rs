//! The `vgg` command: one file per subcommand. The only room that prints.

mod args;
mod bench;
mod calibrate;
mod capture;
mod compare;
mod compare_files;
mod confusion;
mod data;
mod defaults;
mod device;
mod devices;
mod eval;
mod explain;
mod export;
mod help;
mod inference;
mod judged;
mod kernel_list;
mod kernels;
mod measured;
mod observe;
mod output;
mod paper;
mod plan;
mod predict;
mod predicted;
mod profile;
mod profile_table;
mod profile_trace;
mod progress;
mod prune;
mod quantize;
mod record;
mod report;
mod seeds;
mod settings;
mod shell;
mod summary;
mod table;
mod train;
mod tune;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::output::{DONE, FAILED, INTERRUPTED, USAGE, Usage, note};
use crate::{
    cpu,
    device::DeviceError,
    gpu::OpenError,
    model::NetworkError,
    train::ConfigError,
    weights::{PruneError, WeightsError},
};

/// Train and run VGG image classifiers from first principles on any GPU.
///
/// Every layer, the loss and the optimiser are hand-written WGSL kernels that run on Vulkan, Metal and DX12;
/// without a GPU the same program runs on the CPU. `vgg train` alone trains VGG16 on MNIST.
#[derive(Debug, Parser)]
#[command(name = "vgg", version, max_term_width = 100)]
struct Cli {
    /// Print results only: no progress, no notes.
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a network.
    Train(args::Train),
    /// Compare the paper's VGG with torchvision's on the same data and seed, or trained networks by their files: one table, one picture.
    ///
    /// The first has batch norm and pooling with adaptive stride, the second neither, but adaptive average pooling to
    /// 7x7 before the classifier. Both are trained with the flags of `vgg train`, or loaded; the second needs at
    /// least 32 px, and then both have them.
    Compare(compare::Flags),
    /// Measure a trained network on a data set's test images: loss, accuracy, confusion matrix.
    Eval(args::Eval),
    /// Classify pictures: PNG or JPEG of any size and colour.
    Predict(args::Predict),
    /// Write a trained network for other programs: ONNX, or safetensors under torchvision's names.
    Export(export::Flags),
    /// Remove channels from a trained network: a smaller one that every command and PyTorch take.
    Prune(prune::Flags),
    /// Turn a trained network into 8-bit integers: a quarter of the size, and the same bits on every device.
    Quantize(quantize::Flags),
    /// Show where a picture's evidence for a class is: Grad-CAM over the picture, and the channels that contribute to it.
    Explain(explain::Flags),
    /// Write a run's report anew from its files, or compare several runs on one page: settings that differ, results, curves.
    Report(report::Flags),
    /// Show a network layer by layer: output shape, parameters, FLOP.
    Summary(args::Summary),
    /// Show the memory and the limits that a training needs, next to the device's.
    Plan(args::Plan),
    /// Choose kernels: time the variants of a training's operations on this GPU and store the fastest in a file.
    Tune(args::Tune),
    /// Check every kernel variant on this GPU against the CPU in f64.
    Verify(args::Verify),
    /// Show the settings of a training and where each comes from: a flag, an environment variable, the user's configuration file, the
    /// recipe or the program.
    Settings(settings::Flags),
    /// List the devices that can run here.
    Devices(devices::Flags),
    /// List the kernel variants: what each requires and which of them a training takes; print the shaders that run.
    ///
    /// The training is that of `vgg train` with the same flags, on the GPU of --device.
    Kernels(args::Kernels),
    /// Measure training steps or, with --inference, classification: time, images a second, forward, backward and update, start to first
    /// step.
    ///
    /// The steps are those of `vgg train` with the same flags; nothing is written. --steps says how many are
    /// measured (20).
    Bench(args::Bench),
    /// Print a script that completes the commands and flags of `vgg` in a shell.
    ///
    /// For bash: vgg completions bash > ~/.local/share/bash-completion/completions/vgg
    Completions(shell::Completions),
    /// Write manual pages: one for `vgg` and one for each command.
    Man(shell::Man),
    /// Measure each layer and pass of a training step, compared with the device's peak rates.
    ///
    /// Takes the steps of `vgg train` with the same flags; --steps says how many (5): the median of each dispatch
    /// counts.
    Profile(args::Profile),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let matches = help::by_purpose(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    quiet_mesa();
    let code = match run(cli) {
        Ok(code) => code,
        Err(error) => {
            note(false, &format!("error: {error:#}"));
            match error.downcast_ref() {
                Some(DeviceError::Open(OpenError::Interrupted)) => INTERRUPTED,
                _ if is_usage(&error) => USAGE,
                _ => FAILED,
            }
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
    defaults::defaults()?;
    match &cli.command {
        Command::Train(flags) => {
            return match &flags.seeds {
                Some(seeds) => seeds::run(flags, seeds, cli.quiet),
                None => train::run(flags, cli.quiet),
            };
        }
        Command::Compare(flags) => return compare::run(flags, cli.quiet),
        Command::Eval(flags) => eval::run(flags, cli.quiet)?,
        Command::Predict(flags) => predict::run(flags, cli.quiet)?,
        Command::Explain(flags) => explain::run(flags, cli.quiet)?,
        Command::Export(flags) => export::run(flags, cli.quiet)?,
        Command::Prune(flags) => prune::run(flags, cli.quiet)?,
        Command::Quantize(flags) => quantize::run(flags, cli.quiet)?,
        Command::Report(flags) => report::run(flags)?,
        Command::Summary(flags) => train::summary(flags, cli.quiet)?,
        Command::Plan(flags) => plan::run(flags, cli.quiet)?,
        Command::Tune(flags) => return tune::run(flags, cli.quiet),
        Command::Verify(flags) => return verify::run(flags, cli.quiet),
        Command::Settings(flags) => settings::run(flags, cli.quiet)?,
        Command::Devices(flags) => devices::run(flags)?,
        Command::Completions(flags) => shell::completions(flags, Cli::command())?,
        Command::Man(flags) => shell::man(flags, Cli::command(), cli.quiet)?,
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
            || cause.is::<PruneError>()
            || matches!(cause.downcast_ref(), Some(WeightsError::OtherSize { .. }))
    })
}
