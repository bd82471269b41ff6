//! The program, the README and the scripts as a person uses them.

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod instruments;
// The commands are a POSIX shell's, and hiding GPUs is Vulkan's way.
#[cfg(target_os = "linux")]
mod readme;
// A peer is stopped between its turns, and time limits are coreutils'.
#[cfg(target_os = "linux")]
mod scripts;
