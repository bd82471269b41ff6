//! One run on a page.

use std::{ffi::OsStr, path::Path};

use anyhow::Result;

use super::{
    curves::{self, Curves},
    page::{data_url, named, note, page, scrolling, section, table, table_with},
};
use crate::{
    cli::{
        calibrate::Calibration,
        paper::PAPER,
        table::{duration, percent, thousands},
    },
    data::Dataset,
    model::Network,
    pictures::{confusion_figure, escape, filters},
    train::{Evaluation, Progress, Row, TrainConfig, best},
    weights::ModelInfo,
};

/// The contents of a report.
pub(in crate::cli) struct Report<'a> {
    pub(in crate::cli) title: &'a str,
    pub(in crate::cli) config: &'a TrainConfig,
    pub(in crate::cli) network: &'a Network,
    pub(in crate::cli) progress: &'a Progress,
    /// The first convolution's weights, `[K, C, 3, 3]`.
    pub(in crate::cli) filters: &'a [f32],
    /// The heading of the paper's results, if the run is comparable.
    pub(in crate::cli) paper: Option<&'static str>,
    pub(in crate::cli) measured: Measured<'a>,
}

/// The part of a report that needs the device and the data.
pub(in crate::cli) enum Measured<'a> {
    /// An evaluation of the test images on this device.
    Now { device: &'a str, evaluation: &'a Evaluation, calibration: &'a Calibration, test: &'a dyn Dataset },
    /// The part of an earlier page about the same weights.
    Earlier(String),
    /// Unknown; the text says how to measure it.
    Unknown(String),
}

/// The marks around the measured part of a page, whose weights are those after a step.
pub(super) fn marks(step: u64) -> [String; 2] {
    [format!("<!--measured after step {step}-->\n"), "<!--end of the measured part-->\n".to_owned()]
}

/// A result of an epoch as text.
type Cell = fn(&Row) -> String;

/// The results of an epoch, each with its name; `named` has validation images in it.
pub(super) const RESULTS: [(&str, Cell); 4] = [
    ("train loss", |row| format!("{:.4}", row.train_loss)),
    ("train accuracy", |row| percent(row.train_accuracy)),
    ("test loss", |row| format!("{:.4}", row.test_loss)),
    ("test accuracy", |row| percent(row.test_accuracy)),
];

impl Report<'_> {
    /// The page.
    pub(in crate::cli) fn html(&self) -> Result<String> {
        let mut body = self.results() + &self.facts();
        let curves = Curves {
            name: "",
            judged_on: self.config.judged_on(),
            history: &self.progress.history,
            steps: &self.progress.steps,
        };
        body += &section("Curves", &curves::of_one(&curves));
        let [begin, end] = marks(self.progress.step);
        body += &match &self.measured {
            Measured::Now { device, evaluation, calibration, test } => {
                begin + &self.test(device, evaluation, calibration, *test)? + &end
            }
            Measured::Earlier(part) => begin + part + &end,
            Measured::Unknown(way) => section("Test images", &note(&escape(way))),
        };
        body += &self.over_time();
        body += &self.first_layer();
        body += &self.parameters();
        let toml = format!("<pre>{}</pre>\n", escape(&self.config.to_toml()));
        body += &section("Configuration", &scrolling("Configuration", &toml));
        Ok(page(self.title, &body))
    }

    /// The last and the best epoch, next to the paper's figures if they are comparable.
    fn results(&self) -> String {
        let history = &self.progress.history;
        let Some(last) = history.last() else {
            return note("No epoch is complete yet.");
        };
        let best = best(history).unwrap_or(last);
        let mut columns = vec![String::new(), format!("epoch {}", last.epoch)];
        if best.epoch != last.epoch {
            columns.push(format!("best (epoch {})", best.epoch));
        }
        columns.extend(self.paper.map(str::to_owned));
        let rows: Vec<Vec<String>> = RESULTS
            .iter()
            .zip(PAPER)
            .map(|((name, value), paper)| {
                let mut row = vec![named(name, self.config.judged_on()), value(last)];
                row.extend((best.epoch != last.epoch).then(|| value(best)));
                row.extend(self.paper.map(|_| paper.to_owned()));
                row
            })
            .collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        format!(
            "<p class=\"hero\"><b>{}</b> {} accuracy after {} steps, in epoch {}</p>\n{}",
            percent(last.test_accuracy),
            self.config.judged_on(),
            thousands(last.step as usize),
            last.epoch,
            table_with("Results", &columns, &rows, |row, _| row == 3)
        )
    }

    fn facts(&self) -> String {
        let [h, w] = self.network.config.image_size;
        let progress = self.progress;
        let epochs = match (progress.epoch, self.config.epochs) {
            (1, 1) => "1 epoch".to_owned(),
            (done, all) if done < all => format!("{done} of {all} epochs"),
            (done, _) => format!("{done} epochs"),
        };
        let mut facts = vec![
            ("network", self.network.config.to_string()),
            ("data", format!("{}, {} training images", self.config.data, thousands(progress.train_images))),
            ("input", format!("{} x {h} x {w}", self.network.config.channels)),
            ("parameters", thousands(self.network.values())),
            ("trained", format!("{epochs}, {} steps", thousands(progress.step as usize))),
        ];
        if let Some(last) = progress.history.last() {
            let time = format!(
                "{}, {} training images/s in the last epoch",
                duration(last.seconds),
                thousands(last.images_per_second.round() as usize)
            );
            facts.push(("time", time));
            if last.sparsity > 0.0 {
                facts.push(("zeros", format!("{} of the weights of each layer", percent(last.sparsity))));
            }
        }
        facts.push(("program", format!("vgg-wgpu {}", env!("CARGO_PKG_VERSION"))));
        let facts: String = facts
            .into_iter()
            .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(&value)))
            .collect();
        format!("<dl>\n{facts}</dl>\n")
    }

    /// All about the test images.
    fn test(
        &self,
        device: &str,
        evaluation: &Evaluation,
        calibration: &Calibration,
        test: &dyn Dataset,
    ) -> Result<String> {
        let (confusion, names) = (&evaluation.confusion, test.class_names());
        let device = device.replace("device", "").replace('\n', "; ");
        let weights = if self.config.val_fraction > 0.0 { "the best epoch's" } else { "the last" };
        let about = format!(
            "{} test images, classified with {weights} weights on {}: {} right, loss {:.4}, expected calibration error {} ({}). \
             The rows are the true classes: blue is right, orange is wrong.",
            thousands(test.len()),
            device.split_whitespace().collect::<Vec<_>>().join(" "),
            percent(evaluation.accuracy()),
            evaluation.loss(),
            percent(evaluation.answers.calibration_error(calibration.value())),
            calibration.origin(),
        );
        let picture = scrolling("Confusion matrix", &confusion_figure("Confusion matrix", confusion, names));
        let matrix = section("Confusion matrix", &(note(&escape(&about)) + &picture));
        let rows: Vec<Vec<String>> = names
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let right = confusion[class][class] as f64;
                let images: u64 = confusion[class].iter().sum();
                let named: u64 = confusion.iter().map(|row| row[class]).sum();
                let (precision, recall) = (right / named as f64, right / images as f64);
                // The harmonic mean.
                let f1 = 2.0 * right / (named + images) as f64;
                vec![
                    name.clone(),
                    thousands(images as usize),
                    percent(precision),
                    percent(recall),
                    percent(f1),
                ]
            })
            .collect();
        let terms = note(
            "Precision: the fraction of the images predicted as this class that belong to it. Recall: the fraction of this class's \
             images that are predicted as it. F1: their harmonic mean.",
        );
        let classes = table("Classes", &["class", "images", "precision", "recall", "F1"], &rows);
        let classes = section("Classes", &(terms + &classes));
        Ok(format!("<div class=\"columns\">\n{matrix}{classes}</div>\n{}", hardest(evaluation, test)?))
    }

    fn first_layer(&self) -> String {
        let channels = self.network.config.channels;
        let count = self.filters.len() / (9 * channels);
        let mut text = note("Each filter is scaled from its smallest value (black) to its largest (white).")
            + "<div class=\"filters\">\n";
        for (index, filter) in filters(self.filters, [count, channels, 3, 3]).iter().enumerate() {
            text += &format!("<img src=\"{}\" alt=\"filter {index}\">\n", data_url(filter, [3, 3], channels));
        }
        section("Filters of the first layer", &(text + "</div>\n"))
    }

    fn over_time(&self) -> String {
        let layers = &self.progress.layers;
        let Some(last) = layers.last().map(|row| row.epoch) else { return String::new() };
        let mut text = note(&format!(
            "After each epoch, in evaluation, on the first batch of {} images. A channel is dead if its activation is 0 at every \
             pixel of every image. A colour is a block of layers, a dash the place in it.",
            self.config.judged_on()
        ));
        text += &curves::of_layers(layers);
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
        let rows: Vec<Vec<String>> = layers
            .iter()
            .filter(|row| row.epoch == last)
            .map(|row| {
                let running = [number(row.running_mean), number(row.running_var)];
                [vec![row.layer.clone(), percent(row.dead), percent(row.zero)], running.to_vec()].concat()
            })
            .collect();
        let columns =
            ["layer", "dead channels", "values at 0", "running mean (rms)", "running variance (mean)"];
        section("Layers over time", &(text + &table("Layers after the last epoch", &columns, &rows)))
    }

    fn parameters(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .network
            .parameters
            .iter()
            .map(|p| vec![p.name.clone(), p.shape.to_string(), thousands(p.shape.elements())])
            .collect();
        let total = thousands(self.network.values());
        let list = table("Parameters", &["name", "shape", "values"], &rows);
        section(
            "Parameters",
            &format!(
                "<details>\n<summary>{} tensors, {total} values</summary>\n{list}</details>\n",
                rows.len()
            ),
        )
    }
}

/// The title of a run, as [`Trainer::title`](crate::train::Trainer::title) has it with the data at hand.
pub(super) fn title(info: &ModelInfo, config: &TrainConfig) -> String {
    let set = match config.data.split_once(':') {
        Some(("idx" | "folder", path)) => {
            Path::new(path).file_name().map_or(path.into(), OsStr::to_string_lossy)
        }
        Some((word, _)) => word.into(),
        None => config.data.as_str().into(),
    };
    info.title(&set)
}

fn hardest(evaluation: &Evaluation, test: &dyn Dataset) -> Result<String> {
    let hardest = &evaluation.hardest;
    let names = test.class_names();
    let mut text = "<div class=\"pictures\">\n".to_owned();
    for hard in hardest {
        let size = [test.height(), test.width()];
        let url = data_url(&test.image(hard.image)?, size, test.channels());
        let (label, answer) = (escape(&names[hard.label]), escape(&names[hard.answer]));
        text += &format!(
            "<figure><img src=\"{url}\" alt=\"test image {}\"><figcaption><b>{label}</b>, seen as <b>{answer}</b><br>{:.1} %, loss {:.2}<br>image {}</figcaption></figure>\n",
            hard.image,
            100.0 * hard.probability,
            hard.loss,
            hard.image,
        );
    }
    let heading = format!("The {} test images with the highest loss", hardest.len());
    Ok(section(&heading, &(text + "</div>\n")))
}
