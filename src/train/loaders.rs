//! The batches of a run.

use super::{config::TrainConfig, error::TrainError};
use crate::data::{Augmentation, DataSets, Loader};

/// The loaders of a run: for training and for the evaluation of its epochs.
///
/// # Errors
/// [`TrainError`] if the data or the batch do not fit.
pub fn loaders(config: &TrainConfig, data: &DataSets) -> Result<[Loader; 2], TrainError> {
    let augmentation = Augmentation::new(config.rotate as f32, config.translate as f32)?
        .resized_crop(config.random_resized_crop)
        .flip(config.hflip)
        .crop_padded(config.random_crop)
        .rand_augment(config.rand_augmentation());
    let train = Loader::train(data.train.clone(), config.batch_size, config.seed, augmentation)?
        .mixed(config.mixing());
    let [accumulated, batches] = [config.grad_accum_steps as usize, train.batches_per_epoch()];
    if accumulated > batches {
        return Err(TrainError::AccumulatesBeyondEpoch { accumulated, batches });
    }
    Ok([train, Loader::evaluate(data.judged_on().clone(), config.batch_size)?])
}
