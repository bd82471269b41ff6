//! `curves.svg`: loss and accuracy over the epochs.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::metrics::Row;

const SIZE: (u32, u32) = (1000, 440);
const TRAIN: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const TEST: RGBColor = RGBColor(0xd6, 0x27, 0x28);
const GREY: RGBColor = RGBColor(0x55, 0x55, 0x55);
const FONT: &str = "sans-serif";

/// One of the two panels.
struct Panel {
    caption: &'static str,
    /// The largest and smallest value of the axis.
    range: std::ops::Range<f64>,
    /// How far apart the axis' labels are.
    step: f64,
    /// Text behind each label.
    unit: &'static str,
    train: fn(&Row) -> f64,
    test: fn(&Row) -> f64,
}

/// Draws the two panels side by side. Without rows the panels are empty.
///
/// # Panics
/// Never: the SVG is drawn into memory, where nothing can fail.
pub fn svg(title: &str, rows: &[Row]) -> String {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&root, title, rows).expect("drawing into memory cannot fail");
    }
    text
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(root: &DrawingArea<SVGBackend<'a>, Shift>, title: &str, rows: &[Row]) -> Drawn<'a> {
    root.fill(&WHITE)?;
    let below = root.titled(title, (FONT, 20).into_font().color(&BLACK))?;
    // The legend is outside the panels, where no curve can run into it.
    for (name, color, x) in [("train", TRAIN, 820), ("test", TEST, 910)] {
        root.draw(&PathElement::new([(x, 17), (x + 24, 17)], color.stroke_width(3)))?;
        let style = (FONT, 15).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(name, (x + 31, 17), style))?;
    }
    let panels = below.split_evenly((1, 2));
    let loss_top = extremes(rows, |r| [r.train_loss, r.test_loss]).map_or(1.0, |(_, high)| high);
    let step = nice_step(loss_top.max(0.01) / 5.0);
    let loss = Panel {
        caption: "Loss",
        range: 0.0..(loss_top / step).floor() * step + step,
        step,
        unit: "",
        train: |r| r.train_loss,
        test: |r| r.test_loss,
    };
    let worst = extremes(rows, |r| [r.train_accuracy, r.test_accuracy]).map_or(0.0, |(low, _)| low);
    let step = nice_step(((1.0 - worst) * 100.0).max(1.0) / 5.0);
    let accuracy = Panel {
        caption: "Accuracy",
        range: (worst * 100.0 / step - 0.5).floor().max(0.0) * step..100.0,
        step,
        unit: " %",
        train: |r| r.train_accuracy * 100.0,
        test: |r| r.test_accuracy * 100.0,
    };
    panel(&panels[0], &loss, rows)?;
    panel(&panels[1], &accuracy, rows)?;
    root.present()
}

fn panel<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, panel: &Panel, rows: &[Row]) -> Drawn<'a> {
    let first = rows.first().map_or(1, |row| row.epoch as i32);
    let last = rows.last().map_or(1, |row| row.epoch as i32);
    // A single epoch stands in the middle.
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
    for (color, value) in [(TRAIN, panel.train), (TEST, panel.test)] {
        let points = || rows.iter().map(|row| (row.epoch as i32, value(row)));
        chart.draw_series(LineSeries::new(points(), color.stroke_width(2)))?;
        // Points where they are few enough to be told apart, and where a line alone would be invisible.
        if rows.len() <= 40 {
            chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
        }
    }
    Ok(())
}

/// The smallest and largest finite value.
fn extremes(rows: &[Row], values: fn(&Row) -> [f64; 2]) -> Option<(f64, f64)> {
    let all = rows.iter().flat_map(values).filter(|value| value.is_finite());
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

    /// Writes the pictures to a folder of `VGG_TEST_CURVES`, to be looked at.
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
    fn steps_are_round() {
        for (value, step) in [(0.03, 0.05), (0.2, 0.2), (1.1, 2.0), (7.0, 10.0), (0.0009, 0.001)] {
            assert!((nice_step(value) / step - 1.0).abs() < 1e-9, "{value}");
        }
    }
}
