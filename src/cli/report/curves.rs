//! The curves of a report, of one run and of several.

use super::page::{named, note};
use crate::{
    pictures::{Line, LineChart, LineStyle, Scale, escape, legend},
    train::{LayerRow, Row, StepRow, Steps},
};

/// Training in charts of one run.
const TRAIN: LineStyle = LineStyle { color: 0, dash: 0, faint: false };
/// Testing.
const TEST: LineStyle = LineStyle { color: 1, dash: 1, faint: false };

/// From this many points on, a curve by step is smoothed.
const NOISY: usize = 60;

/// A run by its name.
pub(super) struct Curves<'a> {
    pub(super) name: &'a str,
    /// `test`, or `validation`.
    pub(super) judged_on: &'a str,
    pub(super) history: &'a [Row],
    pub(super) steps: &'a Steps,
}

fn by_epoch(history: &[Row], value: fn(&Row) -> f64) -> Vec<[f64; 2]> {
    history.iter().map(|row| [row.epoch.into(), value(row)]).collect()
}

fn line(name: &str, style: LineStyle, points: Vec<[f64; 2]>) -> Line {
    Line { name: name.to_owned(), style, points }
}

fn rate(steps: &Steps, history: &[Row]) -> Vec<[f64; 2]> {
    // Without a record, the end of each epoch is known.
    let known: Vec<[f64; 2]> = steps.rows().map(|row| [row.step as f64, row.learning_rate]).collect();
    match known.is_empty() {
        true => history.iter().map(|row| [row.step as f64, row.learning_rate]).collect(),
        false => known,
    }
}

/// The mean loss around each row, and over how many rows; one, if there are few.
fn smooth(steps: &Steps) -> (Vec<[f64; 2]>, usize) {
    let rows: Vec<&StepRow> = steps.rows().collect();
    let half = if rows.len() < NOISY { 0 } else { rows.len() / 60 + 1 };
    let mean = |at: usize| {
        let around = &rows[at.saturating_sub(half)..(at + half + 1).min(rows.len())];
        let (loss, images) =
            around.iter().fold((0.0, 0), |(loss, images), r| (loss + r.sums.loss, images + r.sums.images));
        [rows[at].step as f64, loss / images as f64]
    };
    ((0..rows.len()).map(mean).collect(), 2 * half + 1)
}

/// The number of steps that the first row spans.
fn span(steps: &Steps) -> u64 {
    let mut rows = steps.rows().map(|row| row.step);
    let first = rows.next().unwrap_or(1);
    rows.next().map_or(first, |second| second - first)
}

/// The curves of one run: loss and accuracy by epoch, loss and learning rate by step.
pub(super) fn of_one(run: &Curves<'_>) -> String {
    let both = |train: fn(&Row) -> f64, test: fn(&Row) -> f64| {
        vec![
            line("train", TRAIN, by_epoch(run.history, train)),
            line(run.judged_on, TEST, by_epoch(run.history, test)),
        ]
    };
    let loss = both(|row| row.train_loss, |row| row.test_loss);
    let accuracy = both(|row| 100.0 * row.train_accuracy, |row| 100.0 * row.test_accuracy);
    let chart = |caption, x, scale, lines| LineChart { caption, x, scale, lines }.figure(true);
    let mut text = "<div class=\"charts\">\n".to_owned();
    text += &chart("Loss", "epoch", Scale::Log, loss);
    text += &chart("Accuracy, %", "epoch", Scale::Percent, accuracy);
    let recorded = run.steps.rows().next().is_some();
    if recorded {
        let (smoothed, rows) = smooth(run.steps);
        let each = span(run.steps);
        let mut lines = Vec::new();
        if rows > 1 {
            let raw = run.steps.rows().map(|row| [row.step as f64, row.sums.mean_loss()]).collect();
            lines.push(line(&format!("mean of {each} steps"), LineStyle { faint: true, ..TRAIN }, raw));
        }
        lines.push(line(&format!("mean of {} steps", each * rows as u64), TRAIN, smoothed));
        text += &chart("Training loss", "step", Scale::Log, lines);
    }
    let rates = vec![line("learning rate", LineStyle { color: 2, ..TRAIN }, rate(run.steps, run.history))];
    text += &chart("Learning rate", "step", Scale::Zero, rates);
    text += "</div>\n";
    if !recorded {
        text += &note(
            "The run has no record of its steps, as those of older versions: the loss by step is missing, and the learning \
             rate is that at the end of each epoch.",
        );
    }
    text
}

/// The text with a capital at its start.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

/// The curves of several runs: a line for each run in every chart.
pub(super) fn of_several(runs: &[Curves<'_>], judged_on: &str) -> [String; 2] {
    let [loss, accuracy] = ["test loss", "test accuracy, %"].map(|name| capital(&named(name, judged_on)));
    let styled = || runs.iter().enumerate().map(|(index, run)| (run, LineStyle::nth(index)));
    let names = || legend(styled().map(|(run, style)| (run.name, style)));
    let epochs = |caption: &str, scale, value: fn(&Row) -> f64| {
        let lines = styled().map(|(run, style)| line(run.name, style, by_epoch(run.history, value)));
        LineChart { caption, x: "epoch", scale, lines: lines.collect() }.figure(false)
    };
    let charts = |charts: String| format!("{}<div class=\"charts\">\n{charts}</div>\n", names());
    let by_epoch = charts(
        epochs(&loss, Scale::Log, |row| row.test_loss)
            + &epochs(&accuracy, Scale::Percent, |row| 100.0 * row.test_accuracy)
            + &epochs("Training loss", Scale::Log, |row| row.train_loss)
            + &epochs("Training accuracy, %", Scale::Percent, |row| 100.0 * row.train_accuracy),
    );
    let losses = styled().map(|(run, style)| line(run.name, style, smooth(run.steps).0));
    let losses =
        LineChart { caption: "Training loss", x: "step", scale: Scale::Log, lines: losses.collect() };
    let rates = styled().map(|(run, style)| line(run.name, style, rate(run.steps, run.history)));
    let rates = LineChart { caption: "Learning rate", x: "step", scale: Scale::Zero, lines: rates.collect() };
    let (without, with): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.steps.rows().next().is_none());
    let mut by_step = match with.is_empty() {
        true => rates.figure(false),
        false => losses.figure(false) + &rates.figure(false),
    };
    by_step = charts(by_step);
    if with.iter().any(|run| run.steps.rows().count() >= NOISY) {
        by_step += &note("The training loss is smoothed over about a thirtieth of each run.");
    }
    if !without.is_empty() {
        let names: Vec<&str> = without.iter().map(|run| run.name).collect();
        by_step += &note(&escape(&format!(
            "Without a record of their steps, as those of older versions: {}. Their loss by step is missing, and their learning \
             rate is that at the end of each epoch.",
            names.join(", ")
        )));
    }
    [by_epoch, by_step]
}

/// The value of a layer in a chart; `None` if the layer has no such value.
type Value = fn(&LayerRow) -> Option<f64>;

/// The charts of the layers: caption, axis and value.
const PANELS: [(&str, Scale, Value); 4] = [
    ("Dead channels, %", Scale::Zero, |row| Some(100.0 * row.dead)),
    ("Values that the activation sets to 0, %", Scale::Zero, |row| Some(100.0 * row.zero)),
    ("Running mean, root mean square", Scale::Zero, |row| row.running_mean),
    ("Running variance, mean", Scale::Log, |row| row.running_var),
];

/// `conv3_2`: the colour of its block, the dash of its place in it.
fn layer_style(layer: &str) -> LineStyle {
    let numbers: Vec<usize> =
        layer.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    let at = |place: usize| numbers.get(place).copied().unwrap_or(1).saturating_sub(1);
    LineStyle { color: at(0), dash: at(1), faint: false }
}

/// The charts of the layers over the epochs, under one legend.
pub(super) fn of_layers(layers: &[LayerRow]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for row in layers {
        if !names.contains(&row.layer.as_str()) {
            names.push(&row.layer);
        }
    }
    let mut text = legend(names.iter().map(|name| (*name, layer_style(name)))) + "<div class=\"charts\">\n";
    for (caption, scale, value) in PANELS {
        let lines = names.iter().map(|name| {
            let rows = layers.iter().filter(|row| row.layer == *name);
            let points = rows.filter_map(|row| Some([row.epoch.into(), value(row)?]));
            line(name, layer_style(name), points.collect())
        });
        let lines: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
        if !lines.is_empty() {
            text += &LineChart { caption, x: "epoch", scale, lines }.figure(false);
        }
    }
    text + "</div>\n"
}
