//! VGG image classifiers, trained and run from first principles on any GPU.
//!
//! Every layer's forward and backward pass, the loss and the optimiser are hand-written WGSL kernels.
//! A model ([`model`]) lowers to a static [`program::Program`] of [`ops`]; an [`program::Executor`]
//! runs it, either on a GPU ([`gpu`], through [`kernels`] and [`shader`]) or on the CPU ([`cpu`]).
//! [`data`] feeds it and [`train`] drives it; [`verify`] holds the kernels of a device
//! against the CPU, and [`tune`] finds the fastest. ARCHITECTURE.md tells how the parts depend on each other.

pub mod cache;
pub mod cli;
pub mod cpu;
pub mod data;
pub mod dtype;
pub mod gpu;
pub mod kernels;
pub mod model;
pub mod ops;
pub mod program;
pub mod rng;
pub mod shader;
pub mod shape;
pub mod train;
pub mod tune;
pub mod verify;
