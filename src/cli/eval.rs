//! `vgg eval`: a trained network on a data set's test images.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use serde::Serialize;

use super::{
    Usage, args,
    calibrate::Calibration,
    confusion, data,
    device::{choose_and_say, opened},
    output::{note, print, print_json, write_file},
    table::percent,
};
use crate::{
    data::{DataError, DataSource, Dataset, Loader, Options, TestAugmentation},
    pictures::confusion_svg,
    weights::{ModelInfo, Trained, Weights},
};

/// Reads the weights that the flags name, or those inside the program with a note.
pub(super) fn read_weights(flags: &args::WeightsFlag, quiet: bool) -> Result<Weights> {
    let size = flags.image_size.map(|side| [side; 2]);
    let Some(path) = &flags.weights else {
        note(
            quiet,
            "weights   inside the program, trained by the quick recipe (assets/weights); use --weights FILE for others",
        );
        return Ok(Weights::builtin()?.of_size(size)?);
    };
    Ok(Weights::read(path, size)?)
}

/// As [`read_weights`], or a quantised network.
pub(super) fn read_trained(flags: &args::WeightsFlag, quiet: bool) -> Result<Trained> {
    let size = flags.image_size.map(|side| [side; 2]);
    match &flags.weights {
        Some(path) => Ok(Trained::read(path, size)?),
        None => Ok(Trained::Float(read_weights(flags, quiet)?)),
    }
}

/// Runs `vgg eval`.
pub(super) fn run(flags: &args::Eval, quiet: bool) -> Result<()> {
    let trained = read_trained(&flags.weights, quiet)?;
    let info = trained.info();
    let source: DataSource = flags.data.parse().map_err(|error: DataError| Usage(error.to_string()))?;
    if flags.skip_corrupt && !source.kind().pictures {
        let data = &flags.data;
        bail!(Usage(format!(
            "--skip-corrupt is true, but data is {data}: give --data folder:DIR, or leave --skip-corrupt out"
        )));
    }
    let augmentation = augmentation(flags.tta, info)?;
    let device = choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let [side, _] = info.image_size;
    let options =
        Options { resize: info.resize_size, skip_corrupt: flags.skip_corrupt, ..Options::new(side) };
    let test = data::open_source(&source, options, quiet)?.test;
    check(info, &*test, &flags.data)?;
    let names = info.names_for(test.class_names());
    if info.class_names != names {
        let (known, set) = (listed(&info.class_names), listed(test.class_names()));
        note(quiet, &format!("note      the weights name their classes {known}, the data {set}"));
    }
    // A batch larger than the set would only add padding.
    let batch = (flags.batch_size as usize).min(test.len());
    let loader = Loader::evaluate(Arc::clone(&test), batch)?;
    let mut session = opened(&device, device.session(&trained, batch, [test.height(), test.width()])?);
    let bar = if quiet || flags.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let evaluation = session.evaluate_augmented(&loader, augmentation, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let (loss, accuracy) = (evaluation.loss(), evaluation.accuracy());
    let calibration = match &flags.weights.weights {
        Some(path) if flags.calibrate => {
            let calibration = Calibration::new(&evaluation.answers, "test");
            calibration.write(path)?;
            note(quiet, &format!("confidence {}; written to {}", calibration.text(), path.display()));
            Some(calibration)
        }
        _ => None,
    };
    let temperature = match (calibration, augmentation) {
        (Some(found), _) => found.value(),
        (None, TestAugmentation::NONE) => info.temperature(),
        // Averaging lowers the confidence by itself.
        (None, _) => 1.0,
    };
    let [error, calibrated] = [1.0, temperature].map(|t| evaluation.answers.calibration_error(t));
    if flags.json {
        let figures = Figures {
            data: &flags.data,
            images: test.len(),
            loss,
            accuracy,
            top5_accuracy: evaluation.top5_accuracy(),
            temperature,
            expected_calibration_error: error,
            calibrated_loss: evaluation.answers.loss(temperature),
            calibrated_expected_calibration_error: calibrated,
            tta: augmentation.to_string(),
            skipped: test.skipped(),
            classes: names,
            confusion: &evaluation.confusion,
        };
        print_json(&figures)?;
    } else {
        let mut head = format!(
            "test images   {}\ntest loss     {loss:.4}\ntest accuracy {:.2} %\n",
            test.len(),
            100.0 * accuracy
        );
        if let Some(top5) = evaluation.top5_accuracy() {
            head += &format!("among top 5   {:.2} %\n", 100.0 * top5);
        }
        head += &format!("calibration   error {}", percent(calibrated));
        if temperature != 1.0 {
            head += &format!(" at temperature {temperature:.3}, {} without", percent(error));
        }
        head += "\n\n";
        print(&(head + &confusion::render(&evaluation.confusion, names)))?;
    }
    // Print the figures first, in case the picture cannot be written.
    let picture = flags.confusion.clone().or_else(|| (!flags.json).then(|| default_picture(flags)));
    if let Some(path) = &picture {
        let title = format!("{}: {:.2} % of {} test images", test.name(), 100.0 * accuracy, test.len());
        let svg = confusion_svg(&title, &evaluation.confusion, names);
        write_file(path, svg.as_bytes(), "--confusion FILE")?;
        note(quiet, &format!("confusion matrix as a picture: {}", path.display()));
    }
    Ok(())
}

/// The figures, as `--json` prints them.
#[derive(Serialize)]
struct Figures<'a> {
    data: &'a str,
    images: usize,
    loss: f64,
    accuracy: f64,
    top5_accuracy: Option<f64>,
    /// The weights' temperature, or 1 for an average over variants; loss, and the first calibration error, are those at temperature 1.
    temperature: f64,
    expected_calibration_error: f64,
    calibrated_loss: f64,
    calibrated_expected_calibration_error: f64,
    /// The value of `--tta`, or nothing.
    tta: String,
    skipped: &'a [String],
    classes: &'a [String],
    confusion: &'a [Vec<u64>],
}

/// The variants of `--tta`; characters are not mirrored, because the mirror images of most are none.
pub(super) fn augmentation(flag: Option<TestAugmentation>, info: &ModelInfo) -> Result<TestAugmentation> {
    match flag {
        Some(wanted) if wanted.flip && info.has_characters() => {
            let classes = listed(&info.class_names);
            bail!(Usage(format!(
                "--tta {wanted} mirrors images, but the classes ({classes}) are characters, whose mirror images are others or none; \
                 give --tta shift"
            )))
        }
        flag => Ok(flag.unwrap_or_default()),
    }
}

/// The first names of a list.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 5 { first + ", ..." } else { first }
}

fn default_picture(flags: &args::Eval) -> PathBuf {
    let sibling = |path: &PathBuf| path.with_file_name("confusion.svg");
    flags.weights.weights.as_ref().map_or_else(|| PathBuf::from("confusion.svg"), sibling)
}

pub(super) fn check(info: &ModelInfo, test: &dyn Dataset, data: &str) -> Result<()> {
    if info.channels != test.channels() {
        let (network, images) = (info.channels, test.channels());
        bail!("the weights are for images of {network} channels, but {data} has {images}. Try other --data");
    }
    if info.class_names.len() != test.classes() {
        let (network, set) = (info.class_names.len(), test.classes());
        bail!("the weights have {network} classes, but {data} has {set}. Try other --data");
    }
    Ok(())
}
