//! `vgg predict`: classifies pictures.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, bail};
use rayon::prelude::*;
use serde::Serialize;

use super::{
    Usage,
    args::{self, InkFlag},
    device::{choose_and_say, opened},
    eval,
    output::print,
};
use crate::{
    data::{
        Rectangle,
        folder::picture_files,
        picture::{self, Picture, PictureError, Polarity, Wanted},
    },
    train::TrainError,
    weights::ModelInfo,
};

/// The maximum number of pictures in one step.
const BATCH: usize = 16;

/// A picture to classify, and what it contains.
struct Read {
    name: String,
    digits: Result<Vec<Picture>, PictureError>,
}

/// Runs `vgg predict`. Unreadable pictures are reported, the others are still classified.
pub(super) fn run(flags: &args::Predict, quiet: bool) -> Result<()> {
    let images = expanded(&flags.images)?;
    let trained = eval::read_trained(&flags.weights, quiet)?;
    let device = choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let info = trained.info();
    let wanted = wanted(info, flags.ink);
    let augmentation = eval::augmentation(flags.tta, info)?;
    let mut session = None;
    let (mut failures, mut first) = (Vec::new(), true);
    print(&before(info, flags))?;
    // A chunk at a time, so that any number of pictures needs the same memory.
    for paths in images.chunks(BATCH) {
        let pictures: Vec<Read> = paths.par_iter().map(|path| read(path, &wanted)).collect();
        let digits =
            || pictures.iter().flat_map(|read| read.digits.iter().flatten().map(move |digit| (read, digit)));
        let mut answers = Vec::new();
        if digits().next().is_some() {
            let batch = images.len().max(digits().count()).min(BATCH);
            let session = match &mut session {
                Some(session) => session,
                None => session.insert(opened(&device, device.session(&trained, batch, info.source_size())?)),
            };
            let pixels: Vec<u8> = digits().flat_map(|(_, digit)| digit.pixels.iter().copied()).collect();
            answers = session.predict_augmented(&pixels, augmentation).map_err(|error| {
                let picture = match error {
                    TrainError::NotFinite { image, .. } => {
                        digits().nth(image).map(|(read, _)| read.name.clone())
                    }
                    _ => None,
                };
                picture.into_iter().fold(Error::from(error), Error::context)
            })?;
        }
        let (mut text, mut answers) = (String::new(), &answers[..]);
        for Read { name, digits } in pictures {
            let (probs, rest) = answers.split_at(digits.as_ref().map_or(0, Vec::len));
            answers = rest;
            let entry = match (flags.json, flags.csv) {
                (true, _) => Some(json(&name, &digits, probs, info, flags)?),
                (_, true) => digits.as_ref().ok().map(|digits| csv(&name, digits, probs)),
                _ => match &digits {
                    Ok(digits) => Some(lines(&name, digits, probs, info, flags)),
                    Err(error) => error.nothing_found().map(|why| format!("{name}: no digit: {why}\n")),
                },
            };
            if let Some(entry) = entry {
                text += if flags.json && !first { ",\n" } else { "" };
                text += &entry;
                first = false;
            }
            let failure = digits.err().filter(|error| error.nothing_found().is_none());
            failures.extend(failure.map(|error| error.to_string()));
        }
        print(&text)?;
    }
    print(if flags.json { "\n]\n" } else { "" })?;
    match failures.len() {
        0 => Ok(()),
        _ => bail!("{}", failures.join("\n")),
    }
}

/// The files, with those of folders.
fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = picture_files(path)?;
            if files.is_empty() {
                bail!("{} has no PNG or JPEG pictures; name another folder, or files", path.display());
            }
            all.extend(files);
        } else {
            all.push(path.clone());
        }
    }
    if all.iter().filter(|path| is_input(path)).count() > 1 {
        bail!(Usage("- is standard input, which has one picture; give it once".to_owned()));
    }
    Ok(all)
}

fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read(path: &Path, wanted: &Wanted) -> Read {
    if is_input(path) {
        let name = "standard input".to_owned();
        return Read { digits: picture::read_all(&name, std::io::stdin(), wanted), name };
    }
    Read { name: path.display().to_string(), digits: picture::open_all(path, wanted) }
}

/// What comes before the first picture.
fn before(info: &ModelInfo, flags: &args::Predict) -> String {
    if flags.json {
        return "[\n".to_owned();
    }
    if !flags.csv {
        return String::new();
    }
    let classes = info.class_names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",");
    format!("picture,left,top,width,height,{classes}\n")
}

/// A cell of CSV.
fn quoted(text: &str) -> String {
    let plain = !text.contains([',', '"', '\n', '\r']);
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// A line for each digit; without a place the picture was only resized.
fn csv(name: &str, digits: &[Picture], probs: &[Vec<f32>]) -> String {
    let mut text = String::new();
    for (digit, probs) in digits.iter().zip(probs) {
        let place = digit.bounds.map_or_else(
            || ",,,".to_owned(),
            |Rectangle { top, left, height, width }| format!("{left},{top},{width},{height}"),
        );
        let probs = probs.iter().map(|p| format!("{p:.6}")).collect::<Vec<_>>().join(",");
        text += &format!("{},{place},{probs}\n", quoted(name));
    }
    text
}

/// A picture, as `--json` prints it.
#[derive(Serialize)]
struct PictureAnswer<'a> {
    picture: &'a str,
    classes: &'a [String],
    answers: Vec<DigitAnswer<'a>>,
    /// Why there are no answers, if nothing was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_digit: Option<String>,
}

/// A digit.
#[derive(Serialize)]
struct DigitAnswer<'a> {
    class: &'a str,
    probability: f32,
    /// Whether the probability is at least that of `--sure`.
    sure: bool,
    probabilities: &'a [f32],
    /// Without a place the picture was only resized.
    place: Option<Place>,
}

/// In pixels of the picture.
#[derive(Serialize)]
struct Place {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

/// A picture that cannot be read.
#[derive(Serialize)]
struct Unread<'a> {
    picture: &'a str,
    error: String,
}

/// An object for a picture: its digits, or the error.
fn json(
    name: &str,
    digits: &Result<Vec<Picture>, PictureError>,
    probs: &[Vec<f32>],
    info: &ModelInfo,
    flags: &args::Predict,
) -> Result<String> {
    let no_digit = match digits {
        Ok(_) => None,
        Err(error) => match error.nothing_found() {
            None => {
                return Ok(serde_json::to_string(&Unread { picture: name, error: error.to_string() })?);
            }
            why => why,
        },
    };
    let answers = digits.iter().flatten().zip(probs).map(|(digit, probs)| {
        let best = order(probs)[0];
        let place =
            digit.bounds.map(|Rectangle { top, left, height, width }| Place { left, top, width, height });
        let (class, probability) = (info.class_names[best].as_str(), probs[best]);
        DigitAnswer { class, probability, sure: probability >= flags.sure, probabilities: probs, place }
    });
    let answers = answers.collect();
    let classes = &info.class_names;
    Ok(serde_json::to_string(&PictureAnswer { picture: name, classes, answers, no_digit })?)
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
/// several, `sum.png: 4 digits: 1 7 ? 5; ...`, and a line for each with its place. An answer that is not sure says so first.
fn lines(
    name: &str,
    digits: &[Picture],
    probs: &[Vec<f32>],
    info: &ModelInfo,
    flags: &args::Predict,
) -> String {
    let ink = seen(digits[0].polarity, flags.ink);
    let unsure = |probs: &[f32]| probs[order(probs)[0]] < flags.sure;
    let answer = |probs: &Vec<f32>| {
        let not_sure = if unsure(probs) { "not sure: " } else { "" };
        format!("{not_sure}{}", top(probs, info, flags.top.into()))
    };
    let answers: Vec<String> = probs.iter().map(answer).collect();
    if let [answer] = &answers[..] {
        return format!("{name}: {answer}{ink}\n");
    }
    let best = |probs: &Vec<f32>| match unsure(probs) {
        true => "?",
        false => info.class_names[order(probs)[0]].as_str(),
    };
    let best: Vec<&str> = probs.iter().map(best).collect();
    let mut text = format!("{name}: {} digits: {}{ink}\n", digits.len(), best.join(" "));
    for (digit, answer) in digits.iter().zip(answers) {
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
