//! VGG image classifiers, trained and run from first principles on any GPU.
//!
//! Every layer's forward and backward pass, the loss and the optimiser are hand-written WGSL kernels.
//! A model ([`model`]) lowers to a static [`program::Program`] of [`ops`]; an [`program::Executor`]
//! runs it, either on a GPU ([`gpu`], through [`kernels`] and [`shader`]) or on the CPU ([`cpu`]).
//! [`device`] finds a device and opens programs on it; [`data`] feeds it and [`train`] drives it; [`weights`] are its files,
//! [`export`] writes those of other programs and [`pictures`] draws its charts; [`quantize`] turns trained networks into
//! 8-bit integers; [`verify`] checks its kernels against the CPU, and
//! [`tune`] finds the fastest. The commands of `vgg` and what they need are the cargo feature
//! `cli`, which is on by default. ARCHITECTURE.md describes how the parts depend on each other.
//!
//! # Examples
//!
//! A training run (here three steps of a tiny network, which take a second):
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use vgg_wgpu::{
//!     device::Device,
//!     train::{Event, TrainConfig},
//! };
//!
//! # let folder = std::env::temp_dir().join(format!("vgg-doc-{}", std::process::id()));
//! let config = TrainConfig {
//!     width: 0.0625,
//!     hidden: Some(16),
//!     steps: Some(3),
//!     output_dir: Some(folder.to_string_lossy().into_owned()),
//!     ..TrainConfig::builtin("quick")?
//! };
//! let mut trainer = Device::find("cpu")?.trainer(config)?;
//! trainer.run(&AtomicBool::new(false), &mut |event: &Event<'_>| {
//!     if let Event::EpochDone { row, .. } = event {
//!         println!("epoch {}: test accuracy {:.2} %", row.epoch, 100.0 * row.test_accuracy);
//!     }
//! })?;
//! assert!(trainer.directory().best().is_file());
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A network of the family, lowered to a program, and the memory that it needs:
//!
//! ```
//! use vgg_wgpu::{
//!     data::{DataSource, Options},
//!     program::{DeviceLimits, MemoryPlan, lower},
//!     train::TrainConfig,
//! };
//!
//! // The paper's training: VGG16 at 224 px on MNIST, 64 images per step.
//! let config = TrainConfig::builtin("report")?;
//! let data = DataSource::default().open(&Options::new(config.image_size))?;
//! let network = config.vgg(data.train.channels(), data.train.classes()).network()?;
//! assert_eq!(network.values(), 134_308_810);
//!
//! let settings = config.settings(&*data.train, DeviceLimits::NONE);
//! let program = lower(&network, &settings)?.program;
//! let gib = MemoryPlan::new(&program).bytes() as f64 / f64::from(1 << 30);
//! assert!(gib < 8.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/` has complete programs: training on a folder of pictures, classification, one convolution on a GPU.

// The unit tests of `train` use tests/support, which refers to the crate by name.
#[cfg(test)]
extern crate self as vgg_wgpu;

pub mod cache;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod device;
pub mod dtype;
pub mod export;
pub mod files;
pub mod gpu;
pub mod kernels;
pub mod model;
pub mod ops;
pub mod pictures;
pub mod program;
pub mod quantize;
pub mod rng;
pub mod shader;
pub mod shape;
pub mod train;
pub mod tune;
pub mod verify;
pub mod weights;
