//! Data sets, whole runs of small networks on the CPU device, and their files.

#[path = "../support/mod.rs"]
mod support;

mod accumulation;
mod checkpoint;
mod compare;
mod confidence;
mod data;
mod dataset_runs;
mod datasets;
mod heads;
mod hub;
mod onnx;
mod photographs;
mod pretrained;
mod prune;
mod quantized;
mod reports;
mod seeing;
mod tensorboard;
mod training;
mod validation;
