//! The picture of `vgg profile`: the layers under the device's roofline, and the time by layer.

use anyhow::{Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::profile::Row;
use crate::{
    program::{Phase, Roofline},
    train::PHASES,
};

const FORWARD: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const BACKWARD: RGBColor = RGBColor(0xd6, 0x27, 0x28);
const UPDATE: RGBColor = RGBColor(0x2c, 0xa0, 0x2c);
const GREY: RGBColor = RGBColor(0x55, 0x55, 0x55);
const FONT: &str = "sans-serif";

/// Layers with less than this share of the step are combined into one bar.
const SMALL: f64 = 0.005;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// A layer's milliseconds, by [`PHASES`].
type Bar = (String, [f64; 3]);

/// Draws the two panels side by side.
pub(super) fn svg(title: &str, rows: &[Row], roofline: &Roofline) -> Result<String> {
    let bars = bars(rows);
    let height = (120 + 20 * bars.len() as u32).max(560);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (1280, height)).into_drawing_area();
        draw(&root, title, rows, &bars, roofline).map_err(|error| anyhow!("the picture: {error}"))?;
        root.present()?;
    }
    Ok(text)
}

fn color(phase: Phase) -> RGBColor {
    match phase {
        Phase::Forward | Phase::Evaluate => FORWARD,
        Phase::Backward => BACKWARD,
        Phase::Update => UPDATE,
    }
}

fn bars(rows: &[Row]) -> Vec<Bar> {
    let total: f64 = rows.iter().map(|row| row.ns / 1e6).sum();
    let mut bars: Vec<Bar> = Vec::new();
    for row in rows {
        let layer = if row.phase == Phase::Update { "optimiser" } else { row.layer() };
        let index = bars.iter().position(|(name, _)| name == layer).unwrap_or_else(|| {
            bars.push((layer.to_owned(), [0.0; 3]));
            bars.len() - 1
        });
        let part = PHASES.iter().position(|&phase| phase == row.phase).unwrap_or(0);
        bars[index].1[part] += row.ns / 1e6;
    }
    let small = |(_, parts): &Bar| parts.iter().sum::<f64>() < SMALL * total;
    let (few, mut bars): (Vec<Bar>, Vec<Bar>) = bars.into_iter().partition(small);
    if !few.is_empty() {
        let sum = std::array::from_fn(|part| few.iter().map(|(_, parts)| parts[part]).sum());
        bars.push((format!("{} others", few.len()), sum));
    }
    bars
}

fn draw(root: &Area<'_>, title: &str, rows: &[Row], bars: &[Bar], roofline: &Roofline) -> Drawn {
    root.fill(&WHITE)?;
    let below = root.titled(title, (FONT, 20).into_font().color(&BLACK))?;
    for (name, color, x) in
        [("forward", FORWARD, 1000), ("backward", BACKWARD, 1090), ("update", UPDATE, 1190)]
    {
        root.draw(&Circle::new((x, 17), 5, color.filled()))?;
        let style = (FONT, 15).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(name, (x + 12, 17), style))?;
    }
    let (left, right) = below.split_horizontally(680);
    draw_roofline(&left, rows, roofline)?;
    draw_bars(&right, bars)
}

/// Rounds a value down or up to a power of ten.
fn decade(value: f64, up: bool) -> f64 {
    let power = value.max(1e-6).log10();
    10_f64.powf(if up { power.ceil() } else { power.floor() })
}

/// FLOP/byte against GFLOP/s, both on logarithmic axes; a point for each row, its area proportional to its share of the
/// time.
fn draw_roofline(area: &Area<'_>, rows: &[Row], roofline: &Roofline) -> Drawn {
    let points: Vec<(f64, f64, &Row)> = rows
        .iter()
        .filter(|row| row.flops > 0.0 && row.bytes > 0.0 && row.ns > 0.0)
        .map(|row| (row.flops / row.bytes, row.flops_per_second() / 1e9, row))
        .collect();
    let (peak, memory) = (roofline.flops_per_second / 1e9, roofline.bytes_per_second / 1e9);
    let knee = peak / memory;
    let least =
        |values: &mut dyn Iterator<Item = f64>, start: f64| decade(values.fold(start, f64::min), false);
    let most = |values: &mut dyn Iterator<Item = f64>, start: f64| decade(values.fold(start, f64::max), true);
    let x0 = least(&mut points.iter().map(|p| p.0), knee / 10.0);
    let x1 = most(&mut points.iter().map(|p| p.0), knee * 10.0);
    // Work too small to fill the device lies far below the peak; at most about four decades are shown.
    let y1 = most(&mut points.iter().map(|p| p.1), peak * 1.1);
    let y0 = (peak / 1e4).max(least(&mut points.iter().map(|p| p.1), peak));
    let mut chart = ChartBuilder::on(area)
        .caption("Each layer and pass under the roofline", (FONT, 17).into_font().color(&BLACK))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(74)
        .build_cartesian_2d((x0..x1).log_scale(), (y0..y1).log_scale())?;
    let style = |size| (FONT, size).into_font().color(&GREY);
    chart
        .configure_mesh()
        .x_desc("FLOP/byte")
        .y_desc("GFLOP/s")
        .label_style(style(14))
        .axis_desc_style(style(14))
        .axis_style(GREY)
        .bold_line_style(BLACK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|value| power_of_ten(*value))
        .y_label_formatter(&|value| power_of_ten(*value))
        .draw()?;
    let roof = [(x0, (memory * x0).max(y0)), (knee, peak), (x1, peak)];
    chart.draw_series(LineSeries::new(roof, BLACK.stroke_width(2)))?;
    let total: f64 = rows.iter().map(|row| row.ns).sum();
    chart.draw_series(points.iter().filter(|p| p.1 >= y0).map(|&(x, y, row)| {
        let radius = 2.0 + 40.0 * (row.ns / total).sqrt();
        Circle::new((x, y), radius.min(24.0) as i32, color(row.phase).mix(0.45).filled())
    }))?;
    let at = chart.backend_coord(&(x1, peak));
    let text = format!("{:.0} GFLOP/s, {memory:.1} GB/s", peak);
    let style = (FONT, 13).into_font().color(&BLACK).pos(Pos::new(HPos::Right, VPos::Bottom));
    let origin = area.get_base_pixel();
    area.draw(&Text::new(text, (at.0 - origin.0 - 6, at.1 - origin.1 - 4), style))?;
    Ok(())
}

fn power_of_ten(value: f64) -> String {
    if (1e-3..1e5).contains(&value) { format!("{value}") } else { format!("{value:.0e}") }
}

/// A bar for each layer, in program order, with its phases stacked.
fn draw_bars(area: &Area<'_>, bars: &[Bar]) -> Drawn {
    let longest = bars.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("Time by layer, ms", (FONT, 17).into_font().color(&BLACK))
        .margin(12)
        .margin_right(24)
        .x_label_area_size(46)
        .y_label_area_size(110)
        .build_cartesian_2d(0.0..(1.05 * longest).max(1e-6), 0.0..bars.len().max(1) as f64)?;
    let style = |size| (FONT, size).into_font().color(&GREY);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(6)
        .x_label_formatter(&|value| format!("{}", (value * 1e4).round() / 1e4))
        .label_style(style(14))
        .axis_style(GREY)
        .bold_line_style(BLACK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let origin = area.get_base_pixel();
    for (index, (name, parts)) in bars.iter().enumerate() {
        let y = (bars.len() - index) as f64;
        let mut begin = 0.0;
        for (part, &phase) in parts.iter().zip(&PHASES) {
            let corners = [(begin, y - 0.15), (begin + part, y - 0.85)];
            chart.draw_series([Rectangle::new(corners, color(phase).filled())])?;
            begin += part;
        }
        let at = chart.backend_coord(&(0.0, y - 0.5));
        let style = (FONT, 13).into_font().color(&GREY).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(name.clone(), (at.0 - origin.0 - 8, at.1 - origin.1), style))?;
    }
    Ok(())
}
