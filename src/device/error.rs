//! What can go wrong between a request and a running program.

use thiserror::Error;

use crate::{
    data::DataError,
    gpu::{OpenError, SelectError},
    model::NetworkError,
    program::LowerError,
    train::{ConfigError, RunError, TrainError},
};

/// Any error between a request and a running program.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each is another room's error or self-explanatory")]
pub enum DeviceError {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("no Vulkan, Metal or DX12 adapter was found")]
    NoAdapter,
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Run(#[from] RunError),
    /// A program needs more memory than is available.
    #[error(
        "batch size {batch} needs {}, but only {} are available; the largest batch that fits: {}. \
         Try a smaller --batch-size, --image-size or --width",
        bytes(*needs), bytes(*has), largest.map_or_else(|| "none".into(), |batch| batch.to_string())
    )]
    Memory {
        /// The batch size.
        batch: usize,
        /// The bytes that the program needs.
        needs: u64,
        /// The bytes that are available.
        has: u64,
        /// The largest batch that fits.
        largest: Option<usize>,
    },
}

/// Bytes in the largest binary unit that leaves at least 1: `392.0 MiB`.
pub fn bytes(value: u64) -> String {
    let mut scaled = value as f64;
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{value} B") } else { format!("{scaled:.1} {}", units[unit]) }
}
