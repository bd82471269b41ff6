//! The `vgg` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    vgg_wgpu::cli::main()
}
