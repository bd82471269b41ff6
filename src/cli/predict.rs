//! `vgg predict`: classifies pictures.

use std::path::Path;

use anyhow::{Error, Result, bail};

use super::{
    args::{self, InkFlag},
    device::{choose_and_say, opened},
    eval,
    output::print,
};
use crate::{
    data::picture::{self, Picture, Polarity, Wanted},
    train::TrainError,
    weights::ModelInfo,
};

/// The maximum number of pictures in one step.
const BATCH: usize = 16;

/// Runs `vgg predict`. Unreadable pictures are reported, the others are still classified.
pub(super) fn run(flags: &args::Predict, quiet: bool) -> Result<()> {
    let trained = eval::read_trained(&flags.weights, quiet)?;
    let device = choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let info = trained.info();
    let wanted = wanted(info, flags.ink);
    let mut failures = Vec::new();
    let mut pictures = Vec::new();
    for path in &flags.images {
        match picture::open(path, &wanted) {
            Ok(picture) => pictures.push((path, picture)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if !pictures.is_empty() {
        let batch = pictures.len().min(BATCH);
        let mut session = opened(&device, device.session(&trained, batch, info.source_size())?);
        let pixels: Vec<u8> =
            pictures.iter().flat_map(|(_, picture)| picture.pixels.iter().copied()).collect();
        let answers = session.predict(&pixels).map_err(|error| {
            let picture = match error {
                TrainError::NotFinite { image, .. } => Some(pictures[image].0.display().to_string()),
                _ => None,
            };
            picture.into_iter().fold(Error::from(error), Error::context)
        })?;
        let lines = pictures.iter().zip(&answers);
        let text: String =
            lines.map(|((path, picture), probs)| line(path, picture, probs, info, flags)).collect();
        print(&text)?;
    }
    match failures.len() {
        0 => Ok(()),
        _ => bail!("{}", failures.join("\n")),
    }
}

/// The form of a network's input pictures.
pub(super) fn wanted(info: &ModelInfo, ink: InkFlag) -> Wanted {
    let [height, width] = info.source_size().map(|side| side as u32);
    let polarity = match ink {
        InkFlag::Auto => None,
        InkFlag::Dark => Some(Polarity::DarkOnLight),
        InkFlag::Light => Some(Polarity::LightOnDark),
    };
    Wanted { height, width, channels: info.channels, polarity, resize: info.resize_size }
}

/// `digit.png: 7 (99.98 %), 2 (0.01 %), 1 (0.00 %); dark ink on light paper`.
fn line(path: &Path, picture: &Picture, probs: &[f32], info: &ModelInfo, flags: &args::Predict) -> String {
    let mut order: Vec<usize> = (0..probs.len()).collect();
    order.sort_by(|&a, &b| probs[b].total_cmp(&probs[a]).then(a.cmp(&b)));
    let top: Vec<String> = order
        .iter()
        .take(flags.top.into())
        .map(|&class| format!("{} ({:.2} %)", info.class_names[class], 100.0 * probs[class]))
        .collect();
    let ink = match (picture.polarity, flags.ink) {
        (None, _) => "",
        (Some(Polarity::DarkOnLight), InkFlag::Auto) => "; seen as dark ink on light paper",
        (Some(Polarity::LightOnDark), InkFlag::Auto) => "; seen as light ink on dark paper",
        (Some(Polarity::DarkOnLight), _) => "; dark ink, by --ink",
        (Some(Polarity::LightOnDark), _) => "; light ink, by --ink",
    };
    format!("{}: {}{ink}\n", path.display(), top.join(", "))
}
