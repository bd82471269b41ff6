//! The program, the README and the scripts as a person uses them.

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod defaults;
mod instruments;
// Needs Python.
#[cfg(target_os = "linux")]
mod isa;
mod json;
// The scripts are for Linux.
#[cfg(target_os = "linux")]
mod packaging;
// The commands need a POSIX shell, and hiding GPUs works only with Vulkan.
#[cfg(target_os = "linux")]
mod readme;
// Peers are stopped between their turns by signals, and time limits need coreutils.
#[cfg(target_os = "linux")]
mod scripts;
