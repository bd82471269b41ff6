//! `vgg predict`: classifies pictures.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, bail};

use super::{
    args::{self, InkFlag},
    device::{choose_and_say, opened},
    eval,
    output::print,
};
use crate::{
    data::{
        Rectangle,
        picture::{self, Picture, Polarity, Wanted},
    },
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
        match picture::open_all(path, &wanted) {
            Ok(digits) => pictures.extend(digits.into_iter().map(|picture| (path, picture))),
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
        let mut text = String::new();
        let (mut pictures, mut answers) = (&pictures[..], &answers[..]);
        while let [(path, first), ..] = pictures {
            let (own, rest) = pictures.split_at(first.of);
            let (probs, more) = answers.split_at(first.of);
            text += &lines(path, own, probs, info, flags);
            (pictures, answers) = (rest, more);
        }
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
    let (channels, characters) = (info.channels, info.has_characters());
    Wanted { height, width, channels, characters, polarity, resize: info.resize_size }
}

/// The answers to a picture's digits: `digit.png: 7 (99.98 %), 2 (0.01 %), 1 (0.00 %); seen as dark ink on light paper`. If there are
/// several, `sum.png: 4 digits: 1 7 3 5; ...`, and a line for each with its place.
fn lines(
    path: &Path,
    digits: &[(&PathBuf, Picture)],
    probs: &[Vec<f32>],
    info: &ModelInfo,
    flags: &args::Predict,
) -> String {
    let (path, ink) = (path.display(), seen(digits[0].1.polarity, flags.ink));
    let answers: Vec<String> = probs.iter().map(|probs| top(probs, info, flags.top.into())).collect();
    if let [answer] = &answers[..] {
        return format!("{path}: {answer}{ink}\n");
    }
    let best: Vec<&str> = probs.iter().map(|probs| info.class_names[order(probs)[0]].as_str()).collect();
    let mut text = format!("{path}: {} digits: {}{ink}\n", digits.len(), best.join(" "));
    for ((_, digit), answer) in digits.iter().zip(answers) {
        if let Some(Rectangle { top, left, height, width }) = digit.bounds {
            text += &format!("  {width} x {height} pixels at ({left}, {top}): {answer}\n");
        }
    }
    text
}

/// The classes, the most probable first.
fn order(probs: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probs.len()).collect();
    order.sort_by(|&a, &b| probs[b].total_cmp(&probs[a]).then(a.cmp(&b)));
    order
}

/// `7 (99.98 %), 2 (0.01 %)`.
fn top(probs: &[f32], info: &ModelInfo, classes: usize) -> String {
    let one = |class: usize| format!("{} ({:.2} %)", info.class_names[class], 100.0 * probs[class]);
    order(probs).into_iter().take(classes).map(one).collect::<Vec<_>>().join(", ")
}

/// How the ink was seen.
fn seen(polarity: Option<Polarity>, flag: InkFlag) -> &'static str {
    match (polarity, flag) {
        (None, _) => "",
        (Some(Polarity::DarkOnLight), InkFlag::Auto) => "; seen as dark ink on light paper",
        (Some(Polarity::LightOnDark), InkFlag::Auto) => "; seen as light ink on dark paper",
        (Some(Polarity::DarkOnLight), _) => "; dark ink, by --ink",
        (Some(Polarity::LightOnDark), _) => "; light ink, by --ink",
    }
}
