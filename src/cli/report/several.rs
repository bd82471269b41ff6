//! Several runs on one page.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use super::{
    curves::{self, Curves},
    one::{RESULTS, title},
    page::{named, note, page, section, table, table_with},
};
use crate::{
    cli::table::{duration, mean_and_deviation, percent, thousands},
    pictures::escape,
    train::{Checkpoint, Progress, Row, TrainConfig, best},
};

/// A run to compare.
pub(super) struct Run {
    name: String,
    title: String,
    config: TrainConfig,
    progress: Progress,
    parameters: usize,
    class_names: Vec<String>,
}

impl Run {
    pub(super) fn read(name: String, path: &Path) -> Result<Self> {
        let Checkpoint { weights, config, progress } = Checkpoint::read(path)?;
        Ok(Self {
            name,
            title: title(&weights.info, &config),
            config,
            progress,
            parameters: weights.network.values(),
            class_names: weights.info.class_names,
        })
    }

    fn last(&self) -> Option<&Row> {
        self.progress.history.last()
    }

    fn best(&self) -> Option<&Row> {
        best(&self.progress.history)
    }
}

/// What the epochs of the runs were judged on.
fn judged_on(runs: &[Run]) -> String {
    runs.iter()
        .map(|run| run.config.judged_on())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
        .join(" or ")
}

/// The page.
pub(super) fn html(runs: &[Run]) -> Result<String> {
    let mut body = about(runs);
    body += &section("Results", &results(runs));
    body += &section("Settings that differ", &settings(runs));
    let curves: Vec<Curves<'_>> = runs
        .iter()
        .map(|run| Curves {
            name: &run.name,
            judged_on: run.config.judged_on(),
            history: &run.progress.history,
            steps: &run.progress.steps,
        })
        .collect();
    let [by_epoch, by_step] = curves::of_several(&curves, &judged_on(runs));
    body += &section("Curves by epoch", &by_epoch);
    body += &section("Curves by step", &by_step);
    Ok(page(&format!("{} runs compared", runs.len()), &body))
}

/// What all runs have in common, or that their data differ.
fn about(runs: &[Run]) -> String {
    let distinct = |of: fn(&Run) -> String| runs.iter().map(of).collect::<BTreeSet<String>>();
    let titles = distinct(|run| run.title.clone());
    let mut text = match titles.len() {
        1 => note(&escape(&titles.into_iter().collect::<String>())),
        _ => String::new(),
    };
    let data = distinct(|run| run.config.data.clone());
    let classes: BTreeSet<&[String]> = runs.iter().map(|run| run.class_names.as_slice()).collect();
    let images = distinct(|run| run.progress.train_images.to_string());
    let judged = judged_on(runs);
    let differs = match (data.len(), classes.len(), images.len()) {
        (2.., ..) => Some(format!("data sets ({})", data.into_iter().collect::<Vec<_>>().join(", "))),
        (_, 2.., _) => Some("classes".to_owned()),
        (_, _, 2..) => Some("numbers of training images".to_owned()),
        _ => None,
    };
    if let Some(differs) = differs {
        text += &format!(
            "<p class=\"warning\">These runs were trained on different {}: their losses and accuracies are not comparable directly.</p>\n",
            escape(&differs)
        );
    }
    if judged.contains(" or ") {
        text += &note("Some runs were judged on validation images, the others on the test images.");
    }
    text
}

/// A row of the results: its name, the cell, and a rank by which the highest is the best, if there is a best.
type Measure = (&'static str, fn(&Run) -> String, Option<fn(&Run) -> f64>);

fn results(runs: &[Run]) -> String {
    fn of(row: Option<&Row>, cell: impl Fn(&Row) -> String) -> String {
        row.map_or("-".to_owned(), cell)
    }
    fn rank(row: Option<&Row>, value: impl Fn(&Row) -> f64) -> f64 {
        row.map_or(f64::NEG_INFINITY, value)
    }
    let mut measures: Vec<Measure> = vec![
        ("epochs", |run| format!("{} of {}", run.progress.epoch, run.config.epochs), None),
        ("steps", |run| thousands(run.progress.step as usize), None),
        ("train loss", |run| of(run.last(), RESULTS[0].1), Some(|run| rank(run.last(), |r| -r.train_loss))),
        (
            "train accuracy",
            |run| of(run.last(), RESULTS[1].1),
            Some(|run| rank(run.last(), |r| r.train_accuracy)),
        ),
        ("test loss", |run| of(run.last(), RESULTS[2].1), Some(|run| rank(run.last(), |r| -r.test_loss))),
        (
            "test accuracy",
            |run| of(run.last(), RESULTS[3].1),
            Some(|run| rank(run.last(), |r| r.test_accuracy)),
        ),
        (
            "best test accuracy",
            |run| of(run.best(), |row| percent(row.test_accuracy)),
            Some(|run| rank(run.best(), |row| row.test_accuracy)),
        ),
        ("best epoch", |run| of(run.best(), |row| row.epoch.to_string()), None),
        ("parameters", |run| thousands(run.parameters), None),
        ("time", |run| of(run.last(), |row| duration(row.seconds)), None),
        (
            "training images/s",
            |run| of(run.last(), |row| thousands(row.images_per_second.round() as usize)),
            None,
        ),
    ];
    if runs.iter().any(|run| run.last().is_some_and(|row| row.sparsity > 0.0)) {
        measures.push(("zeros", |run| of(run.last(), |row| percent(row.sparsity)), None));
    }
    let judged_on = judged_on(runs);
    let mean = if differ_by_seed(runs) { mean(runs, &judged_on) } else { String::new() };
    let rows: Vec<Vec<String>> = measures
        .iter()
        .map(|(name, cell, _)| [named(name, &judged_on)].into_iter().chain(runs.iter().map(cell)).collect())
        .collect();
    let stands_out = |row: usize, column: usize| {
        let Some(rank) = measures[row].2 else { return false };
        let own = rank(&runs[column - 1]);
        own.is_finite() && runs.iter().all(|run| rank(run) <= own)
    };
    let columns: Vec<&str> = std::iter::once("").chain(runs.iter().map(|run| run.name.as_str())).collect();
    note("After the last epoch of each run; the best of a row is bold.")
        + &table_with("Results", &columns, &rows, stands_out)
        + &mean
}

/// Whether the runs have all settings in common but the seed.
fn differ_by_seed(runs: &[Run]) -> bool {
    let seeds: BTreeSet<u64> = runs.iter().map(|run| run.config.seed).collect();
    let common = |run: &Run| TrainConfig { seed: 0, output_dir: None, ..run.config.clone() };
    seeds.len() == runs.len() && runs.len() > 1 && runs.iter().all(|run| common(run) == common(&runs[0]))
}

/// Mean and deviation over runs that differ by their seed, after the last epoch.
fn mean(runs: &[Run], judged_on: &str) -> String {
    let over = |value: fn(&Row) -> f64| {
        let values: Vec<f64> = runs.iter().filter_map(Run::last).map(value).collect();
        mean_and_deviation(values.into_iter())
    };
    let ([loss, of_loss], [accuracy, of_accuracy]) =
        (over(|row| row.test_loss), over(|row| 100.0 * row.test_accuracy));
    note(&format!(
        "Mean and deviation of a sample over {} seeds: {} {loss:.4} &plusmn; {of_loss:.4}, {} {accuracy:.2} &plusmn; {of_accuracy:.2} %.",
        runs.len(),
        named("test loss", judged_on),
        named("test accuracy", judged_on),
    ))
}

/// The settings that are not the same in all runs.
fn settings(runs: &[Run]) -> String {
    let all: Vec<toml::Table> = runs
        .iter()
        .map(|run| run.config.to_toml().parse().expect("a configuration is written as TOML"))
        .collect();
    let keys: BTreeSet<&String> = all.iter().flat_map(toml::Table::keys).collect();
    // Every run has a directory of its own.
    let rows: Vec<Vec<String>> = keys
        .into_iter()
        .filter(|key| *key != "output_dir" && all.iter().any(|table| table.get(*key) != all[0].get(*key)))
        .map(|key| {
            let cell = |table: &toml::Table| match table.get(key) {
                None => "unset".to_owned(),
                Some(toml::Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
            };
            std::iter::once(key.clone()).chain(all.iter().map(cell)).collect()
        })
        .collect();
    if rows.is_empty() {
        return note("None: all runs have the same settings.");
    }
    let columns: Vec<&str> = std::iter::once("").chain(runs.iter().map(|run| run.name.as_str())).collect();
    table("Settings that differ", &columns, &rows)
}
