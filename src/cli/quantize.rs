//! `vgg quantize`: a trained network on 8-bit integers.

use std::{fmt::Write as _, fs, path::PathBuf, sync::Arc};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    args, defaults,
    device::choose_and_say,
    eval,
    judged::{BATCH, Judged, JudgedFigures, data_for, judge},
    output::{note, print, print_json},
    table::{Align, bytes, table},
};
use crate::{
    data::{Dataset, View},
    quantize::{Calibrator, LayerNoise, Options, calibration, noise, quantize},
    weights::{QuantizedWeights, Trained, write_quantized},
};

/// Images on which the noise of each layer is measured.
const NOISE_IMAGES: usize = 64;
/// How many of the noisiest layers are named.
const NOISIEST: usize = 3;

/// The signal to noise, in dB, below which a layer is not much use.
const LOST: f64 = 10.0;

/// `vgg quantize`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    weights: args::WeightsFlag,
    /// The new file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The data set whose training images calibrate, and whose test images show what is lost.
    #[arg(long, default_value = defaults::or("data", "mnist"), value_name = "SET")]
    data: String,
    /// How the ranges of activations are found.
    #[arg(long, value_enum, default_value_t = Method::Minmax)]
    calibrator: Method,
    /// Calibration images, spread over the training images.
    #[arg(long, default_value_t = 512, value_name = "IMAGES", value_parser = clap::value_parser!(u32).range(1..))]
    images: u32,
    /// The type of activations.
    #[arg(long, value_enum, default_value_t = Activations::U8)]
    activations: Activations,
    /// Test images, spread over all, that show what is lost; 0 measures nothing. Unset, all.
    #[arg(long, value_name = "IMAGES")]
    test_images: Option<usize>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: args::DeviceFlag,
    #[command(flatten)]
    kernels: args::KernelFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Up to the largest value of all calibration images.
    Minmax,
    /// Up to the mean over batches of 64 of the largest value.
    MovingAverage,
    /// Up to the value that 99.999 % do not exceed.
    Percentile,
    /// Up to the value above which clipping costs the least information.
    Entropy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Activations {
    /// Unsigned: 255 steps from 0 up after a ReLU.
    U8,
    /// Signed and symmetric, as TensorRT and ARM's libraries want them: 127 steps.
    S8,
}

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct QuantizedFigures<'a> {
    output: String,
    calibration: &'a str,
    float_bytes: u64,
    file_bytes: u64,
    layers: Vec<QuantizedLayerFigures<'a>>,
    /// On the test images, unless none are measured.
    before: Option<JudgedFigures>,
    after: Option<JudgedFigures>,
    test_images: usize,
    same_answers: Option<usize>,
}

#[derive(Serialize)]
struct QuantizedLayerFigures<'a> {
    name: &'a str,
    weight_bytes: usize,
    /// `None` for logits.
    largest_output: Option<f32>,
    /// `None` if the layer's outputs are exact.
    signal_to_noise_db: Option<f64>,
}

/// Runs `vgg quantize`.
pub(super) fn run(flags: &Flags, quiet: bool) -> Result<()> {
    let output = &flags.output;
    if output.exists() {
        bail!("{} already exists; give another --output", output.display());
    }
    let weights = eval::read_weights(&flags.weights, quiet)?;
    let data = data_for(&flags.data, &weights.info, quiet)?;
    let device = choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let options = Options {
        calibrator: match flags.calibrator {
            Method::Minmax => Calibrator::MinMax,
            Method::MovingAverage => Calibrator::MovingAverage,
            Method::Percentile => Calibrator::Percentile,
            Method::Entropy => Calibrator::Entropy,
        },
        images: flags.images as usize,
        signed: flags.activations == Activations::S8,
    };
    let quantized = quantize(&device, &weights, &data.train, &options)?;
    let noise = noise(&device, &weights, &quantized, &calibration(&data.train, NOISE_IMAGES)?)?;
    write_quantized(output, &quantized)?;
    let file_bytes = fs::metadata(output)?.len();
    let float_bytes = weights.network.parameters.iter().map(|p| 4 * p.shape.elements() as u64).sum();
    let mut text = layers(&quantized, &noise);
    writeln!(text, "\nnoisiest layers    {}", noisiest(&noise))?;
    if noise.iter().any(|row| row.decibels < LOST) {
        writeln!(
            text,
            "                   below {LOST} dB little is left: try another --calibrator, or more --images"
        )?;
    }
    writeln!(text, "size               {} -> {}", bytes(float_bytes), bytes(file_bytes))?;
    let test: Arc<dyn Dataset> = match flags.test_images {
        Some(count) => Arc::new(View::spread(data.test, count)),
        None => data.test,
    };
    let judged = match test.is_empty() {
        true => None,
        false => Some([
            judge(&device, &Trained::Float(weights), &test, test.len())?,
            judge(&device, &Trained::read(output, None)?, &test, test.len())?,
        ]),
    };
    if let Some([before, after]) = &judged {
        text += &compared(before, after, &flags.data);
    }
    if flags.json {
        let layers = quantized.quantized.layers.iter().zip(&noise).map(|(layer, noise)| {
            let signal_to_noise_db = Some(noise.decibels).filter(|decibels| decibels.is_finite());
            let largest_output = layer.output.map(|output| output.value(255));
            let weight_bytes = layer.weight.len();
            QuantizedLayerFigures { name: &noise.layer, weight_bytes, largest_output, signal_to_noise_db }
        });
        print_json(&QuantizedFigures {
            output: output.display().to_string(),
            calibration: &quantized.calibration,
            float_bytes,
            file_bytes,
            layers: layers.collect(),
            before: judged.as_ref().map(|[before, _]| before.figures()),
            after: judged.as_ref().map(|[_, after]| after.figures()),
            test_images: test.len(),
            same_answers: judged.as_ref().map(|[before, after]| same_answers(before, after)),
        })?;
    } else {
        print(&text)?;
    }
    note(quiet, &format!("wrote     {}: {}", output.display(), quantized.calibration));
    Ok(())
}

fn decibels(value: f64) -> String {
    if value.is_finite() { format!("{value:.1}") } else { "exact".to_owned() }
}

fn layers(weights: &QuantizedWeights, noise: &[LayerNoise]) -> String {
    let row = |(layer, noise): (&crate::model::QuantizedLayer, &LayerNoise)| {
        vec![
            noise.layer.clone(),
            bytes(layer.weight.len() as u64),
            layer.output.map_or_else(|| "logits".to_owned(), |output| format!("{:.4}", output.value(255))),
            decibels(noise.decibels),
        ]
    };
    let rows: Vec<Vec<String>> = weights.quantized.layers.iter().zip(noise).map(row).collect();
    let columns = [
        ("layer", Align::Left),
        ("weights", Align::Right),
        ("largest output", Align::Right),
        ("signal to noise, dB", Align::Right),
    ];
    table(&columns, &rows)
}

fn noisiest(noise: &[LayerNoise]) -> String {
    let mut order: Vec<&LayerNoise> = noise.iter().collect();
    order.sort_by(|a, b| a.decibels.total_cmp(&b.decibels));
    let names =
        order.iter().take(NOISIEST).map(|row| format!("{} ({} dB)", row.layer, decibels(row.decibels)));
    names.collect::<Vec<_>>().join(", ")
}

fn same_answers(before: &Judged, after: &Judged) -> usize {
    before.answers().iter().zip(&after.answers()).filter(|(a, b)| a == b).count()
}

fn compared(before: &Judged, after: &Judged, data: &str) -> String {
    let (same, all) = (same_answers(before, after), before.probabilities.len());
    format!(
        "accuracy           {:.2} % -> {:.2} % on {all} test images of {data} (loss {:.4} -> {:.4})\n\
         answers            {same} of {all} are the same ({:.2} %)\n\
         speed              {:.0} -> {:.0} images/s ({:.3} -> {:.3} ms per image), evaluated once, batch {}\n",
        100.0 * before.accuracy,
        100.0 * after.accuracy,
        before.loss,
        after.loss,
        100.0 * same as f64 / all as f64,
        before.images_a_second,
        after.images_a_second,
        1e3 / before.images_a_second,
        1e3 / after.images_a_second,
        BATCH.min(all),
    )
}
