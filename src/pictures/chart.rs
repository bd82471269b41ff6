//! Line charts of a page: SVG whose colours, fonts and dark mode are those of the page's style sheet.
//!
//! One unit is one pixel on a phone, so that labels stay legible there; `src/cli/report/style.css` reduces them on wide screens.

use std::{fmt::Write, ops::RangeInclusive};

/// The size of a chart, and its margins at the top, at the right and at the bottom.
const SIZE: [f64; 2] = [360.0, 236.0];
const MARGIN: [f64; 3] = [10.0, 14.0, 42.0];
/// The width of a character of a label.
const CHARACTER: f64 = 7.2;
/// Up to this many points are marked, while they are few enough to distinguish: a line of one point would be invisible.
const MARKED: usize = 12;
/// A logarithmic axis shows at most this many powers of ten.
const DECADES: f64 = 6.0;

/// The look of a line: one of [`LineStyle::ALL`] pairs of a colour and a dash, both safe for the colour-blind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineStyle {
    /// One of six colours.
    pub color: usize,
    /// Solid, dashed, dotted or dash-dotted.
    pub dash: usize,
    /// Drawn thin and pale, as the unsmoothed values of another line are.
    pub faint: bool,
}

impl LineStyle {
    const COLORS: usize = 6;
    const DASHES: usize = 4;
    /// How many lines can be told apart.
    pub const ALL: usize = Self::COLORS * Self::DASHES;

    /// The style of the line at an index. Neighbours differ in colour and dash, so that one that covers another does not hide it.
    pub fn nth(index: usize) -> Self {
        let (color, dash) = (index % Self::COLORS, (index + index / 12) % Self::DASHES);
        Self { color, dash, faint: false }
    }

    fn class(self) -> String {
        let faint = if self.faint { " faint" } else { "" };
        format!("line c{} d{}{faint}", self.color % Self::COLORS, self.dash % Self::DASHES)
    }
}

/// A line of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its look.
    pub style: LineStyle,
    /// Its points from left to right; those that are not finite are left out.
    pub points: Vec<[f64; 2]>,
}

/// The vertical axis of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Linear from 0.
    Zero,
    /// Linear, from the lowest value to 100.
    Percent,
    /// Logarithmic, if the values are above 0 and span more than a power of ten; else linear from 0.
    Log,
}

/// A chart with one vertical axis.
#[derive(Clone, Debug)]
pub struct LineChart<'a> {
    /// What is drawn: the caption above the chart.
    pub caption: &'a str,
    /// What the horizontal axis counts, as `epoch`: whole numbers.
    pub x: &'a str,
    /// The vertical axis.
    pub scale: Scale,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Escapes text for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A legend of lines: for each a piece of it and its name.
pub fn legend<'a>(lines: impl IntoIterator<Item = (&'a str, LineStyle)>) -> String {
    let item = |(name, style): (&str, LineStyle)| {
        format!(
            "<li><svg class=\"key\" viewBox=\"0 0 30 8\" aria-hidden=\"true\"><path class=\"{}\" d=\"M1 4H29\"/></svg>{}</li>",
            style.class(),
            escape(name)
        )
    };
    let items: String = lines.into_iter().map(item).collect();
    format!("<ul class=\"legend\">{items}</ul>\n")
}

impl LineChart<'_> {
    /// A figure with its caption; `with_legend` unless one legend serves several charts.
    pub fn figure(&self, with_legend: bool) -> String {
        let legend = match with_legend {
            true => legend(self.lines.iter().map(|line| (line.name.as_str(), line.style))),
            false => String::new(),
        };
        let log = if self.y().log { ", log scale" } else { "" };
        format!(
            "<figure class=\"chart\"><figcaption>{} <small>by {}{log}</small></figcaption>\n{}{legend}</figure>\n",
            escape(self.caption),
            escape(self.x),
            self.svg(),
        )
    }

    fn points(&self) -> impl Iterator<Item = [f64; 2]> {
        self.lines.iter().flat_map(|line| &line.points).copied().filter(finite)
    }

    fn y(&self) -> Axis {
        let values = || self.points().map(|[_, y]| y);
        let (low, high) =
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        if low > high {
            return Axis::linear(0.0, 1.0, 4.0);
        }
        match self.scale {
            Scale::Log if low > 0.0 && high / low > 10.0 => Axis::log(low, high),
            Scale::Zero | Scale::Log => Axis::linear(0.0, if high > 0.0 { high } else { 1.0 }, 4.0),
            Scale::Percent => {
                // Room below the lowest point.
                let low = low.min(99.9);
                Axis::linear((low - 0.1 * (100.0 - low)).max(0.0), 100.0, 4.0)
            }
        }
    }

    fn x(&self) -> Axis {
        let values = || self.points().map(|[x, _]| x);
        let (low, high) =
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        match low > high {
            true => Axis { range: 0.0..=2.0, ticks: vec![1.0], log: false },
            // A single point is centred.
            false if low == high => Axis { range: low - 1.0..=low + 1.0, ticks: vec![low], log: false },
            false => {
                let step = nice_step((high - low) / 6.0).max(1.0);
                let multiples = (1..).map(|k| f64::from(k) * step).skip_while(|&x| x < low);
                let mut ticks: Vec<f64> = multiples.take_while(|&x| x <= high).collect();
                // Few epochs: the first is not a multiple of 2 or 5.
                if step > 1.0 && low == 1.0 && ticks.first().is_some_and(|&first| first - low >= 0.4 * step) {
                    ticks.insert(0, low);
                }
                Axis { range: low..=high, ticks, log: false }
            }
        }
    }

    /// The picture.
    fn svg(&self) -> String {
        let ([width, height], [top, right, bottom]) = (SIZE, MARGIN);
        let (x, y) = (self.x(), self.y());
        let labels: Vec<String> = y.ticks.iter().map(|&tick| y.label(tick)).collect();
        let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let left = 12.0 + CHARACTER * longest as f64;
        let across = |value: f64| left + x.place(value) * (width - left - right);
        let down = |value: f64| height - bottom - y.place(value) * (height - top - bottom);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.description())
        );
        for (&tick, label) in y.ticks.iter().zip(&labels) {
            let at = down(tick);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{left:.1} {at:.1}H{:.1}\"/><text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                width - right,
                left - 7.0,
                at + 4.3
            );
        }
        for &tick in &x.ticks {
            let _ = write!(
                svg,
                "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                across(tick),
                height - bottom + 17.0,
                x.label(tick)
            );
        }
        let _ = writeln!(
            svg,
            "<path class=\"axis\" d=\"M{left:.1} {:.1}H{:.1}\"/><text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            height - bottom,
            width - right,
            (left + width - right) / 2.0,
            height - 7.0,
            escape(self.x)
        );
        for line in &self.lines {
            let points: Vec<[f64; 2]> = line.points.iter().copied().filter(finite).collect();
            let at = |[x, y]: [f64; 2]| format!("{:.1} {:.1}", across(x), down(y));
            let path: Vec<String> = points.iter().copied().map(at).collect();
            let (class, name) = (line.style.class(), escape(&line.name));
            let path = if path.is_empty() { String::new() } else { format!("M{}", path.join("L")) };
            let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"><title>{name}</title></path>");
            if points.len() <= MARKED && !line.style.faint {
                for [a, b] in points {
                    let _ = write!(
                        svg,
                        "<circle class=\"c{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{name}, {} {}: {}</title></circle>",
                        line.style.color % LineStyle::COLORS,
                        across(a),
                        down(b),
                        escape(self.x),
                        x.label(a),
                        significant(b)
                    );
                }
            }
            svg.push('\n');
        }
        svg + "</svg>\n"
    }

    /// The picture in words: the last value of each line.
    fn description(&self) -> String {
        let mut text = format!("Line chart: {} by {}.", self.caption, self.x);
        for line in self.lines.iter().filter(|line| !line.style.faint) {
            if let Some([x, y]) = line.points.iter().rfind(|point| finite(point)) {
                let _ = write!(text, " {}: {} at {} {x}.", line.name, significant(*y), self.x);
            }
        }
        text
    }
}

fn finite(point: &[f64; 2]) -> bool {
    point.iter().all(|value| value.is_finite())
}

/// A number with four significant digits.
fn significant(value: f64) -> String {
    let digits = (3.0 - value.abs().log10().floor()).clamp(0.0, 12.0);
    match value.abs() {
        1e-4..1e7 => format!("{value:.*}", digits as usize),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3e}"),
    }
}

/// An axis: its range and the places of its labels.
struct Axis {
    range: RangeInclusive<f64>,
    ticks: Vec<f64>,
    log: bool,
}

impl Axis {
    /// From a multiple of a round step at or below `low` to one at or above `high`.
    fn linear(low: f64, high: f64, parts: f64) -> Self {
        let step = nice_step((high - low).max(1e-9) / parts);
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let ticks = (0..=(last - first) as u32).map(|k| (first + f64::from(k)) * step).collect();
        Self { range: first * step..=last * step, ticks, log: false }
    }

    fn log(low: f64, high: f64) -> Self {
        let (low, high) = (low.log10().max(high.log10() - DECADES), high.log10());
        // The powers of ten, and in a short range their multiples by 2 and 5 too.
        let multiples: &[f64] = if high - low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let all = (low.floor() as i32 - 1..=high.ceil() as i32)
            .flat_map(|power| multiples.iter().map(move |multiple| multiple * 10f64.powi(power)));
        let (first, last) = (10f64.powf(low), 10f64.powf(high));
        let ticks = all.filter(|tick| (first * 0.999..=last * 1.001).contains(tick)).collect();
        Self { range: low..=high, ticks, log: true }
    }

    /// The place of a value, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        ((value - self.range.start()) / (self.range.end() - self.range.start())).clamp(0.0, 1.0)
    }

    fn label(&self, tick: f64) -> String {
        let step = match &self.ticks[..] {
            _ if self.log => tick,
            [first, second, ..] => second - first,
            _ => 1.0,
        };
        let decimals = (-(step * 1.001).log10().floor()).clamp(0.0, 12.0) as usize;
        match tick.abs() {
            1e6.. | 1e-12..1e-4 => format!("{tick:.0e}"),
            1e4.. if tick % 1000.0 == 0.0 => format!("{}k", tick / 1000.0),
            _ => format!("{tick:.decimals$}"),
        }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `value`.
fn nice_step(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= value * 0.999)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, lines: &[&[[f64; 2]]]) -> LineChart<'static> {
        let line = |(index, points): (usize, &&[[f64; 2]])| Line {
            name: format!("run <{index}>"),
            style: LineStyle::nth(index),
            points: points.to_vec(),
        };
        LineChart { caption: "Loss", x: "epoch", scale, lines: lines.iter().enumerate().map(line).collect() }
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let figure = chart(Scale::Zero, &[&[[1.0, 0.4], [2.0, 0.2]], &[[1.0, 0.3]]]).figure(true);
        assert_eq!(figure.matches("<title>run &lt;").count(), 2 + 3, "a line and its points");
        assert_eq!(figure.matches("<li>").count(), 2);
        assert!(figure.contains("run &lt;1&gt;: 0.3000 at epoch 1."), "{figure}");
    }

    #[test]
    fn every_range_has_labels_in_it() {
        for (scale, values) in [
            (Scale::Zero, vec![]),
            (Scale::Zero, vec![0.0]),
            (Scale::Zero, vec![2.3, 0.01]),
            (Scale::Zero, vec![1e9, 1.0]),
            (Scale::Zero, vec![f64::NAN, 1.0]),
            (Scale::Percent, vec![100.0]),
            (Scale::Percent, vec![0.0, 99.36]),
            (Scale::Percent, vec![99.1, 99.36]),
            (Scale::Log, vec![2.3, 0.001]),
            (Scale::Log, vec![2.3, 1.9]),
            (Scale::Log, vec![2.3, 0.0]),
            (Scale::Log, vec![1e9, 1e-12]),
        ] {
            let points: Vec<[f64; 2]> = values.iter().zip(1..).map(|(&y, x)| [f64::from(x), y]).collect();
            let chart = chart(scale, &[&points]);
            let (figure, axis) = (chart.figure(true), chart.y());
            assert!(!figure.contains("NaN") && !figure.contains("inf"), "{values:?}: {figure}");
            assert!((2..=9).contains(&axis.ticks.len()), "{values:?}: {:?}", axis.ticks);
            let labels: Vec<String> = axis.ticks.iter().map(|&tick| axis.label(tick)).collect();
            assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
        }
    }

    #[test]
    fn epochs_and_steps_have_round_labels() {
        let labels = |last: u32| {
            let points: Vec<[f64; 2]> = (1..=last).map(|x| [f64::from(x), 1.0]).collect();
            let axis = chart(Scale::Zero, &[&points]).x();
            axis.ticks.iter().map(|&tick| axis.label(tick)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(1), "1");
        assert_eq!(labels(3), "1 2 3");
        assert_eq!(labels(10), "1 2 4 6 8 10");
        assert_eq!(labels(100), "1 20 40 60 80 100");
        assert_eq!(labels(50_000), "1 10k 20k 30k 40k 50k");
    }

    #[test]
    fn the_styles_are_all_different() {
        let classes: std::collections::BTreeSet<String> =
            (0..LineStyle::ALL).map(|index| LineStyle::nth(index).class()).collect();
        assert_eq!(classes.len(), LineStyle::ALL);
    }
}
