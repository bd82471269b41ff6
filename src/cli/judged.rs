//! What a trained network gives for test images, for commands that compare two of them.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use serde::Serialize;

use super::{Usage, data, device::opened, eval};
use crate::{
    data::{DataError, DataSets, DataSource, Dataset, Loader, Options},
    device::Device,
    weights::{ModelInfo, Trained},
};

/// Images at a time.
pub(super) const BATCH: usize = 64;

/// What a network gives for the test images.
pub(super) struct Judged {
    pub(super) accuracy: f64,
    pub(super) loss: f64,
    pub(super) images_a_second: f64,
    /// Those of the first images, `[image][class]`.
    pub(super) probabilities: Vec<Vec<f32>>,
}

/// The figures of a network on the test images, as `--json` prints them.
#[derive(Serialize)]
pub(super) struct JudgedFigures {
    loss: f64,
    accuracy: f64,
    images_per_second: f64,
}

impl Judged {
    pub(super) fn figures(&self) -> JudgedFigures {
        let Self { loss, accuracy, images_a_second, .. } = *self;
        JudgedFigures { loss, accuracy, images_per_second: images_a_second }
    }

    /// The most probable class of each image.
    pub(super) fn answers(&self) -> Vec<usize> {
        let answer = |probabilities: &Vec<f32>| {
            let better = |best: usize, class: usize| {
                if probabilities[class] > probabilities[best] { class } else { best }
            };
            (0..probabilities.len()).fold(0, better)
        };
        self.probabilities.iter().map(answer).collect()
    }
}

/// The data set of this name, checked to fit a network.
pub(super) fn data_for(name: &str, info: &ModelInfo, quiet: bool) -> Result<DataSets> {
    let source: DataSource = name.parse().map_err(|error: DataError| Usage(error.to_string()))?;
    let options = Options { resize: info.resize_size, ..Options::new(info.image_size[0]) };
    let sets = data::open_source(&source, options, quiet)?;
    eval::check(info, &*sets.test, name)?;
    Ok(sets)
}

/// Evaluates the test images; the probabilities are those of the first `kept`.
pub(super) fn judge(
    device: &Device,
    trained: &Trained,
    test: &Arc<dyn Dataset>,
    kept: usize,
) -> Result<Judged> {
    let batch = BATCH.min(test.len());
    let size = [test.height(), test.width()];
    let mut session = opened(device, device.session(trained, batch, size)?);
    let mut images = Vec::new();
    for index in 0..test.len().min(kept) {
        images.extend(test.image(index)?);
    }
    let probabilities = session.predict(&images)?;
    let loader = Loader::evaluate(Arc::clone(test), batch)?;
    let start = Instant::now();
    let evaluation = session.evaluate(&loader, |_, _| {})?;
    Ok(Judged {
        accuracy: evaluation.accuracy(),
        loss: evaluation.loss(),
        images_a_second: test.len() as f64 / start.elapsed().as_secs_f64(),
        probabilities,
    })
}
