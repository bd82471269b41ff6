//! Pictures of layer statistics over the epochs.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::train::LayerRow;

const SIZE: (u32, u32) = (500, 320);
const FONT: &str = "sans-serif";
const GREY: RGBColor = RGBColor(0x55, 0x55, 0x55);

/// The value of a layer in a panel; `None` if the layer has no such value.
type Value = fn(&LayerRow) -> Option<f64>;

/// The panels: caption and value.
const PANELS: [(&str, Value); 4] = [
    ("dead channels, %", |row| Some(100.0 * row.dead)),
    ("values that the activation sets to 0, %", |row| Some(100.0 * row.zero)),
    ("running mean, root mean square", |row| row.running_mean),
    ("running variance, mean", |row| row.running_var),
];

/// One SVG picture for each panel with any values, with one line per layer: the first in blue, the last in red.
pub(super) fn svgs(rows: &[LayerRow]) -> Result<Vec<String>> {
    let mut pictures = Vec::new();
    for (caption, value) in PANELS {
        let mut lines: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
        for row in rows {
            let index = rows.iter().position(|first| first.layer == row.layer).unwrap_or_default();
            if let Some(value) = value(row).filter(|value| value.is_finite()) {
                lines.entry(index).or_default().push((row.epoch.into(), value));
            }
        }
        if !lines.is_empty() {
            pictures.push(svg(caption, &lines.into_values().collect::<Vec<_>>())?);
        }
    }
    Ok(pictures)
}

fn svg(caption: &str, lines: &[Vec<(f64, f64)>]) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&root, caption, lines).map_err(|error| anyhow!("a picture of the layers: {error}"))?;
        root.present()?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(root: &Area<'_>, caption: &str, lines: &[Vec<(f64, f64)>]) -> Result<(), Box<dyn std::error::Error>> {
    root.fill(&WHITE)?;
    let points = || lines.iter().flatten();
    let top = points().map(|&(_, value)| value).fold(0.0, f64::max);
    let top = if top > 0.0 { top * 1.05 } else { 1.0 };
    let (first, last) =
        points().fold((f64::INFINITY, 0.0f64), |(low, high), &(epoch, _)| (low.min(epoch), high.max(epoch)));
    // A single epoch is centred.
    let x = if first == last { first - 1.0..last + 1.0 } else { first..last };
    let style = || (FONT, 13).into_font().color(&GREY);
    let mut chart = ChartBuilder::on(root)
        .caption(caption, (FONT, 16).into_font().color(&BLACK))
        .margin(10)
        .margin_right(18)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(x, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .x_labels(((last - first) as usize + 1).clamp(3, 11))
        .x_label_formatter(&|epoch| if epoch.fract() == 0.0 { format!("{epoch:.0}") } else { String::new() })
        .y_labels(6)
        .label_style(style())
        .axis_desc_style(style())
        .axis_style(GREY)
        .bold_line_style(BLACK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        let depth = index as f64 / (lines.len() - 1).max(1) as f64;
        // From blue over violet to red.
        let color = HSLColor(0.6 + 0.4 * depth, 0.7, 0.45);
        chart.draw_series(LineSeries::new(line.iter().copied(), color.stroke_width(2)))?;
        chart.draw_series(line.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
    }
    Ok(())
}
