//! Data: labelled images on the host, their order and their augmentation.
//!
//! A [`Dataset`] reads u8 images of one size, channels last, from memory or from the files of a folder; [`DataSource`]
//! names one as on the command line; a [`Loader`] turns it into [`Batch`]es, shuffled and augmented as pure functions of
//! (seed, epoch); [`picture`] converts any PNG or JPEG to the form that a network was trained on. The device resizes,
//! augments and normalises the pixels: a batch contains u8 images and their transforms. Only files of varying sizes are
//! cropped and resized here, as they are decoded.

mod affine;
mod augment;
pub mod cifar;
mod crop;
mod dataset;
mod emnist;
mod error;
pub mod folder;
pub mod idx;
mod loader;
mod mixing;
pub mod mnist;
pub mod picture;
mod rand_augment;
mod shuffle;
mod source;
mod variants;
mod view;

pub use augment::{Augmentation, AugmentationError, IDENTITY};
pub use crop::Rectangle;
pub use dataset::{Crop, DataSets, Dataset, Normalization, Options};
pub use error::DataError;
pub use idx::{IdxDataset, IdxError};
pub use loader::{Batch, Batches, Loader, LoaderError};
pub use mixing::Mixing;
pub use rand_augment::{AugmentStep, RandAugment, Tone};
pub use shuffle::permutation;
pub use source::{DataKind, DataSource};
pub use variants::{TestAugmentation, TestAugmentationError, Variant};
pub use view::View;
