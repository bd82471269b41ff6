//! Why a network cannot be lowered.

use thiserror::Error;

/// A program that cannot be made for a device.
#[derive(Debug, Error, PartialEq)]
pub enum LowerError {
    /// One indivisible piece is larger than a binding.
    #[error(
        "{what} needs {} MiB in one binding; this device allows {} MiB. Try a smaller --image-size or --device cpu",
        bytes.div_ceil(1 << 20), limit >> 20
    )]
    Binding {
        /// The tensor or layer.
        what: String,
        /// The bytes of its smallest piece.
        bytes: u64,
        /// The device's limit.
        limit: u64,
    },
    /// A batch of no images.
    #[error("batch size 0: a step needs at least one image. Try --batch-size 64")]
    EmptyBatch,
    /// Mixed precision on a device without 16-bit floats.
    #[error(
        "--precision mixed needs 16-bit floats in shaders, which this device lacks (`vgg devices` shows which have f16). \
         Use --precision f32"
    )]
    NoF16,
    /// A normalisation that is not finite.
    #[error(
        "channel {channel} is normalised with mean {mean:?} and std {std:?}, but both must be finite and std above 0; give \
         the data set's own"
    )]
    Normalization {
        /// The channel.
        channel: usize,
        /// Its mean.
        mean: f32,
        /// Its standard deviation.
        std: f32,
    },
    /// The network's channels differ from those of the normalisation.
    #[error("the images have {found} channels, but the network takes {expected}")]
    Channels {
        /// Channels of the data.
        found: usize,
        /// Channels of the network.
        expected: usize,
    },
}
