//! Curves over the epochs: `curves.svg` and `compare.svg`.

use std::ops::Range;

use plotters::{prelude::*, style::text_anchor::HPos};

use super::theme::{
    self, Area, BLUE, Drawn, LEGEND, ORANGE, PALE_BLUE, PALE_ORANGE, TITLE, chart, mesh, style, text,
};

const SIZE: (u32, u32) = (1000, 440);

/// Up to this many points are marked, while they are few enough to distinguish: a line of one point would be invisible.
const MARKED: usize = 40;

/// An epoch, counted from 1, and a value after it.
type Point = (u32, f64);

/// A network's results on a set of images: the loss, and the accuracy as a fraction.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// The mean loss over the epochs.
    pub loss: Vec<Point>,
    /// The accuracy over the epochs.
    pub accuracy: Vec<Point>,
}

/// A chart with one vertical axis.
struct Panel<'a> {
    caption: &'a str,
    /// The range of the axis.
    range: Range<f64>,
    /// The distance between the axis' labels.
    step: f64,
    /// The unit after each label.
    unit: &'static str,
    lines: Vec<(RGBAColor, Vec<Point>)>,
}

/// Draws loss and accuracy side by side: of one run in training and in testing, or of several runs, each with a name. Without
/// points the panels are empty.
pub fn curves_svg(title: &str, runs: &[(&str, [Curve; 2])]) -> String {
    let colors: &[[RGBColor; 2]] = match runs {
        [_] => &[[BLUE, ORANGE]],
        _ => &[[PALE_BLUE, BLUE], [PALE_ORANGE, ORANGE]],
    };
    let (mut legend, mut losses, mut accuracies) = (Vec::new(), Vec::new(), Vec::new());
    for ((run, curves), colors) in runs.iter().zip(colors) {
        for ((set, curve), color) in ["train", "test"].iter().zip(curves).zip(colors) {
            let color = color.to_rgba();
            legend.push((color, if runs.len() == 1 { (*set).to_owned() } else { format!("{run}, {set}") }));
            losses.push((color, curve.loss.clone()));
            accuracies.push((color, curve.accuracy.iter().map(|&(epoch, a)| (epoch, 100.0 * a)).collect()));
        }
    }
    let top = extremes(&losses).map_or(1.0, |(_, high)| high);
    let step = nice_step(top.max(0.01) / 5.0);
    let losses = Panel { caption: "Loss", range: from_zero(top, step), step, unit: "", lines: losses };
    let worst = extremes(&accuracies).map_or(0.0, |(low, _)| low);
    let step = nice_step((100.0 - worst).max(1.0) / 5.0);
    let range = (worst / step - 0.5).floor().max(0.0) * step..100.0;
    let accuracies = Panel { caption: "Accuracy", range, step, unit: " %", lines: accuracies };
    theme::picture(SIZE, |root| {
        let below = root.titled(title, style(TITLE, &BLACK))?;
        // The legend is outside the panels, clear of the curves: next to the title, or on a separate line.
        let width = |name: &str| 50 + 8 * name.len() as i32;
        let all = legend.iter().map(|(_, name)| width(name)).sum::<i32>();
        let fits = all + 5 * title.len() as i32 <= SIZE.0 as i32 / 2;
        let (y, below) = if fits { (17, below) } else { (44, below.split_vertically(26).1) };
        let mut x = SIZE.0 as i32;
        for (color, name) in legend.iter().rev() {
            x -= width(name);
            root.draw(&PathElement::new([(x, y), (x + 24, y)], color.stroke_width(3)))?;
            text(root, name, (x + 31, y), HPos::Left, style(LEGEND, &BLACK))?;
        }
        let panels = below.split_evenly((1, 2));
        losses.draw(&panels[0])?;
        accuracies.draw(&panels[1])
    })
}

impl Panel<'_> {
    fn draw(&self, area: &Area<'_>) -> Drawn {
        let epochs = || self.lines.iter().flat_map(|(_, line)| line).map(|&(epoch, _)| epoch as i32);
        let (first, last) = (epochs().min().unwrap_or(1), epochs().max().unwrap_or(1));
        // A single epoch is centred.
        let x = if first == last { first - 1..last + 1 } else { first..last };
        let count = ((self.range.end - self.range.start) / self.step).round() as usize;
        let decimals = (-self.step.log10()).ceil().max(0.0) as usize;
        let mut chart = chart(area, self.caption, 64, x, self.range.clone())?;
        mesh(&mut chart)
            .x_desc("epoch")
            .x_labels(11)
            .y_labels(count + 1)
            .x_label_formatter(&|epoch| {
                if (first..=last).contains(epoch) { epoch.to_string() } else { String::new() }
            })
            .y_label_formatter(&|value| match self.step {
                ..1e4 => format!("{value:.decimals$}{}", self.unit),
                _ => format!("{value:.1e}"),
            })
            .draw()?;
        for (color, line) in &self.lines {
            let points = || line.iter().map(|&(epoch, value)| (epoch as i32, value));
            chart.draw_series(LineSeries::new(points(), color.stroke_width(2)))?;
            if line.len() <= MARKED {
                chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
            }
        }
        Ok(())
    }
}

/// The smallest and largest finite value.
fn extremes(lines: &[(RGBAColor, Vec<Point>)]) -> Option<(f64, f64)> {
    let all = lines.iter().flat_map(|(_, line)| line).map(|&(_, value)| value);
    all.filter(|value| value.is_finite()).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// From 0 to the first multiple of the step above `top`.
fn from_zero(top: f64, step: f64) -> Range<f64> {
    0.0..(top / step).floor() * step + step
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `value`.
fn nice_step(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= value)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Training and testing, where the loss and the error fall with the square of the epochs.
    fn learning(epochs: u32, loss: f64, accuracy: f64) -> [Curve; 2] {
        let fall = |from: f64| move |epoch: u32| (epoch, from / f64::from(epoch * epoch));
        let curve = |factor: f64| Curve {
            loss: (1..=epochs).map(fall(factor * loss)).collect(),
            accuracy: (1..=epochs)
                .map(fall(factor * (1.0 - accuracy)))
                .map(|(e, wrong)| (e, 1.0 - wrong))
                .collect(),
        };
        [curve(1.0), curve(0.6)]
    }

    /// Writes a picture to the folder `VGG_TEST_CURVES`, for inspection.
    fn check(name: &str, text: &str) {
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{name}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{name}");
        if let Ok(folder) = std::env::var("VGG_TEST_CURVES") {
            std::fs::write(format!("{folder}/{name}.svg"), text).unwrap();
        }
    }

    #[test]
    fn every_length_of_run_draws() {
        for (name, curves) in [
            ("none", learning(0, 0.0, 0.0)),
            ("one", learning(1, 0.45, 0.86)),
            ("two", learning(2, 0.45, 0.86)),
            ("three", learning(3, 0.45, 0.86)),
            ("ten", learning(10, 0.45, 0.86)),
            ("hundred", learning(100, 0.45, 0.86)),
            ("perfect", learning(2, 0.0, 1.0)),
            ("chance", learning(1, 2.31, 0.1)),
            ("huge", learning(2, 1e9, 0.0)),
        ] {
            let text = curves_svg("VGG16 on mnist, 28 x 28 px, width 0.25", &[("", curves)]);
            check(name, &text);
            for word in ["Loss", "Accuracy", "epoch", "train", "test"] {
                assert!(text.contains(word), "{name} lacks {word}");
            }
        }
    }

    #[test]
    fn two_runs_draw_into_one_picture() {
        let (long, short) = (learning(3, 0.4, 0.8), learning(2, 2.3, 0.11));
        let runs = [("custom", long.clone()), ("standard", short)];
        let text = curves_svg("VGG16 on mnist", &runs);
        check("comparison", &text);
        for word in ["custom, train", "custom, test", "standard, train", "standard, test"] {
            assert!(text.contains(word), "no {word}");
        }
        assert_eq!(text.matches("<circle").count(), 2 * 2 * 5, "a point an epoch, set and panel");
        // This many names do not fit next to the title.
        assert_eq!(text.matches("y=\"44\"").count(), 4);
        assert!(!curves_svg("VGG16 on mnist", &[("", long.clone())]).contains("y=\"44\""));
        let runs = [("custom", long), ("standard", Default::default())];
        let text = curves_svg("one of them was loaded", &runs);
        assert_eq!(text.matches("<circle").count(), 2 * 2 * 3);
        check("loaded", &text);
    }

    #[test]
    fn steps_are_round() {
        for (value, step) in [(0.03, 0.05), (0.2, 0.2), (1.1, 2.0), (7.0, 10.0), (0.0009, 0.001)] {
            assert!((nice_step(value) / step - 1.0).abs() < 1e-9, "{value}");
        }
    }
}
