//! `curves.svg` and `compare.svg`: loss and accuracy over the epochs.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::metrics::Row;

const SIZE: (u32, u32) = (1000, 440);
const TRAIN: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const TEST: RGBColor = RGBColor(0xd6, 0x27, 0x28);
const PALE_TRAIN: RGBColor = RGBColor(0x9e, 0xc9, 0xe9);
const PALE_TEST: RGBColor = RGBColor(0xf4, 0xa9, 0xa8);
const GREY: RGBColor = RGBColor(0x55, 0x55, 0x55);
const FONT: &str = "sans-serif";

/// One of the two panels.
struct Panel {
    caption: &'static str,
    /// The range of the axis.
    range: std::ops::Range<f64>,
    /// The distance between the axis' labels.
    step: f64,
    /// The unit after each label.
    unit: &'static str,
    value: fn(&Row, Set) -> f64,
}

/// The data set of a curve.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Train,
    Test,
}

struct Curve<'a> {
    name: String,
    color: RGBColor,
    set: Set,
    rows: &'a [Row],
}

fn loss(row: &Row, set: Set) -> f64 {
    if set == Set::Train { row.train_loss } else { row.test_loss }
}

fn accuracy(row: &Row, set: Set) -> f64 {
    100.0 * if set == Set::Train { row.train_accuracy } else { row.test_accuracy }
}

/// Draws the two panels side by side. Without rows the panels are empty.
pub fn svg(title: &str, rows: &[Row]) -> String {
    let curve = |name: &str, color, set| Curve { name: name.to_owned(), color, set, rows };
    render(title, &[curve("train", TRAIN, Set::Train), curve("test", TEST, Set::Test)])
}

/// Draws the curves of two runs into the same panels; a run without rows has none.
pub fn comparison_svg(title: &str, runs: [(&str, &[Row]); 2]) -> String {
    let colors = [[PALE_TRAIN, TRAIN], [PALE_TEST, TEST]];
    let curves: Vec<Curve<'_>> = runs
        .into_iter()
        .zip(colors)
        .flat_map(|((run, rows), [pale, full])| {
            [("train", Set::Train, pale), ("test", Set::Test, full)].map(|(name, set, color)| Curve {
                name: format!("{run}, {name}"),
                color,
                set,
                rows,
            })
        })
        .collect();
    render(title, &curves)
}

/// Renders the SVG in memory, which cannot fail.
fn render(title: &str, curves: &[Curve<'_>]) -> String {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&root, title, curves).expect("drawing into memory cannot fail");
    }
    text
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(root: &DrawingArea<SVGBackend<'a>, Shift>, title: &str, curves: &[Curve<'_>]) -> Drawn<'a> {
    root.fill(&WHITE)?;
    let below = root.titled(title, (FONT, 20).into_font().color(&BLACK))?;
    // The legend is outside the panels, clear of the curves: next to the title, or on a separate line.
    let width = |curve: &Curve<'_>| 50 + 8 * curve.name.len() as i32;
    let fits = curves.iter().map(width).sum::<i32>() + 5 * title.len() as i32 <= SIZE.0 as i32 / 2;
    let (y, below) = if fits { (17, below) } else { (44, below.split_vertically(26).1) };
    let mut x = SIZE.0 as i32;
    for curve in curves.iter().rev() {
        x -= width(curve);
        root.draw(&PathElement::new([(x, y), (x + 24, y)], curve.color.stroke_width(3)))?;
        let style = (FONT, 15).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(curve.name.clone(), (x + 31, y), style))?;
    }
    let panels = below.split_evenly((1, 2));
    let loss_top = extremes(curves, loss).map_or(1.0, |(_, high)| high);
    let step = nice_step(loss_top.max(0.01) / 5.0);
    let losses = Panel {
        caption: "Loss",
        range: 0.0..(loss_top / step).floor() * step + step,
        step,
        unit: "",
        value: loss,
    };
    let worst = extremes(curves, accuracy).map_or(0.0, |(low, _)| low);
    let step = nice_step((100.0 - worst).max(1.0) / 5.0);
    let accuracies = Panel {
        caption: "Accuracy",
        range: (worst / step - 0.5).floor().max(0.0) * step..100.0,
        step,
        unit: " %",
        value: accuracy,
    };
    panel(&panels[0], &losses, curves)?;
    panel(&panels[1], &accuracies, curves)?;
    root.present()
}

fn panel<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, panel: &Panel, curves: &[Curve<'_>]) -> Drawn<'a> {
    let epochs = || curves.iter().flat_map(|curve| curve.rows).map(|row| row.epoch as i32);
    let (first, last) = (epochs().min().unwrap_or(1), epochs().max().unwrap_or(1));
    // A single epoch is centred.
    let x = if first == last { first - 1..last + 1 } else { first..last };
    let count = ((panel.range.end - panel.range.start) / panel.step).round() as usize;
    let decimals = (-panel.step.log10()).ceil().max(0.0) as usize;
    let mut chart = ChartBuilder::on(area)
        .caption(panel.caption, (FONT, 17).into_font().color(&BLACK))
        .margin(12)
        .margin_right(20)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(x, panel.range.clone())?;
    let style = |size| (FONT, size).into_font().color(&GREY);
    chart
        .configure_mesh()
        .x_desc("epoch")
        .x_labels(11)
        .y_labels(count + 1)
        .x_label_formatter(&|epoch| {
            if (first..=last).contains(epoch) { epoch.to_string() } else { String::new() }
        })
        .y_label_formatter(&|value| match panel.step {
            ..1e4 => format!("{value:.decimals$}{}", panel.unit),
            _ => format!("{value:.1e}"),
        })
        .label_style(style(14))
        .axis_desc_style(style(14))
        .axis_style(GREY)
        .bold_line_style(BLACK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for Curve { color, set, rows, .. } in curves {
        let points = || rows.iter().map(|row| (row.epoch as i32, (panel.value)(row, *set)));
        chart.draw_series(LineSeries::new(points(), color.stroke_width(2)))?;
        // Mark points while they are few enough to tell apart: a line of one point would be invisible.
        if rows.len() <= 40 {
            chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
        }
    }
    Ok(())
}

/// The smallest and largest finite value.
fn extremes(curves: &[Curve<'_>], value: fn(&Row, Set) -> f64) -> Option<(f64, f64)> {
    let all = curves.iter().flat_map(|curve| curve.rows.iter().map(|row| value(row, curve.set)));
    let all = all.filter(|value| value.is_finite());
    all.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
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

    fn row(epoch: u32, loss: f64, accuracy: f64) -> Row {
        Row {
            epoch,
            step: 1,
            train_loss: loss,
            train_accuracy: accuracy,
            test_loss: loss * 0.6,
            test_accuracy: accuracy + (1.0 - accuracy) * 0.4,
            learning_rate: 1e-3,
            images_per_second: 1.0,
            seconds: 1.0,
        }
    }

    /// Writes the pictures to the folder `VGG_TEST_CURVES`, for inspection.
    #[test]
    fn every_length_of_run_draws() {
        let learning = |epochs: u32| -> Vec<Row> {
            (1..=epochs)
                .map(|e| row(e, 0.45 / f64::from(e * e) + 0.01, 1.0 - 0.14 / f64::from(e * e)))
                .collect()
        };
        for (name, rows) in [
            ("none", vec![]),
            ("one", learning(1)),
            ("two", learning(2)),
            ("three", learning(3)),
            ("ten", learning(10)),
            ("hundred", learning(100)),
            ("perfect", vec![row(1, 0.0, 1.0), row(2, 0.0, 1.0)]),
            ("chance", vec![row(1, 2.31, 0.1), row(2, 2.3, 0.11)]),
            ("huge", vec![row(1, 1e9, 0.0), row(2, 3.0, 0.5)]),
        ] {
            let text = svg("VGG16 on mnist, 28 x 28 px, width 0.25", &rows);
            assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{name}");
            for word in ["Loss", "Accuracy", "epoch", "train", "test"] {
                assert!(text.contains(word), "{name} lacks {word}");
            }
            if let Ok(folder) = std::env::var("VGG_TEST_CURVES") {
                std::fs::write(format!("{folder}/{name}.svg"), text).unwrap();
            }
        }
    }

    #[test]
    fn two_runs_draw_into_one_picture() {
        let long = [row(1, 0.4, 0.8), row(2, 0.1, 0.9), row(3, 0.05, 0.95)];
        let short = [row(1, 2.3, 0.11), row(2, 2.1, 0.2)];
        let text = comparison_svg("VGG16 on mnist", [("custom", &long), ("standard", &short)]);
        for word in ["custom, train", "custom, test", "standard, train", "standard, test"] {
            assert!(text.contains(word), "no {word}");
        }
        assert_eq!(text.matches("<circle").count(), 2 * 2 * 5, "a point an epoch, set and panel");
        // This many names do not fit next to the title.
        assert_eq!(text.matches("y=\"44\"").count(), 4);
        assert!(!svg("VGG16 on mnist", &long).contains("y=\"44\""));
        let text = comparison_svg("one of them was loaded", [("custom", &long), ("standard", &[])]);
        assert_eq!(text.matches("<circle").count(), 2 * 2 * 3);
        assert!(!text.contains("NaN") && !text.contains("inf"));
        if let Ok(folder) = std::env::var("VGG_TEST_CURVES") {
            std::fs::write(format!("{folder}/comparison.svg"), text).unwrap();
        }
    }

    #[test]
    fn steps_are_round() {
        for (value, step) in [(0.03, 0.05), (0.2, 0.2), (1.1, 2.0), (7.0, 10.0), (0.0009, 0.001)] {
            assert!((nice_step(value) / step - 1.0).abs() < 1e-9, "{value}");
        }
    }
}
