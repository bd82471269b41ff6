//! `vgg compare FILE...`: trained networks next to each other.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{
    Usage, args,
    device::choose_and_say,
    judged::{BATCH, Judged, data_for, judge},
    output::{note, print, print_json},
    settings::configure,
    table::{Align, bytes, flops, table, thousands},
};
use crate::{
    data::Dataset,
    files::write_text,
    model::{Layer, Network},
    pictures::{FileBar, files_svg},
    train::comparison_directory,
    weights::Trained,
};

/// A file with what it gives.
struct Compared {
    name: String,
    kind: String,
    network: Network,
    file_bytes: u64,
    judged: Judged,
}

/// The comparison, as `--json` prints it.
#[derive(Serialize)]
struct FilesComparison<'a> {
    device: String,
    data: &'a str,
    images: usize,
    batch_size: usize,
    files: Vec<FileFigures<'a>>,
    picture: String,
}

#[derive(Serialize)]
struct FileFigures<'a> {
    file: &'a str,
    network: &'a str,
    parameters: usize,
    multiply_adds: u64,
    file_bytes: u64,
    images_per_second: f64,
    loss: f64,
    accuracy: f64,
    /// The fraction of the images with the same answer as the first file's.
    same_answers: f64,
    layers: Vec<LayerFigures>,
}

/// A convolution or linear layer.
#[derive(Serialize)]
struct LayerFigures {
    name: String,
    channels: usize,
    multiply_adds: u64,
}

/// Runs `vgg compare` for files.
pub(super) fn run(
    paths: &[std::path::PathBuf],
    recipe: &args::RecipeFlag,
    settings: &args::SettingFlags,
    (device, kernels): (&args::DeviceFlag, &args::KernelFlags),
    json: bool,
    quiet: bool,
) -> Result<()> {
    if paths.len() < 2 {
        bail!(Usage("vgg compare FILE... needs two files or more; vgg eval measures one".to_owned()));
    }
    let ignored =
        |key: &&String| !["data", "output_dir", "resize_size", "skip_corrupt"].contains(&key.as_str());
    if let Some(key) = settings.0.keys().find(ignored) {
        let flag = key.replace('_', "-");
        bail!(Usage(format!(
            "--{flag} has no effect on trained networks: vgg compare FILE... takes --data and --output-dir; leave it out"
        )));
    }
    let device = choose_and_say(&device.device, kernels, quiet)?;
    let config = configure(recipe, settings, device.is_hardware_gpu(), quiet)?;
    // All are read before any is measured.
    let trained = paths.iter().map(|path| Ok(Trained::read(path, None)?)).collect::<Result<Vec<_>>>()?;
    let tests = trained
        .iter()
        .map(|trained| Ok(data_for(&config.data, trained.info(), quiet)?.test))
        .collect::<Result<Vec<Arc<dyn Dataset>>>>()?;
    let directory = comparison_directory(config.output_dir.as_deref().map(Path::new))?;
    let mut files = Vec::new();
    for ((path, trained), test) in paths.iter().zip(trained).zip(&tests) {
        note(quiet, &format!("measuring {}", path.display()));
        let judged = judge(&device, &trained, test, test.len())?;
        let kind = match &trained {
            Trained::Float(weights) => weights.network.config.to_string(),
            Trained::Quantized(weights) => format!("{}, 8-bit integers", weights.quantized.network.config),
        };
        let file_bytes = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
        let name = short(path);
        files.push(Compared { name, kind, network: trained.network().clone(), file_bytes, judged });
    }
    if !json {
        print(&format!("{}\n{}", summary(&files), layers(&files)))?;
    }
    let bars: Vec<FileBar> = files.iter().map(bar).collect();
    let title =
        format!("{} test images of {}, batch {BATCH}, {}", tests[0].len(), config.data, device.name());
    let picture = directory.join("files.svg");
    write_text(&picture, &files_svg(&title, &bars))?;
    note(quiet, &format!("picture   {}", picture.display()));
    if !json {
        return Ok(());
    }
    print_json(&FilesComparison {
        device: device.name(),
        data: &config.data,
        images: tests[0].len(),
        batch_size: BATCH,
        files: files.iter().map(|file| figures(file, &files[0])).collect(),
        picture: picture.display().to_string(),
    })
}

fn figures<'a>(file: &'a Compared, first: &Compared) -> FileFigures<'a> {
    let layer = |layer: &Layer| LayerFigures {
        name: layer.name.clone(),
        channels: layer.channels(),
        multiply_adds: layer.multiply_adds(),
    };
    FileFigures {
        file: &file.name,
        network: &file.kind,
        parameters: file.network.values(),
        multiply_adds: file.network.multiply_adds(),
        file_bytes: file.file_bytes,
        images_per_second: file.judged.images_a_second,
        loss: file.judged.loss,
        accuracy: file.judged.accuracy,
        same_answers: same_answers(file, &first.judged.answers()),
        layers: products(&file.network).map(layer).collect(),
    }
}

/// The fraction of the answers that are those of another file.
fn same_answers(file: &Compared, other: &[usize]) -> f64 {
    let same = file.judged.answers().iter().zip(other).filter(|(a, b)| a == b).count();
    same as f64 / other.len().max(1) as f64
}

/// Its convolutions and linear layers.
fn products(network: &Network) -> impl Iterator<Item = &Layer> {
    network.layers.iter().filter(|layer| layer.is_product())
}

/// The last two parts of a path: runs name their weights alike.
fn short(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

fn bar(file: &Compared) -> FileBar {
    FileBar {
        name: file.name.clone(),
        errors: 100.0 * (1.0 - file.judged.accuracy),
        kibibytes: file.file_bytes as f64 / 1024.0,
        images_a_second: file.judged.images_a_second,
    }
}

fn summary(files: &[Compared]) -> String {
    let first = files[0].judged.answers();
    let row = |file: &Compared| {
        vec![
            file.name.clone(),
            file.kind.clone(),
            thousands(file.network.values()),
            flops(file.network.multiply_adds()),
            bytes(file.file_bytes),
            format!("{:.0}", file.judged.images_a_second),
            format!("{:.2} %", 100.0 * file.judged.accuracy),
            format!("{:.2} %", 100.0 * same_answers(file, &first)),
        ]
    };
    let columns = [
        ("file", Align::Left),
        ("network", Align::Left),
        ("parameters", Align::Right),
        ("multiply-adds", Align::Right),
        ("size", Align::Right),
        ("images/s", Align::Right),
        ("accuracy", Align::Right),
        ("same answers", Align::Right),
    ];
    table(&columns, &files.iter().map(row).collect::<Vec<_>>())
}

/// The widths and multiply-adds of each layer in each file.
fn layers(files: &[Compared]) -> String {
    let all: Vec<Vec<&Layer>> = files.iter().map(|file| products(&file.network).collect()).collect();
    let longest = all.iter().max_by_key(|layers| layers.len()).expect("two files or more");
    let row = |at: &&Layer| {
        let cells = all.iter().map(|layers| match layers.iter().find(|layer| layer.name == at.name) {
            Some(layer) => format!("{} ({})", layer.channels(), flops(layer.multiply_adds())),
            None => "-".to_owned(),
        });
        std::iter::once(at.name.clone()).chain(cells).collect::<Vec<_>>()
    };
    let columns: Vec<(&str, Align)> = std::iter::once(("channels (multiply-adds)", Align::Left))
        .chain(files.iter().map(|file| (file.name.as_str(), Align::Right)))
        .collect();
    table(&columns, &longest.iter().map(row).collect::<Vec<_>>())
}
