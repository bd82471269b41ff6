//! `vgg eval`: a trained network on a data set's test images.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;

use super::{
    args, confusion,
    device::Device,
    output::{note, print},
};
use crate::{
    data::{DataSource, Dataset, Loader},
    program::{Mode, Settings, lower},
    train::{ModelInfo, Session, Weights},
};

/// Opens a session that evaluates `weights` in batches of `batch` images of the given size.
pub(super) fn open_session(
    weights: &Weights,
    device: &Device,
    batch: usize,
    source: [usize; 2],
) -> Result<Session> {
    let normalization = weights.info.normalization();
    let settings = Settings {
        batch,
        source,
        mean: normalization.mean,
        std: normalization.std,
        mode: Mode::Evaluate,
        limits: device.limits(),
    };
    let lowered = lower(&weights.network, &settings)?;
    let executor = device.open(lowered.program.clone())?;
    let mut session = Session::new(executor, &lowered, weights.network.clone());
    session.load(weights)?;
    Ok(session)
}

/// Reads the weights that the flags name.
pub(super) fn read_weights(flags: &args::WeightsFlag) -> Result<Weights> {
    Ok(Weights::read(&flags.weights, flags.image_size.map(|side| [side; 2]))?)
}

/// Runs `vgg eval`.
pub(super) fn run(flags: &args::Eval, quiet: bool) -> Result<()> {
    let weights = read_weights(&flags.weights)?;
    let source: DataSource = flags.data.parse()?;
    let device = Device::choose(&flags.device.device)?;
    note(quiet, &device.describe());
    let test = source.open()?.test;
    check(&weights.info, &*test, &flags.data)?;
    let loader = Loader::evaluate(Arc::clone(&test), flags.batch_size)?;
    let mut session = open_session(&weights, &device, flags.batch_size, [test.height(), test.width()])?;
    let bar = if quiet || flags.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let evaluation = session.evaluate(&loader, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let names = test.class_names();
    let (loss, accuracy) = (evaluation.loss(), evaluation.accuracy());
    let picture = flags.confusion.clone().or_else(|| (!flags.json).then(|| default_picture(flags)));
    if let Some(path) = &picture {
        let title = format!("{}: {:.2} % of {} test images", test.name(), 100.0 * accuracy, test.len());
        let svg = confusion::svg(&evaluation.confusion, names, &title)?;
        fs::write(path, svg).with_context(|| {
            format!("cannot write {}; name another place with --confusion FILE", path.display())
        })?;
    }
    if flags.json {
        let json = serde_json::json!({
            "data": flags.data,
            "images": test.len(),
            "loss": loss,
            "accuracy": accuracy,
            "classes": names,
            "confusion": evaluation.confusion,
        });
        return print(&format!("{json}\n"));
    }
    let mut text = format!(
        "test images   {}\ntest loss     {loss:.4}\ntest accuracy {:.2} %\n\n",
        test.len(),
        100.0 * accuracy
    );
    text += &confusion::render(&evaluation.confusion, names);
    if let Some(path) = picture {
        text += &format!("\nconfusion matrix as a picture: {}\n", path.display());
    }
    print(&text)
}

fn default_picture(flags: &args::Eval) -> PathBuf {
    flags.weights.weights.with_file_name("confusion.svg")
}

fn check(info: &ModelInfo, test: &dyn Dataset, data: &str) -> Result<()> {
    if info.channels != test.channels() {
        let (network, images) = (info.channels, test.channels());
        bail!("the weights are for images of {network} channels, but {data} has {images}. Try other --data");
    }
    if info.class_names.len() != test.classes() {
        let (network, set) = (info.class_names.len(), test.classes());
        bail!("the weights know {network} classes, but {data} has {set}. Try other --data");
    }
    Ok(())
}
