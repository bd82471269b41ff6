//! Opening the data set that a command names.

use anyhow::Result;

use super::{output::note, table::thousands};
use crate::{
    cache,
    data::{DataSets, DataSource, Options},
    train::TrainConfig,
};

/// Opens the data of a run, with its validation images; reports a long scan and skipped files.
pub(super) fn open(config: &TrainConfig, quiet: bool) -> Result<DataSets> {
    let (resize, skip_corrupt) = (config.resize_size, config.skip_corrupt);
    let options = Options { resize, skip_corrupt, ..Options::new(config.image_size) };
    let data = open_source(&config.data_source()?, options, quiet)?;
    Ok(if config.val_fraction > 0.0 { data.with_validation(config.val_fraction)? } else { data })
}

/// As [`open`], without a configuration.
pub(super) fn open_source(source: &DataSource, options: Options<'_>, quiet: bool) -> Result<DataSets> {
    let scanning = |count: usize| {
        note(quiet, &format!("data      scanning {} images; the result is cached", thousands(count)));
    };
    let data = source.open(&Options { cache: cache::folder(), scanning: &scanning, ..options })?;
    for (half, set) in [("training", &data.train), ("test", &data.test)] {
        let skipped = set.skipped();
        if !skipped.is_empty() {
            note(
                quiet,
                &format!("data      {} {half} images left out:\n  {}", skipped.len(), skipped.join("\n  ")),
            );
        }
    }
    Ok(data)
}
