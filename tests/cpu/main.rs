//! The reference without a device: the CPU executor against PyTorch and against central differences, and the lowering.

#[path = "../support/mod.rs"]
mod support;

mod accumulation;
mod cpu;
mod explain;
mod golden;
mod gradcheck;
mod optimizers;
mod program;
mod quantization_aware;
mod schedules;
mod slimming;
mod sparsity;
