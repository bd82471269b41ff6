//! `vgg explain`: a map of the evidence for a class.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::{
    Usage, args,
    device::{choose_and_say, opened},
    eval,
    output::{self, print, write_file},
    predict::wanted,
    table::{Align, table},
};
use crate::{
    data::{Rectangle, picture},
    pictures::{Captions, Pixels, explanation_png},
    program::Mode,
    train::{Channel, Explanation, explainable},
    weights::ModelInfo,
};

/// The number of channels in the table.
const SHOWN: usize = 8;
/// The smallest map that can localise anything.
const PLACES: usize = 7;

/// `vgg explain`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    weights: args::WeightsFlag,
    #[command(flatten)]
    device: args::DeviceFlag,
    #[command(flatten)]
    kernels: args::KernelFlags,
    /// The picture.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// The class to explain: its name, or its number from 0. Unset, the most probable one.
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// The convolution to explain, as conv5_3. Unset, the last one whose output has at least 7x7 pixels.
    #[arg(long, value_name = "LAYER")]
    layer: Option<String>,
    /// The polarity of ink and paper; auto detects it.
    #[arg(long, value_enum, default_value_t = args::InkFlag::Auto)]
    ink: args::InkFlag,
    /// The PNG to write. Unset, IMAGE's name with .explain.png in the current folder.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs `vgg explain`.
pub(super) fn run(flags: &Flags, quiet: bool) -> Result<()> {
    let weights = eval::read_weights(&flags.weights, quiet)?;
    let info = &weights.info;
    let class = flags.class.as_deref().map(|class| class_of(class, info)).transpose()?;
    let layers = explainable(&weights.network);
    let found = match &flags.layer {
        Some(wanted) => layers.iter().find(|(name, ..)| name == wanted),
        None => layers.iter().rfind(|(_, _, size)| size.iter().all(|&side| side >= PLACES)).or(layers.last()),
    };
    let Some(&(layer, relu, _)) = found else {
        let wanted = flags.layer.as_deref().unwrap_or_default();
        let names: Vec<&str> = layers.iter().map(|(name, ..)| *name).collect();
        let text =
            format!("--layer {wanted}: the network has no such convolution; it has {}", names.join(", "));
        bail!(Usage(text));
    };
    let device = choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let picture = picture::open(&flags.image, &wanted(info, flags.ink))?;
    if let Some(Rectangle { top, left, .. }) = picture.bounds.filter(|_| picture.of > 1) {
        let note = format!(
            "note      the picture has {} digits; the clearest, at ({left}, {top}), is explained",
            picture.of
        );
        output::note(quiet, &note);
    }
    let pixels = picture.pixels;
    let source = info.source_size();
    let mut session = opened(&device, device.inference(&weights, 1, source, Mode::Explain(relu))?);
    let explanation = session.explain(&pixels, class)?;
    print(&render(&explanation, layer, info))?;
    let path = flags.output.clone().unwrap_or_else(|| default_output(&flags.image));
    let picture = Pixels { bytes: &pixels, size: source, channels: info.channels };
    let maps: Vec<&[f32]> = explanation.channels.iter().map(|channel| channel.map.as_slice()).collect();
    let captions = captions(&explanation, layer, info);
    let sheet = explanation_png(picture, &explanation.map, &maps, explanation.size, &captions);
    write_file(&path, &sheet, "--output FILE")?;
    print(&format!("picture    {}\n", path.display()))
}

fn class_of(wanted: &str, info: &ModelInfo) -> Result<usize> {
    let names = &info.class_names;
    let by_name = names.iter().position(|name| name == wanted);
    let by_number = || wanted.parse().ok().filter(|&class: &usize| class < names.len());
    match by_name.or_else(by_number) {
        Some(class) => Ok(class),
        None => bail!(Usage(format!(
            "--class {wanted}: the weights have no such class; they have {} (0 to {})",
            names.iter().take(12).cloned().collect::<Vec<_>>().join(", ")
                + if names.len() > 12 { ", ..." } else { "" },
            names.len() - 1
        ))),
    }
}

fn default_output(image: &Path) -> PathBuf {
    let name = image.file_stem().unwrap_or(image.as_os_str());
    format!("{}.explain.png", name.to_string_lossy()).into()
}

/// The words on the picture.
fn captions(explanation: &Explanation, layer: &str, info: &ModelInfo) -> Captions {
    let Explanation { probabilities, class, size: [height, width], channels, .. } = explanation;
    let name = &info.class_names[*class];
    let total: f32 = channels.iter().map(evidence).filter(|&share| share > 0.0).sum();
    let channel = |channel: &Channel| {
        let share = 100.0 * evidence(channel).max(0.0) / total.max(f32::MIN_POSITIVE);
        format!("channel {}: {share:.0} %", channel.index)
    };
    Captions {
        heading: [
            format!("class {name}, probability {:.2} %", 100.0 * probabilities[*class]),
            format!("Grad-CAM of {layer} ({height} x {width} pixels); below, its leading channels"),
        ],
        pictures: ["what the network sees".to_owned(), format!("evidence for {name}")],
        channels: channels.iter().take(SHOWN).map(channel).collect(),
    }
}

fn render(explanation: &Explanation, layer: &str, info: &ModelInfo) -> String {
    let Explanation { probabilities, class, size: [height, width], channels, .. } = explanation;
    let mut text = format!(
        "class      {} ({:.2} %)\nlayer      {layer}, {height} x {width} pixels, {} channels\n\n",
        info.class_names[*class],
        100.0 * probabilities[*class],
        channels.len(),
    );
    let total: f32 = channels.iter().map(evidence).filter(|&share| share > 0.0).sum();
    let rows: Vec<Vec<String>> = channels
        .iter()
        .take(SHOWN)
        .map(|channel| {
            let largest = channel.map.iter().copied().fold(0.0, f32::max);
            let share = 100.0 * evidence(channel).max(0.0) / total.max(f32::MIN_POSITIVE);
            vec![
                channel.index.to_string(),
                format!("{share:.1} %"),
                format!("{:+.2e}", channel.weight),
                format!("{largest:.3}"),
            ]
        })
        .collect();
    text += &table(
        &[
            ("channel", Align::Right),
            ("of the evidence", Align::Right),
            ("gradient", Align::Right),
            ("largest value", Align::Right),
        ],
        &rows,
    );
    text + "\n"
}

fn evidence(channel: &Channel) -> f32 {
    channel.weight * channel.map.iter().sum::<f32>()
}
