//! `report.html`: a run on one self-contained page.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};

use super::table::thousands;
use crate::{
    data::Dataset,
    model::Network,
    pictures::{Pixels, confusion_svg, curves_svg, filters, lines_svg},
    train::{Evaluation, LayerRow, Row, TrainConfig, best, curves},
};

/// The contents of a report.
pub(super) struct Report<'a> {
    pub(super) title: &'a str,
    /// The line about the run and its device.
    pub(super) device: &'a str,
    pub(super) config: &'a TrainConfig,
    pub(super) network: &'a Network,
    pub(super) history: &'a [Row],
    pub(super) layers: &'a [LayerRow],
    /// The evaluation of the last epoch's weights.
    pub(super) evaluation: &'a Evaluation,
    pub(super) test: &'a dyn Dataset,
    /// The first convolution's weights, `[K, C, 3, 3]`.
    pub(super) filters: &'a [f32],
}

/// The value of a layer in a picture; `None` if the layer has no such value.
type Value = fn(&LayerRow) -> Option<f64>;

/// The pictures of the layers: caption and value.
const PANELS: [(&str, Value); 4] = [
    ("dead channels, %", |row| Some(100.0 * row.dead)),
    ("values that the activation sets to 0, %", |row| Some(100.0 * row.zero)),
    ("running mean, root mean square", |row| row.running_mean),
    ("running variance, mean", |row| row.running_var),
];

/// An image `[height, width, channels]` as an address that contains it.
fn data_url(bytes: &[u8], size: [usize; 2], channels: usize) -> String {
    let png = Pixels { bytes, size, channels }.png();
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

/// Escapes text for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2} %", 100.0 * fraction) } else { "-".into() }
}

fn table(page: &mut String, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
    };
    *page += &format!("<table><tr>{}</tr>\n", cells("th", &mut columns.iter().copied()));
    for row in rows {
        *page += &format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)));
    }
    *page += "</table>\n";
}

impl Report<'_> {
    /// The page.
    pub(super) fn html(&self) -> Result<String> {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n{}</style>\n<h1>{title}</h1>\n",
            include_str!("style.css"),
            title = escape(self.title),
        );
        self.summary(&mut page);
        page += "<h2>Curves</h2>\n";
        page += &curves_svg(self.title, &[("", curves(self.history))]);
        self.classes(&mut page);
        self.hardest(&mut page)?;
        self.first_layer(&mut page);
        self.over_time(&mut page);
        self.parameters(&mut page);
        write!(page, "<h2>Configuration</h2>\n<pre>{}</pre>\n</html>\n", escape(&self.config.to_toml()))?;
        Ok(page)
    }

    fn summary(&self, page: &mut String) {
        let Some(last) = self.history.last() else { return };
        let best = best(self.history).unwrap_or(last);
        let [h, w] = self.network.config.image_size;
        let facts = [
            ("test accuracy", format!("{} (epoch {})", percent(last.test_accuracy), last.epoch)),
            ("best test accuracy", format!("{} (epoch {})", percent(best.test_accuracy), best.epoch)),
            ("test loss", format!("{:.4}", last.test_loss)),
            ("data", format!("{}, {} test images", self.config.data, thousands(self.test.len()))),
            ("input", format!("{} x {h} x {w}", self.network.config.channels)),
            ("parameters", thousands(self.network.values())),
            (
                "time",
                format!(
                    "{:.0} s, {:.0} training images/s in the last epoch",
                    last.seconds, last.images_per_second
                ),
            ),
            ("device", self.device.trim_start_matches("device").trim().to_owned()),
            ("program", format!("vgg-wgpu {}", env!("CARGO_PKG_VERSION"))),
        ];
        *page += "<dl>\n";
        for (name, value) in facts {
            *page += &format!("<dt>{name}</dt><dd>{}</dd>\n", escape(&value));
        }
        *page += "</dl>\n";
    }

    fn classes(&self, page: &mut String) {
        let (confusion, names) = (&self.evaluation.confusion, self.test.class_names());
        let title = format!("Test images, epoch {}", self.history.last().map_or(0, |row| row.epoch));
        *page += "<h2>Confusion matrix</h2>\n";
        *page += &confusion_svg(&title, confusion, names);
        *page += "<h2>Classes</h2>\n<p class=\"note\">Precision: the fraction of the images predicted as this class that belong to it. Recall: the fraction of this class's images that are predicted as it.</p>\n";
        let rows = names.iter().enumerate().map(|(class, name)| {
            let right = confusion[class][class] as f64;
            let images: u64 = confusion[class].iter().sum();
            let named: u64 = confusion.iter().map(|row| row[class]).sum();
            let (precision, recall) = (right / named as f64, right / images as f64);
            // The harmonic mean.
            let f1 = 2.0 * right / (named + images) as f64;
            vec![name.clone(), thousands(images as usize), percent(precision), percent(recall), percent(f1)]
        });
        table(page, &["class", "images", "precision", "recall", "F1"], rows);
    }

    fn hardest(&self, page: &mut String) -> Result<()> {
        let hardest = &self.evaluation.hardest;
        *page += &format!(
            "<h2>The {} test images with the highest loss</h2>\n<div class=\"pictures\">\n",
            hardest.len()
        );
        let (test, names) = (self.test, self.test.class_names());
        for hard in hardest {
            let size = [test.height(), test.width()];
            let url = data_url(&test.image(hard.image)?, size, test.channels());
            let (label, answer) = (escape(&names[hard.label]), escape(&names[hard.answer]));
            *page += &format!(
                "<figure><img src=\"{url}\" alt=\"test image {}\"><figcaption>{label}, seen as {answer}<br>{:.1} %, loss {:.2}<br>image {}</figcaption></figure>\n",
                hard.image,
                100.0 * hard.probability,
                hard.loss,
                hard.image,
            );
        }
        *page += "</div>\n";
        Ok(())
    }

    fn first_layer(&self, page: &mut String) {
        let channels = self.network.config.channels;
        let count = self.filters.len() / (9 * channels);
        *page += "<h2>Filters of the first layer</h2>\n<p class=\"note\">Each filter is scaled from its smallest value (black) to its largest (white).</p>\n<div class=\"filters\">\n";
        for filter in filters(self.filters, [count, channels, 3, 3]) {
            *page += &format!("<img src=\"{}\" alt=\"\">\n", data_url(&filter, [3, 3], channels));
        }
        *page += "</div>\n";
    }

    fn over_time(&self, page: &mut String) {
        *page += "<h2>Layers over time</h2>\n<p class=\"note\">After each epoch, in evaluation, on the first batch of test images. A channel is dead if its activation is 0 at every pixel of every image. Lines run from the first layer in blue to the last in red.</p>\n";
        for (caption, value) in PANELS {
            let mut lines: BTreeMap<usize, Vec<(u32, f64)>> = BTreeMap::new();
            for row in self.layers {
                let layer = self.layers.iter().position(|first| first.layer == row.layer).unwrap_or_default();
                if let Some(value) = value(row).filter(|value| value.is_finite()) {
                    lines.entry(layer).or_default().push((row.epoch, value));
                }
            }
            if !lines.is_empty() {
                *page += &lines_svg(caption, &lines.into_values().collect::<Vec<_>>());
            }
        }
        let last = self.layers.last().map_or(0, |row| row.epoch);
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
        let rows = self.layers.iter().filter(|row| row.epoch == last).map(|row| {
            let shares = [percent(row.dead), percent(row.zero)];
            let running = [number(row.running_mean), number(row.running_var)];
            [vec![row.layer.clone()], shares.to_vec(), running.to_vec()].concat()
        });
        table(
            page,
            &["layer", "dead channels", "values at 0", "running mean (rms)", "running variance (mean)"],
            rows,
        );
    }

    fn parameters(&self, page: &mut String) {
        *page += "<h2>Parameters</h2>\n";
        let rows = self.network.parameters.iter().map(|parameter| {
            vec![parameter.name.clone(), parameter.shape.to_string(), thousands(parameter.shape.elements())]
        });
        table(page, &["name", "shape", "values"], rows);
    }
}
