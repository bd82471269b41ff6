//! What can be wrong with weights on disk.

use thiserror::Error;

use super::{FORMAT_VERSION, store::StoreError};
use crate::{
    model::{NetworkError, Norm},
    ops::Activation,
    shape::Shape,
};

/// The value of `--activation`, with the other flag that it needs.
fn flags(activation: Activation) -> String {
    match activation {
        Activation::LeakyRelu { negative_slope } => {
            format!("{} --negative-slope {negative_slope}", activation.word())
        }
        Activation::Celu { alpha } => format!("{} --celu-alpha {alpha}", activation.word()),
        _ => activation.word().to_owned(),
    }
}

/// Weights that cannot be used.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file cannot be read, or its tensors do not fit.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The metadata are of another version.
    #[error(
        "{path} has format version {found}, but this program reads version {FORMAT_VERSION}; use the program that wrote it, or train again"
    )]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
    },
    /// The metadata cannot be read.
    #[error("{path}: its metadata cannot be read: {message}. The file is damaged; take another checkpoint")]
    Metadata {
        /// The file.
        path: String,
        /// The parser's error.
        message: String,
    },
    /// A file without metadata whose names or shapes do not match a VGG.
    #[error("{path} has no metadata, and its tensors do not identify the network: {message}")]
    Unknown {
        /// The file.
        path: String,
        /// What does not match.
        message: String,
    },
    /// The network that the file describes cannot be built.
    #[error("{path}: {error}")]
    Network {
        /// The file.
        path: String,
        /// Why not.
        error: NetworkError,
    },
    /// The requested image size is not the file's.
    #[error(
        "the network in {path} takes {}x{} px, not {}x{} px; leave --image-size out, or give other weights",
        .found[0], .found[1], .wanted[0], .wanted[1]
    )]
    OtherSize {
        /// The file.
        path: String,
        /// Its height and width.
        found: [usize; 2],
        /// The requested height and width.
        wanted: [usize; 2],
    },
    /// The network of the file has another activation.
    #[error("{path} was trained with {found}, but this run has {wanted}; give --activation {}", flags(*.found))]
    OtherActivation {
        /// The file.
        path: String,
        /// The activation of its network.
        found: Activation,
        /// The activation of the run.
        wanted: Activation,
    },
    /// The network of the file has another normalisation.
    #[error("{path} was trained with norm {found}, but this run has {wanted}; give --norm {found}")]
    OtherNorm {
        /// The file.
        path: String,
        /// The normalisation of its network.
        found: Norm,
        /// The normalisation of the run.
        wanted: Norm,
    },
    /// The network of the file has other widths.
    #[error("{path} is a {found}, but this run has a {wanted}; give {flags} to train the file's network")]
    OtherWidths {
        /// The file.
        path: String,
        /// Its network.
        found: String,
        /// The network of the run.
        wanted: String,
        /// The flags for the file's network.
        flags: String,
    },
    /// A quantised network where f32 weights are needed.
    #[error(
        "{path} is quantised to 8-bit integers, but f32 weights are needed here; give those that it was made from. `vgg eval`, \
         `vgg predict`, `vgg bench --inference` and `vgg export --quantized` take quantised files"
    )]
    Quantized {
        /// The file.
        path: String,
    },
    /// Weights of quantisation-aware training for a run without it.
    #[error("{path} was trained with --qat, but this run is not; give --qat too")]
    Rounded {
        /// The file.
        path: String,
    },
    /// A damaged quantised network.
    #[error("{path}: {tensor} {message}. The file is damaged; quantise the network again")]
    Quantization {
        /// The file.
        path: String,
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        message: String,
    },
    /// Weights where a checkpoint is needed.
    #[error(
        "{path} contains only weights, not a run to resume; give its checkpoint.safetensors, or start from it with --weights"
    )]
    NotACheckpoint {
        /// The file.
        path: String,
    },
    /// A file that has no place for a temperature.
    #[error(
        "{path} is {what}, so that it has no temperature; give a run's best.safetensors, or a file that vgg export or vgg quantize wrote"
    )]
    NotWeights {
        /// The file.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// Weights of another network of the family.
    #[error(
        "{path} contains a {found}, not a {expected}; give the --model and --norm that it was trained with"
    )]
    OtherModel {
        /// The file.
        path: String,
        /// The file's network.
        found: String,
        /// The requested network.
        expected: String,
    },
    /// Weights of another network.
    #[error(
        "{path} contains another network: {tensor} is {found}, not {expected}; \
         give the --image-size, --width and data set that it was trained with"
    )]
    OtherNetwork {
        /// The file.
        path: String,
        /// The first tensor that differs.
        tensor: String,
        /// Its shape in the file.
        found: Shape,
        /// The network's shape.
        expected: Shape,
    },
}
