//! The reference without a device: the CPU executor against PyTorch and against central differences, and what lowers to it.

#[path = "../support/mod.rs"]
mod support;

mod cpu;
mod explain;
mod golden;
mod gradcheck;
mod optimizers;
mod program;
