//! Weights on disk: safetensors files under torchvision's names and shapes, with a description of their network.
//!
//! [`Weights`] are a network's, checked tensor by tensor; [`Pretrained`] adapts a file to another network; a checkpoint has
//! the tensors of [`State`] next to the weights, and what describes its run ([`crate::train::Checkpoint`]).

mod checkpoint;
mod entries;
mod error;
mod fold;
mod info;
mod metadata;
mod pretrained;
mod prune;
mod quantized;
mod store;
mod temperature;
#[allow(clippy::module_inception, reason = "the room's main type has the room's name")]
mod weights;

pub(crate) use checkpoint::{Contents, read_checkpoint, write_file};
pub use checkpoint::{Part, State};
pub use error::WeightsError;
pub use info::ModelInfo;
pub use pretrained::Pretrained;
pub use prune::{Criterion, PruneError, Pruned, Pruning, Removed, Target, prune, write_pruned};
pub use quantized::{QuantizedWeights, Trained, write_quantized};
pub use store::StoreError;
pub use temperature::write_temperature;
pub use weights::{Weights, write_timm_weights, write_weights};

/// The version of the metadata: the only one that this program reads.
pub const FORMAT_VERSION: u32 = 1;
