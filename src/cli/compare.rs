//! `vgg compare`: the paper's network and the standard one.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Instant,
};

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use super::{
    DONE, INTERRUPTED, Usage, args, compare_files, data,
    device::{choose_and_say, opened},
    measured::Spread,
    output::{note, print, print_json},
    progress::Progress,
    settings::configure,
    summary::forward_flops,
    table::{Align, bytes, flops, percent, table, thousands},
    train::{describe, network, stop_on_signals},
};
use crate::{
    data::DataSets,
    device::Device,
    files::write_text,
    model::{ActivationKind, Freeze, Network, PoolStride, Semantics},
    pictures::curves_svg,
    train::{
        Checkpoint, Measure, Outcome, Row, RunDirectory, TrainConfig, Trainer, best, comparison_directory,
        curves, loaders,
    },
    weights::Weights,
};

/// The smallest image of which five pooling layers of stride 2 leave a pixel.
const SMALLEST: usize = 32;
/// Warm-up steps and measured steps.
const STEPS: [usize; 2] = [3, 10];

/// `vgg compare`.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Trained networks, also pruned and quantised ones, to measure on the same test images instead: one table, one picture. Of the
    /// settings only --data and --output-dir then have a place.
    #[arg(value_name = "FILE", conflicts_with_all = ["custom", "standard", "standard_lr"])]
    files: Vec<PathBuf>,
    #[command(flatten)]
    recipe: args::RecipeFlag,
    #[command(flatten)]
    device: args::DeviceFlag,
    #[command(flatten)]
    settings: args::SettingFlags,
    /// Weights of the paper's network, trained with these same flags, instead of training it. Its curves are read from the
    /// checkpoint.safetensors next to them.
    #[arg(long, value_name = "FILE")]
    custom: Option<PathBuf>,
    /// Likewise for the standard network.
    #[arg(long, value_name = "FILE")]
    standard: Option<PathBuf>,
    /// The standard network's learning rate. Without batch norm it seldom learns at the paper's 1e-3.
    #[arg(long, default_value_t = 1e-4, value_name = "RATE")]
    standard_lr: f64,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kernels: args::KernelFlags,
}

/// One of the two networks.
struct Side<'a> {
    name: &'static str,
    config: TrainConfig,
    weights: Option<&'a Path>,
}

/// The source of a side's quality.
enum Place<'a> {
    /// Existing weights.
    Weights(&'a Path),
    /// The directory to train in.
    Run(RunDirectory),
}

/// The cost of a training step.
#[derive(Serialize)]
struct Cost {
    parameters: usize,
    forward_flop: u64,
    step_ms: f64,
    memory_bytes: u64,
}

/// The results of a network.
#[derive(Serialize)]
struct Quality {
    test_loss: f64,
    test_accuracy: f64,
    /// `None` for weights without a checkpoint next to them.
    #[serde(rename = "best_epoch")]
    best: Option<Row>,
    #[serde(rename = "epochs")]
    history: Vec<Row>,
}

/// The comparison, as `--json` prints it.
#[derive(Serialize)]
struct NetworksComparison<'a> {
    directory: String,
    networks: Vec<NetworkFigures<'a>>,
}

#[derive(Serialize)]
struct NetworkFigures<'a> {
    name: &'static str,
    normalization: String,
    activation: &'static str,
    pooling_stride: &'static str,
    avgpool: usize,
    learning_rate: f64,
    batch_size: usize,
    #[serde(flatten)]
    cost: &'a Cost,
    #[serde(flatten)]
    quality: &'a Quality,
}

/// Runs `vgg compare`.
pub(super) fn run(flags: &Flags, quiet: bool) -> Result<u8> {
    if !flags.files.is_empty() {
        let on = (&flags.device, &flags.kernels);
        compare_files::run(&flags.files, &flags.recipe, &flags.settings, on, flags.json, quiet)?;
        return Ok(DONE);
    }
    let stop = stop_on_signals()?;
    let device = choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let config = configure(&flags.recipe, &flags.settings, device.is_hardware_gpu(), quiet)?;
    if config.weights.is_some() || config.freeze != Freeze::None {
        let text =
            "vgg compare starts both networks from the same seed; --weights and --freeze are for vgg train";
        bail!(Usage(text.to_owned()));
    }
    if config.val_fraction > 0.0 {
        let text = "vgg compare judges both networks on the test images; --val-fraction is for vgg train";
        bail!(Usage(text.to_owned()));
    }
    if config.qat {
        let text = "vgg compare trains a network with batch norm and one without; --qat is for vgg train";
        bail!(Usage(text.to_owned()));
    }
    let mut sides = sides(config, flags, quiet)?;
    let data = data::open(&sides[0].config, quiet)?;
    // Check everything before writing anything: both networks fit, and the weights belong to them.
    for side in &sides {
        let network = network(&side.config, &data)?;
        if let Some(path) = side.weights {
            let weights = Weights::read(path, None)?;
            weights.fits(&network)?;
            trained_with_these_flags(&weights, path, &network, &data)?;
        }
        device.plan(network, side.config.settings(&*data.train, device.limits()))?;
        loaders(&side.config, &data)?;
    }
    let named = sides[0].config.output_dir.clone();
    let directory = comparison_directory(named.as_deref().map(Path::new))?;
    // Directories that contain another run are refused before anything is trained.
    let mut places = Vec::new();
    for side in &mut sides {
        side.config.output_dir = Some(directory.join(side.name).display().to_string());
        places.push(match side.weights {
            Some(path) => Place::Weights(path),
            None => Place::Run(RunDirectory::create(&side.config)?),
        });
    }
    let finished = [0, 1].map(|last| finished(&sides, &directory, last));
    let mut results = Vec::new();
    for ((side, place), finished) in sides.into_iter().zip(places).zip(&finished) {
        note(quiet, &format!("{:<10}{}", side.name, describe(&side.config, &network(&side.config, &data)?)));
        let cost = cost(&side, &data, &device)?;
        let quality = match place {
            Place::Weights(path) => loaded(&side.config, path, &data, &device)?,
            Place::Run(run) => {
                let checkpoint = run.checkpoint();
                let Some(quality) = trained(&side, run, &data, &device, &stop, quiet)? else {
                    let run = checkpoint.display();
                    let text = format!(
                        "continue with: vgg train --resume {run}, then vgg compare{finished} and the same flags"
                    );
                    note(quiet, &text);
                    return Ok(INTERRUPTED);
                };
                quality
            }
        };
        results.push((side, cost, quality));
    }
    let rows = rows(&results);
    let columns = [("", Align::Left), (results[0].0.name, Align::Right), (results[1].0.name, Align::Right)];
    let config = &results[0].0.config;
    let title = format!("{} px, {}, seed {}", config.image_size, config.data, config.seed);
    let histories = [0, 1].map(|i| (results[i].0.name, curves(&results[i].2.history)));
    let files = [
        ("compare.md", markdown(&title, &rows, &results, &device)?),
        ("compare.svg", curves_svg(&format!("Custom and standard VGG: {title}"), &histories)),
    ];
    for (name, text) in &files {
        write_text(&directory.join(name), text)?;
    }
    let mut text = table(&columns, &rows);
    for (name, _) in &files {
        writeln!(
            text,
            "{}{}",
            if *name == "compare.md" { "\n" } else { "" },
            directory.join(name).display()
        )?;
    }
    if flags.json {
        let networks = results.iter().map(figures).collect();
        print_json(&NetworksComparison { directory: directory.display().to_string(), networks })?;
    } else {
        print(&text)?;
    }
    Ok(DONE)
}

fn figures<'a>((side, cost, quality): &'a (Side<'_>, Cost, Quality)) -> NetworkFigures<'a> {
    let config = &side.config;
    NetworkFigures {
        name: side.name,
        normalization: config.vgg(1, 10).norm().title(),
        activation: config.activation.word(),
        pooling_stride: pool_stride(config.pool_stride),
        avgpool: config.avgpool,
        learning_rate: config.lr,
        batch_size: config.batch_size,
        cost,
        quality,
    }
}

fn sides<'a>(mut config: TrainConfig, flags: &'a Flags, quiet: bool) -> Result<[Side<'a>; 2]> {
    if config.image_size < SMALLEST {
        note(
            quiet,
            &format!(
                "size      {SMALLEST} px for both: the standard network cannot take {} px",
                config.image_size
            ),
        );
        config.image_size = SMALLEST;
    }
    // The paper's network has batch norm unless another normalisation is requested.
    if config.norm.is_none() {
        config.model = config.model.with_batch_norm(true);
    }
    let standard = TrainConfig {
        model: config.model.with_batch_norm(false),
        norm: None,
        activation: ActivationKind::Relu,
        semantics: Semantics::Pytorch,
        pool_stride: PoolStride::Fixed,
        avgpool: 7,
        lr: flags.standard_lr,
        ..config.clone()
    };
    for config in [&config, &standard] {
        config.validate()?;
    }
    Ok([
        Side { name: "custom", config, weights: flags.custom.as_deref() },
        Side { name: "standard", config: standard, weights: flags.standard.as_deref() },
    ])
}

/// Measures training steps in a temporary session.
fn cost(side: &Side<'_>, data: &DataSets, device: &Device) -> Result<Cost> {
    let network = network(&side.config, data)?;
    let (parameters, forward_flop) = (network.values(), forward_flops(&network)?);
    let session = opened(device, device.training(&side.config, data, network)?);
    let mut measure = Measure::new(session, side.config.clone(), data)?;
    for _ in 0..STEPS[0] {
        measure.step()?;
    }
    measure.wait()?;
    let mut times = Vec::new();
    for _ in 0..STEPS[1] {
        let begin = Instant::now();
        measure.step()?;
        measure.wait()?;
        times.push(1e3 * begin.elapsed().as_secs_f64());
    }
    Ok(Cost {
        parameters,
        forward_flop,
        step_ms: Spread::of(times).median,
        memory_bytes: measure.executor().allocated_bytes(),
    })
}

/// Refuses weights that were not trained with the flags of this comparison, as far as their file records it.
fn trained_with_these_flags(
    weights: &Weights,
    path: &Path,
    network: &Network,
    data: &DataSets,
) -> Result<()> {
    if !weights.is_described() {
        return Ok(());
    }
    let (info, config, path) = (&weights.info, &network.config, path.display());
    if info.image_size != config.image_size {
        let ([h, w], [height, width]) = (info.image_size, config.image_size);
        let way = match h < SMALLEST {
            true => String::new(),
            false => format!(", or compare at --image-size {h}"),
        };
        bail!(
            "{path} was trained at {h}x{w} px, but the comparison is at {height}x{width} px; \
             give weights that were trained at {height} px{way}"
        );
    }
    if info.activation != config.activation {
        let (found, wanted) = (info.activation.word(), config.activation.word());
        bail!(
            "{path} was trained with the activation {found}, but the comparison's is {wanted}; give weights that were trained \
             with that"
        );
    }
    if info.pool_stride != config.pool_stride {
        let (found, wanted) = (pool_stride(info.pool_stride), pool_stride(config.pool_stride));
        bail!(
            "{path} was trained with a pooling stride that is {found}, but the comparison's is {wanted}; \
             give weights that were trained with that"
        );
    }
    let names = info.class_names.iter().zip(data.train.class_names());
    if let Some((class, (found, wanted))) = names.enumerate().find(|(_, (found, wanted))| found != wanted) {
        bail!(
            "{path} was trained on other classes: class {class} is {found}, but the data's is {wanted}; \
             give the --data that it was trained on"
        );
    }
    Ok(())
}

/// The flags for the weights that exist once the side at index `last` is trained.
fn finished(sides: &[Side<'_>], directory: &Path, last: usize) -> String {
    let flag = |(index, side): (usize, &Side<'_>)| {
        let trained = || directory.join(side.name).join("best.safetensors");
        let path = side.weights.map(Path::to_owned).or_else(|| (index <= last).then(trained))?;
        Some(format!(" --{} {}", side.name, path.display()))
    };
    sides.iter().enumerate().filter_map(flag).collect()
}

/// Trains a side in its own run directory; `None` if it was interrupted.
fn trained(
    side: &Side<'_>,
    directory: RunDirectory,
    data: &DataSets,
    device: &Device,
    stop: &AtomicBool,
    quiet: bool,
) -> Result<Option<Quality>> {
    let config = side.config.clone();
    let session = opened(device, device.training(&config, data, network(&config, data)?)?);
    let mut trainer = Trainer::new(session, config, data, directory)?;
    match trainer.run(stop, &mut Progress::new(quiet))? {
        Outcome::Interrupted { .. } => Ok(None),
        Outcome::Finished(summary) => Ok(Some(Quality {
            test_loss: summary.best.test_loss,
            test_accuracy: summary.best.test_accuracy,
            best: Some(summary.best),
            history: trainer.progress().history.clone(),
        })),
    }
}

/// Evaluates weights; the history is that of the checkpoint next to them.
fn loaded(config: &TrainConfig, path: &Path, data: &DataSets, device: &Device) -> Result<Quality> {
    let weights = Weights::read(path, None)?;
    let data = &data.clone().normalized_by(&weights.info.normalization());
    let mut session = opened(device, device.training(config, data, network(config, data)?)?);
    session.load(&weights)?;
    let [_, test] = loaders(config, data)?;
    let evaluation = session.evaluate(&test, |_, _| {})?;
    let checkpoint = path.with_file_name("checkpoint.safetensors");
    let history =
        if checkpoint.is_file() { Checkpoint::read(&checkpoint)?.progress.history } else { Vec::new() };
    let best = best(&history).copied();
    Ok(Quality { test_loss: evaluation.loss(), test_accuracy: evaluation.accuracy(), best, history })
}

fn pool_stride(stride: PoolStride) -> &'static str {
    match stride {
        PoolStride::Adaptive => "adaptive",
        PoolStride::Fixed => "2",
    }
}

/// The cells of the table.
fn rows(results: &[(Side<'_>, Cost, Quality)]) -> Vec<Vec<String>> {
    type Cell = fn(&(Side<'_>, Cost, Quality)) -> String;
    fn of_best(quality: &Quality, cell: fn(&Row) -> String) -> String {
        quality.best.as_ref().map_or_else(|| "unknown".to_owned(), cell)
    }
    let lines: [(&str, Cell); 14] = [
        ("normalisation", |(side, ..)| side.config.vgg(1, 10).norm().title()),
        ("activation", |(side, ..)| side.config.activation.word().to_owned()),
        ("pooling stride", |(side, ..)| pool_stride(side.config.pool_stride).to_owned()),
        ("adaptive average pooling", |(side, ..)| match side.config.avgpool {
            0 => "no".to_owned(),
            side => format!("{side}x{side}"),
        }),
        ("learning rate", |(side, ..)| format!("{:e}", side.config.lr)),
        ("test accuracy", |(.., quality)| percent(quality.test_accuracy)),
        ("test loss", |(.., quality)| format!("{:.4}", quality.test_loss)),
        ("train accuracy", |(.., quality)| of_best(quality, |row| percent(row.train_accuracy))),
        ("train loss", |(.., quality)| of_best(quality, |row| format!("{:.4}", row.train_loss))),
        ("best epoch", |(.., quality)| of_best(quality, |row| row.epoch.to_string())),
        ("parameters", |(_, cost, _)| thousands(cost.parameters)),
        ("FLOP per image, forward", |(_, cost, _)| flops(cost.forward_flop)),
        ("training step", |(side, cost, _)| {
            format!("{:.1} ms for {} images", cost.step_ms, side.config.batch_size)
        }),
        ("memory of the training", |(_, cost, _)| bytes(cost.memory_bytes)),
    ];
    lines
        .iter()
        .map(|(name, cell)| [(*name).to_owned()].into_iter().chain(results.iter().map(cell)).collect())
        .collect()
}

fn markdown(
    title: &str,
    rows: &[Vec<String>],
    results: &[(Side<'_>, Cost, Quality)],
    device: &Device,
) -> Result<String> {
    let [custom, standard] = [0, 1].map(|i| &results[i].0.config);
    let mut text = format!("# {} and {}: {title}\n\n", custom.model, standard.model);
    writeln!(text, "| | custom | standard |\n|---|---|---|")?;
    for row in rows {
        writeln!(text, "| {} |", row.join(" | "))?;
    }
    writeln!(
        text,
        "\nWidth {}, batch {}, {} epochs, on {}. Losses and accuracies are those of the best epoch; the step time is the median \
         of {} steps with a wait after each; memory is the training's constant allocation on the device.",
        custom.width,
        custom.batch_size,
        custom.epochs,
        device.name(),
        STEPS[1]
    )?;
    writeln!(text, "\n![Loss and accuracy of both](compare.svg)")?;
    Ok(text)
}
