//! `vgg train`, and `vgg summary`, which has the same settings.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result};

use super::{
    DONE, INTERRUPTED, args,
    calibrate::Calibration,
    capture, data,
    device::{self, without_matrix_units},
    observe::observe,
    output::{note, print, print_json},
    paper::{PAPER, paper},
    record::RunRecord,
    report::{Measured, Report},
    settings::configure,
    summary,
    table::{Align, duration, percent, table, thousands},
};
use crate::{
    data::{DataSets, Dataset, Loader, Normalization},
    device::Device,
    export::TensorBoard,
    model::Network,
    train::{Checkpoint, Evaluation, Outcome, RunDirectory, Summary, TrainConfig, Trainer, best, loaders},
    weights::{Pretrained, Weights},
};

/// Runs `vgg summary`.
pub(super) fn summary(flags: &args::Summary, quiet: bool) -> Result<()> {
    let config = configure(&flags.recipe, &flags.settings, true, quiet)?;
    let (channels, classes) = match (flags.channels, flags.classes) {
        (Some(channels), Some(classes)) => (channels, classes),
        (channels, classes) => {
            let train = data::open(&config, true)?.train;
            (channels.unwrap_or(train.channels()), classes.unwrap_or(train.classes()))
        }
    };
    summary::run(&config.vgg(channels, classes).network()?, flags.json)
}

pub(super) fn network(config: &TrainConfig, data: &DataSets) -> Result<Network> {
    Ok(config.vgg(data.train.channels(), data.train.classes()).network()?)
}

pub(super) fn describe(config: &TrainConfig, network: &Network) -> String {
    let [h, w] = network.config.image_size;
    format!(
        "model     {}, {}x{h}x{w}, width {}, {} parameters (recipe {})",
        network.config,
        network.config.channels,
        config.width,
        thousands(network.values()),
        config.recipe,
    )
}

fn describe_data(config: &TrainConfig, data: &DataSets) -> String {
    format!(
        "data      {}: {} training{} and {} test images; batch {}{}, {} epoch{}",
        config.data,
        thousands(data.train.len()),
        data.validation
            .as_ref()
            .map_or_else(String::new, |set| format!(", {} validation", thousands(set.len()))),
        thousands(data.test.len()),
        config.batch_size,
        match config.grad_accum_steps {
            1 => String::new(),
            batches => format!(" x {batches}"),
        },
        config.epochs,
        if config.epochs == 1 { "" } else { "s" },
    )
}

/// A description of the augmentation, with the flags that turn it off if a recipe's rotation and translation, which are meant
/// for digits, apply to other images.
fn describe_augmentation(config: &TrainConfig, hint: bool) -> Result<Option<String>> {
    let parts = [
        (config.rotate > 0.0, format!("rotated by up to {} degrees", config.rotate)),
        (
            config.translate > 0.0,
            format!("shifted by up to {} % of their side", (1e4 * config.translate).round() / 100.0),
        ),
        (config.random_resized_crop, "randomly cropped and resized".to_owned()),
        (config.random_crop > 0, format!("shifted by up to {} pixels", config.random_crop)),
        (config.hflip, "mirrored at random".to_owned()),
        (
            config.rand_augment > 0,
            format!(
                "changed by {} random operations of strength {}",
                config.rand_augment, config.rand_augment_magnitude
            ),
        ),
        (config.random_erase > 0.0, format!("erased in part with probability {}", config.random_erase)),
        (config.cutout > 0, format!("erased in a square of {} pixels", config.cutout)),
        (config.mixup_alpha > 0.0, format!("mixed in pairs (mixup, alpha {})", config.mixup_alpha)),
        (config.cutmix_alpha > 0.0, format!("cut into each other (CutMix, alpha {})", config.cutmix_alpha)),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|(on, _)| *on).map(|(_, text)| text).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let digits = config.data_source()?.kind().characters;
    let off: Vec<&str> = [(config.rotate, "--rotate 0"), (config.translate, "--translate 0")]
        .into_iter()
        .filter_map(|(value, flag)| (hint && !digits && value > 0.0).then_some(flag))
        .collect();
    let off = if off.is_empty() { String::new() } else { format!(" (to turn off: {})", off.join(" ")) };
    Ok(Some(format!("augment   training images are {}{off}", parts.join(", "))))
}

fn read_pretrained(path: &str, config: &TrainConfig, network: &Network, quiet: bool) -> Result<Pretrained> {
    let pretrained = Pretrained::read(Path::new(path), network)?;
    if config.from_scratch {
        note(quiet, &format!("weights   random, in the shape of {path}"));
        return Ok(pretrained);
    }
    note(quiet, &format!("weights   {path}"));
    for line in &pretrained.notes {
        note(quiet, &format!("          {line}"));
    }
    let trained = network.parameters.iter().filter(|p| p.trained()).map(|p| p.shape.elements()).sum();
    if trained != network.values() {
        note(
            quiet,
            &format!("          {} parameters are trained, the others are frozen", thousands(trained)),
        );
    }
    Ok(pretrained)
}

/// The data, normalised as for the initial weights or the checkpoint; prints a line if that differs from the data's own
/// normalisation.
fn normalized(
    config: &TrainConfig,
    data: DataSets,
    checkpoint: Option<&Checkpoint>,
    pretrained: Option<&Pretrained>,
    quiet: bool,
) -> DataSets {
    let own = data.train.normalization().clone();
    let data = match (checkpoint, pretrained) {
        (Some(checkpoint), _) => config.normalized(data, &checkpoint.weights.info.normalization()),
        (None, Some(pretrained)) => config.normalized(data, &pretrained.normalization),
        (None, None) => data,
    };
    let used = data.train.normalization();
    if checkpoint.is_none() && *used != own {
        let Normalization { mean, std } = used;
        note(
            quiet,
            &format!(
                "          images are normalised as for these weights: mean {mean:?}, deviation {std:?} \
                 (--normalize-by data: the data's)"
            ),
        );
    }
    data
}

/// Runs `vgg train`; the exit code says whether the run was completed.
pub(super) fn run(flags: &args::Train, quiet: bool) -> Result<u8> {
    let job = Job::new(flags, quiet)?;
    let output_dir = flags.settings.0.get("output_dir").and_then(|dir| dir.as_str()).map(Path::new);
    let resumed = flags.resume.as_deref().map(|from| Resumed::read(from, output_dir)).transpose()?;
    let config = match &resumed {
        Some(resumed) => resumed.checkpoint.config.resumed_with(&flags.settings.0)?,
        None => configure(&flags.recipe, &flags.settings, job.device.is_hardware_gpu(), quiet)?,
    };
    let Some(FinishedRun { record, .. }) = job.train(&config, resumed)? else { return Ok(INTERRUPTED) };
    if flags.json {
        print_json(&record)?;
    }
    Ok(DONE)
}

/// What the runs of a command have in common.
pub(super) struct Job<'a> {
    pub(super) flags: &'a args::Train,
    pub(super) device: Device,
    description: String,
    stop: Arc<AtomicBool>,
    pub(super) quiet: bool,
}

/// A run that is over.
pub(super) struct FinishedRun {
    pub(super) summary: Summary,
    /// That of the test images at the end.
    pub(super) evaluation: Evaluation,
    pub(super) record: RunRecord,
}

/// A run to be continued.
pub(super) struct Resumed {
    pub(super) directory: RunDirectory,
    pub(super) checkpoint: Checkpoint,
}

impl Resumed {
    pub(super) fn read(from: &Path, output_dir: Option<&Path>) -> Result<Self> {
        let (directory, path) = RunDirectory::resume(from, output_dir)?;
        Ok(Self { directory, checkpoint: Checkpoint::read(&path)? })
    }
}

impl<'a> Job<'a> {
    /// Finds the device, and listens for signals.
    pub(super) fn new(flags: &'a args::Train, quiet: bool) -> Result<Self> {
        let stop = stop_on_signals()?;
        let (device, description) = device::choose(&flags.device.device, &flags.kernels)?;
        note(quiet, &description);
        Ok(Self { flags, device, description, stop, quiet })
    }

    /// Prints a part of the results, unless they are printed as JSON at the end.
    pub(super) fn print(&self, text: &str) -> Result<()> {
        if self.flags.json { Ok(()) } else { print(text) }
    }

    /// Trains to the end, prints the results and writes the report; `None` if the run was interrupted.
    pub(super) fn train(
        &self,
        config: &TrainConfig,
        resumed: Option<Resumed>,
    ) -> Result<Option<FinishedRun>> {
        let (flags, quiet) = (self.flags, self.quiet);
        let (directory, checkpoint) = resumed.map(|resumed| (resumed.directory, resumed.checkpoint)).unzip();
        let data = data::open(config, quiet)?;
        let network = network(config, &data)?;
        note(quiet, &describe(config, &network));
        note(quiet, &describe_data(config, &data));
        if let Some(line) = describe_augmentation(config, checkpoint.is_none())? {
            note(quiet, &line);
        }
        let pretrained = match (&config.weights, &checkpoint) {
            (Some(path), None) => Some(read_pretrained(path, config, &network, quiet)?),
            _ => None,
        };
        let data = normalized(config, data, checkpoint.as_ref(), pretrained.as_ref(), quiet);
        // Refuses what does not fit before anything is written.
        let [train, _] = loaders(config, &data)?;
        let captured = match flags.capture {
            Some(step) => {
                let done = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.progress.step);
                let last = config.total_steps(train.batches_per_epoch());
                Some(capture::prepare(&self.device, step, done, last)?)
            }
            None => None,
        };
        let device = captured.as_ref().unwrap_or(&self.device);
        let planned = device.plan(network, config.settings(&*data.train, device.limits()))?;
        let (directory, new) = match directory {
            Some(directory) => (directory, false),
            None => (RunDirectory::create(config)?, true),
        };
        let session = match device::open(planned, &self.stop, quiet) {
            Err(error) => {
                if new {
                    directory.abandon();
                }
                return Err(error);
            }
            Ok(session) => session,
        };
        let mut board = flags.tensorboard.then(|| TensorBoard::create(directory.path())).transpose()?;
        let mut trainer = Trainer::new(session, config.clone(), &data, directory)?;
        if let Some(checkpoint) = &checkpoint {
            trainer.restore(checkpoint)?;
        }
        if let Some(pretrained) = &pretrained {
            trainer.begin_with(pretrained)?;
        }
        drop((checkpoint, pretrained));
        if let Some(board) = &mut board {
            board.begin(&mut trainer, config, &train)?;
        }
        let summary = match observe(&mut trainer, &self.stop, quiet, board.as_mut())? {
            Outcome::Interrupted { checkpoint } => {
                board.map_or(Ok(()), TensorBoard::finish)?;
                note(quiet, &format!("continue with: vgg train --resume {}", checkpoint.display()));
                return Ok(None);
            }
            Outcome::Finished(summary) => summary,
        };
        if let Some(step) = flags.capture {
            note(quiet, &format!("captured  step {step}; the debugger has it"));
        }
        // Print the figures first, in case the page cannot be written.
        let failure = device.matrix_units_failure();
        self.print(&render(&summary, trainer.directory().path(), config, paper(config)?, failure))?;
        // Those of the last epoch, as in a report from the checkpoint.
        let filters = trainer.session().values(0)?;
        let (evaluation, calibration) = final_evaluation(&mut trainer, config, &data)?;
        self.print(&format!("confidence {}\n", calibration.text()))?;
        if data.validation.is_some() {
            self.print(&format!(
                "test       {:.2} % of {} test images, loss {:.4}: the best epoch's weights, evaluated once; calibration error {}\n",
                100.0 * evaluation.accuracy(),
                thousands(data.test.len()),
                evaluation.loss(),
                percent(evaluation.answers.calibration_error(calibration.value())),
            ))?;
        }
        if let Some(mut board) = board {
            board.evaluated(summary.last.step, &evaluation, &*data.test)?;
            board.finish()?;
        }
        let units = failure.map(|failure| format!("\nkernels   {}", without_matrix_units(failure)));
        let description = self.description.clone() + &units.unwrap_or_default();
        let figures = (&evaluation, &calibration);
        self.print(&report(&mut trainer, config, &data, figures, &filters, &description)?)?;
        let parameters = trainer.session().network().values();
        let record = RunRecord::new(&summary, config, parameters, figures, trainer.directory().path());
        Ok(Some(FinishedRun { summary, evaluation, record }))
    }
}

/// The test images, evaluated with the last weights; with validation images, with the best epoch's. Also finds the temperature of the
/// best epoch's weights, on the validation images if there are any, and writes it to their file.
fn final_evaluation(
    trainer: &mut Trainer,
    config: &TrainConfig,
    data: &DataSets,
) -> Result<(Evaluation, Calibration)> {
    let path = trainer.directory().best();
    let history = &trainer.progress().history;
    let last_is_best = best(history) == history.last();
    let evaluate = |trainer: &mut Trainer, set: &Arc<dyn Dataset>| {
        trainer.session().evaluate(&Loader::evaluate(Arc::clone(set), config.batch_size)?, |_, _| {})
    };
    let last = data.validation.is_none().then(|| evaluate(trainer, &data.test)).transpose()?;
    let calibration = match &last {
        Some(last) if last_is_best => Calibration::new(&last.answers, config.judged_on()),
        _ => {
            trainer.session().load(&Weights::read(&path, None)?)?;
            Calibration::new(&evaluate(trainer, data.judged_on())?.answers, config.judged_on())
        }
    };
    calibration.write(&path)?;
    let evaluation = last.map_or_else(|| evaluate(trainer, &data.test), Ok)?;
    Ok((evaluation, calibration))
}

/// Writes `report.html`; returns the line with its path.
fn report(
    trainer: &mut Trainer,
    config: &TrainConfig,
    data: &DataSets,
    (evaluation, calibration): (&Evaluation, &Calibration),
    filters: &[f32],
    device: &str,
) -> Result<String> {
    let network = trainer.session().network().clone();
    let html = Report {
        title: &trainer.title(),
        config,
        network: &network,
        progress: trainer.progress(),
        filters,
        paper: paper(config)?,
        measured: Measured::Now { device, evaluation, calibration, test: &*data.test },
    }
    .html()?;
    Ok(format!("report     {}\n", trainer.directory().write_report(&html)?.display()))
}

/// The first Ctrl-C or SIGTERM stops the run gracefully, the second ends the process.
pub(super) fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}

/// The last and the best epoch, next to the paper's figures under the heading `paper`.
fn render(
    summary: &Summary,
    directory: &Path,
    config: &TrainConfig,
    paper: Option<&str>,
    matrix_units_failure: Option<&str>,
) -> String {
    let loss = |loss: f64| format!("{loss:.4}");
    let values = |row: &crate::train::Row| {
        [loss(row.train_loss), percent(row.train_accuracy), loss(row.test_loss), percent(row.test_accuracy)]
    };
    let (last, best) = (values(&summary.last), values(&summary.best));
    let judged_on = config.judged_on();
    let [loss_name, accuracy_name] = ["loss", "accuracy"].map(|name| format!("{judged_on} {name}"));
    let names = ["train loss", "train accuracy", &loss_name, &accuracy_name];
    let rows: Vec<Vec<String>> = (0..names.len())
        .map(|i| {
            let paper = paper.map(|_| PAPER[i].to_owned());
            [names[i].to_owned(), last[i].clone(), best[i].clone()].into_iter().chain(paper).collect()
        })
        .collect();
    let (last_head, best_head) =
        (format!("epoch {}", summary.last.epoch), format!("best (epoch {})", summary.best.epoch));
    let columns = [("", Align::Left), (last_head.as_str(), Align::Right), (best_head.as_str(), Align::Right)];
    let columns: Vec<(&str, Align)> =
        columns.into_iter().chain(paper.map(|head| (head, Align::Right))).collect();
    let mut text = table(&columns, &rows);
    text += "\n";
    if let Some(epochs) = summary.early {
        text += &format!(
            "ended      early, after epoch {}: {epochs} epochs without a higher {judged_on} accuracy (--patience)\n",
            summary.last.epoch
        );
    }
    text += &format!(
        "time       {}, {:.0} training images/s\n",
        duration(summary.seconds),
        summary.images_per_second
    );
    let sparsity = summary.best.sparsity;
    if sparsity > 0.0 {
        text += &format!("zeros      {} of the weights of each layer\n", percent(sparsity));
    }
    text += &format!("weights    {}\n", directory.join("best.safetensors").display());
    text += &format!("curves     {}\n", directory.join("curves.svg").display());
    if let Some(failure) = matrix_units_failure {
        text += &format!("kernels    {}\n", without_matrix_units(failure));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Row;

    #[test]
    fn the_summary_says_that_the_matrix_units_fail() {
        let row = Row {
            epoch: 1,
            step: 1,
            train_loss: 0.1,
            train_accuracy: 0.9,
            test_loss: 0.1,
            test_accuracy: 0.9,
            learning_rate: 1e-3,
            images_per_second: 1.0,
            seconds: 1.0,
            sparsity: 0.0,
        };
        let summary = Summary { last: row, best: row, early: None, seconds: 1.0, images_per_second: 1.0 };
        let text = render(
            &summary,
            Path::new("run"),
            &TrainConfig::default(),
            None,
            Some("linear.forward/cooperative: NaN"),
        );
        assert!(
            text.contains("fail their self-test") && text.contains("linear.forward/cooperative: NaN"),
            "{text}"
        );
        assert!(
            !render(&summary, Path::new("run"), &TrainConfig::default(), None, None).contains("self-test")
        );
    }
}
