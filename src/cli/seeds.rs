//! `vgg train --seeds`: the same training with several seeds, and what they have in common.

use std::{fmt::Write as _, path::Path};

use anyhow::{Result, bail};

use super::{
    DONE, INTERRUPTED, Usage, args, data,
    judged::judge,
    output::{note, print_json},
    record::{SeedRecord, SeedsRecord},
    report,
    settings::configure,
    table::{Align, duration, mean_and_deviation, percent, table},
    train::{FinishedRun, Job, Resumed},
};
use crate::{
    files::write_text,
    train::{TrainConfig, TrainError, best, seeds_directory},
    weights::{Trained, Weights},
};

/// The file of the results.
const FILE: &str = "seeds.csv";

/// The page that compares the runs.
const PAGE: &str = "comparison.html";

/// Trains with each seed in a directory of its own. A seed that is finished is not trained again, and one that was interrupted is
/// continued.
pub(super) fn run(flags: &args::Train, seeds: &[u64], quiet: bool) -> Result<u8> {
    let settings = &flags.settings;
    if settings.0.contains_key("seed") {
        bail!(Usage("--seed and --seeds contradict each other; leave one of them out".to_owned()));
    }
    if let Some(twice) = seeds.iter().enumerate().find(|(at, seed)| seeds[..*at].contains(seed)) {
        bail!(Usage(format!("--seeds has {} twice, which would be the same run; leave one out", twice.1)));
    }
    let job = Job::new(flags, quiet)?;
    let config = configure(&flags.recipe, settings, job.device.is_hardware_gpu(), quiet)?;
    let base = seeds_directory(config.output_dir.as_deref().map(Path::new), &config.recipe)?;
    let mut all = Vec::new();
    for (index, &seed) in seeds.iter().enumerate() {
        let directory = base.join(format!("seed-{seed}"));
        let output_dir = Some(directory.display().to_string());
        let config = TrainConfig { seed, output_dir, ..config.clone() };
        note(quiet, &format!("seed      {seed}, {} of {}", index + 1, seeds.len()));
        let Some(trained) = trained(&job, &config, &directory)? else {
            let again =
                format!("          or all seeds with: the same command and --output-dir {}", base.display());
            note(quiet, &again);
            return Ok(INTERRUPTED);
        };
        all.push(trained);
    }
    write_text(&base.join(FILE), &csv(&all))?;
    job.print(&format!(
        "\n{}\nseeds      {}\n",
        rendered(&all, config.judged_on()),
        base.join(FILE).display()
    ))?;
    if seeds.len() > 1 {
        let page = base.join(PAGE);
        report::compare(
            &seeds.iter().map(|seed| base.join(format!("seed-{seed}"))).collect::<Vec<_>>(),
            &page,
        )?;
        job.print(&format!("report     {}\n", page.display()))?;
    }
    if flags.json {
        print_json(&record(all, &base))?;
    }
    Ok(DONE)
}

/// Trains, continues or reads the run of a seed; `None`: it was interrupted.
fn trained(job: &Job<'_>, config: &TrainConfig, directory: &Path) -> Result<Option<SeedRecord>> {
    let seed = config.seed;
    let done = |outcome: Option<FinishedRun>| {
        outcome.map(|FinishedRun { summary, evaluation, .. }| SeedRecord {
            seed,
            test_loss: evaluation.loss(),
            test_accuracy: evaluation.accuracy(),
            best_epoch: summary.best,
            seconds: summary.seconds,
        })
    };
    if !directory.join("checkpoint.safetensors").exists() {
        return Ok(done(job.train(config, None)?));
    }
    let resumed = Resumed::read(directory, None)?;
    let before = &resumed.checkpoint.config;
    let same = TrainConfig { output_dir: config.output_dir.clone(), ..before.clone() };
    if same != *config {
        bail!(
            "{} was trained with other settings (see its config.toml); give the same flags, or another --output-dir",
            directory.display()
        );
    }
    let history = resumed.checkpoint.progress.history.clone();
    match job.train(config, Some(resumed)) {
        Ok(outcome) => Ok(done(outcome)),
        Err(error) => match (error.downcast_ref(), best(&history), history.last()) {
            (Some(TrainError::Over { .. } | TrainError::OutOfPatience { .. }), Some(best), Some(last)) => {
                note(job.quiet, "          is finished");
                let [loss, accuracy] = if config.val_fraction > 0.0 {
                    let best = Weights::read(&directory.join("best.safetensors"), None)?;
                    let test = data::open(config, job.quiet)?.test;
                    let judged = judge(&job.device, &Trained::Float(best), &test, 0)?;
                    [judged.loss, judged.accuracy]
                } else {
                    [last.test_loss, last.test_accuracy]
                };
                Ok(Some(SeedRecord {
                    seed,
                    test_loss: loss,
                    test_accuracy: accuracy,
                    best_epoch: *best,
                    seconds: last.seconds,
                }))
            }
            _ => Err(error),
        },
    }
}

fn record(all: Vec<SeedRecord>, base: &Path) -> SeedsRecord {
    let [loss, loss_deviation] = mean_and_deviation(all.iter().map(|trained| trained.test_loss));
    let [accuracy, accuracy_deviation] = mean_and_deviation(all.iter().map(|trained| trained.test_accuracy));
    SeedsRecord {
        directory: base.display().to_string(),
        seeds: all,
        mean_test_loss: loss,
        mean_test_accuracy: accuracy,
        test_loss_deviation: Some(loss_deviation).filter(|deviation| deviation.is_finite()),
        test_accuracy_deviation: Some(accuracy_deviation).filter(|deviation| deviation.is_finite()),
    }
}

fn csv(all: &[SeedRecord]) -> String {
    let mut text = String::from("seed,test_loss,test_accuracy,best_epoch,best_accuracy,seconds\n");
    for SeedRecord { seed, test_loss: loss, test_accuracy: accuracy, best_epoch, seconds } in all {
        let (epoch, best) = (best_epoch.epoch, best_epoch.test_accuracy);
        let _ = writeln!(text, "{seed},{loss:.6},{accuracy:.6},{epoch},{best:.6},{seconds:.1}");
    }
    text
}

fn rendered(all: &[SeedRecord], judged_on: &str) -> String {
    let row = |trained: &SeedRecord| {
        let SeedRecord { seed, test_loss, test_accuracy, best_epoch, seconds } = trained;
        let best = format!("{} ({})", best_epoch.epoch, percent(best_epoch.test_accuracy));
        vec![seed.to_string(), format!("{test_loss:.4}"), percent(*test_accuracy), best, duration(*seconds)]
    };
    let mut rows: Vec<Vec<String>> = all.iter().map(row).collect();
    if all.len() > 1 {
        let [loss, loss_deviation] = mean_and_deviation(all.iter().map(|trained| trained.test_loss));
        let [accuracy, deviation] =
            mean_and_deviation(all.iter().map(|trained| 100.0 * trained.test_accuracy));
        let [loss, accuracy] =
            [format!("{loss:.4} ± {loss_deviation:.4}"), format!("{accuracy:.2} ± {deviation:.2} %")];
        rows.push(vec!["mean".to_owned(), loss, accuracy, String::new(), String::new()]);
    }
    let best = format!("best epoch ({judged_on})");
    let columns = [
        ("seed", Align::Left),
        ("test loss", Align::Right),
        ("test accuracy", Align::Right),
        (best.as_str(), Align::Right),
        ("time", Align::Right),
    ];
    table(&columns, &rows)
}
