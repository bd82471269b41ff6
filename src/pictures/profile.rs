//! The picture of `vgg profile`: the layers under the device's roofline, and the time by layer.

use plotters::{prelude::*, style::text_anchor::HPos};

use super::theme::{
    self, Area, BLUE, Drawn, GREEN, GREY, LABEL, LEGEND, ORANGE, TITLE, chart, mesh, place, style, text,
};

/// The phases of a step, in order.
const PHASES: [(&str, RGBColor); 3] = [("forward", BLUE), ("backward", ORANGE), ("update", GREEN)];

/// Layers with less than this share of the step are combined into one bar.
const SMALL: f64 = 0.005;

/// One pass of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The layer, as `conv3_2`.
    pub layer: &'a str,
    /// Forward 0, backward 1, update 2.
    pub phase: usize,
    /// The time in nanoseconds.
    pub ns: f64,
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes to and from memory.
    pub bytes: f64,
}

/// A layer's milliseconds, by [`PHASES`].
type Bar = (String, [f64; 3]);

/// Draws two panels side by side. `peak`: the device's FLOP/s and bytes/s.
pub fn profile_svg(title: &str, passes: &[Pass<'_>], peak: [f64; 2]) -> String {
    let bars = bars(passes);
    let height = (120 + 20 * bars.len() as u32).max(560);
    theme::picture((1280, height), |root| {
        let below = root.titled(title, style(TITLE, &BLACK))?;
        for ((name, color), x) in PHASES.iter().zip([1000, 1090, 1190]) {
            root.draw(&Circle::new((x, 17), 5, color.filled()))?;
            text(root, name, (x + 12, 17), HPos::Left, style(LEGEND, &BLACK))?;
        }
        let (left, right) = below.split_horizontally(680);
        draw_roofline(&left, passes, peak)?;
        draw_bars(&right, &bars)
    })
}

fn bars(passes: &[Pass<'_>]) -> Vec<Bar> {
    let total: f64 = passes.iter().map(|pass| pass.ns / 1e6).sum();
    let mut bars: Vec<Bar> = Vec::new();
    for pass in passes {
        let layer = if pass.phase == 2 { "optimiser" } else { pass.layer };
        let index = bars.iter().position(|(name, _)| name == layer).unwrap_or_else(|| {
            bars.push((layer.to_owned(), [0.0; 3]));
            bars.len() - 1
        });
        bars[index].1[pass.phase] += pass.ns / 1e6;
    }
    let small = |(_, parts): &Bar| parts.iter().sum::<f64>() < SMALL * total;
    let (few, mut bars): (Vec<Bar>, Vec<Bar>) = bars.into_iter().partition(small);
    if !few.is_empty() {
        let sum = std::array::from_fn(|part| few.iter().map(|(_, parts)| parts[part]).sum());
        bars.push((format!("{} others", few.len()), sum));
    }
    bars
}

/// Rounds a value down or up to a power of ten.
fn decade(value: f64, up: bool) -> f64 {
    let power = value.max(1e-6).log10();
    10_f64.powf(if up { power.ceil() } else { power.floor() })
}

/// FLOP/byte against GFLOP/s, both on logarithmic axes; a point for each pass, its area proportional to its share of the
/// time.
fn draw_roofline(area: &Area<'_>, passes: &[Pass<'_>], [flops, bytes]: [f64; 2]) -> Drawn {
    let points: Vec<(f64, f64, &Pass<'_>)> = passes
        .iter()
        .filter(|pass| pass.flops > 0.0 && pass.bytes > 0.0 && pass.ns > 0.0)
        .map(|pass| (pass.flops / pass.bytes, pass.flops / pass.ns, pass))
        .collect();
    let (peak, memory) = (flops / 1e9, bytes / 1e9);
    let knee = peak / memory;
    let least =
        |values: &mut dyn Iterator<Item = f64>, start: f64| decade(values.fold(start, f64::min), false);
    let most = |values: &mut dyn Iterator<Item = f64>, start: f64| decade(values.fold(start, f64::max), true);
    let x0 = least(&mut points.iter().map(|p| p.0), knee / 10.0);
    let x1 = most(&mut points.iter().map(|p| p.0), knee * 10.0);
    // Work too small to fill the device lies far below the peak; at most about four decades are shown.
    let y1 = most(&mut points.iter().map(|p| p.1), peak * 1.1);
    let y0 = (peak / 1e4).max(least(&mut points.iter().map(|p| p.1), peak));
    let (x, y) = ((x0..x1).log_scale(), (y0..y1).log_scale());
    let mut chart = chart(area, "Each layer and pass under the roofline", 74, x, y)?;
    mesh(&mut chart)
        .x_desc("FLOP/byte")
        .y_desc("GFLOP/s")
        .x_label_formatter(&|value| power_of_ten(*value))
        .y_label_formatter(&|value| power_of_ten(*value))
        .draw()?;
    let roof = [(x0, (memory * x0).max(y0)), (knee, peak), (x1, peak)];
    chart.draw_series(LineSeries::new(roof, BLACK.stroke_width(2)))?;
    let total: f64 = passes.iter().map(|pass| pass.ns).sum();
    chart.draw_series(points.iter().filter(|p| p.1 >= y0).map(|&(x, y, pass)| {
        let radius = 2.0 + 40.0 * (pass.ns / total).sqrt();
        Circle::new((x, y), radius.min(24.0) as i32, PHASES[pass.phase].1.mix(0.45).filled())
    }))?;
    let (x, y) = place(area, &chart, (x1, peak));
    let roof = format!("{peak:.0} GFLOP/s, {memory:.1} GB/s");
    text(area, &roof, (x - 6, y - 12), HPos::Right, style(LABEL, &BLACK))
}

fn power_of_ten(value: f64) -> String {
    if (1e-3..1e5).contains(&value) { format!("{value}") } else { format!("{value:.0e}") }
}

/// A bar for each layer, in program order, with its phases stacked.
fn draw_bars(area: &Area<'_>, bars: &[Bar]) -> Drawn {
    let longest = bars.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(0.0, f64::max);
    let (x, y) = (0.0..(1.05 * longest).max(1e-6), 0.0..bars.len().max(1) as f64);
    let mut chart = chart(area, "Time by layer, ms", 110, x, y)?;
    mesh(&mut chart)
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(6)
        .x_label_formatter(&|value| format!("{}", (value * 1e4).round() / 1e4))
        .draw()?;
    for (index, (name, parts)) in bars.iter().enumerate() {
        let y = (bars.len() - index) as f64;
        let mut begin = 0.0;
        for (part, (_, color)) in parts.iter().zip(PHASES) {
            let corners = [(begin, y - 0.15), (begin + part, y - 0.85)];
            chart.draw_series([Rectangle::new(corners, color.filled())])?;
            begin += part;
        }
        let (x, y) = place(area, &chart, (0.0, y - 0.5));
        text(area, name, (x - 8, y), HPos::Right, style(LABEL, &GREY))?;
    }
    Ok(())
}
