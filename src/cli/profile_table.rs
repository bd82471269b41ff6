//! The rows of `vgg profile`, and their table.

use super::table::{Align, flops, table};
use crate::{
    program::{Phase, Roofline},
    train::PHASES,
};

/// Rows below this share of the step are combined into one.
const SMALL: f64 = 0.005;

/// A pass of a layer: one operation with all its slices and dispatches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// As `conv3_2.forward`.
    pub(super) label: String,
    pub(super) phase: Phase,
    /// Its kernel, as `conv.forward/tiled_64x64`.
    pub(super) kernel: String,
    /// The label and the nanoseconds of each dispatch.
    pub(super) dispatches: Vec<(String, f64)>,
    pub(super) ns: f64,
    pub(super) flops: f64,
    pub(super) bytes: f64,
    /// The time at the device's peak rates.
    pub(super) best_ns: f64,
}

impl Row {
    /// As `conv3_2`.
    pub(super) fn layer(&self) -> &str {
        self.label.rsplit_once('.').map_or(self.label.as_str(), |(layer, _)| layer)
    }

    /// As `forward`.
    pub(super) fn pass(&self) -> &str {
        self.label.rsplit_once('.').map_or("", |(_, pass)| pass)
    }

    pub(super) fn flops_per_second(&self) -> f64 {
        1e9 * self.flops / self.ns
    }

    pub(super) fn bytes_per_second(&self) -> f64 {
        1e9 * self.bytes / self.ns
    }

    /// The percentage of the device's peak.
    pub(super) fn percent(&self) -> f64 {
        100.0 * self.best_ns / self.ns
    }
}

/// The name of a phase.
pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Forward => "forward",
        Phase::Backward => "backward",
        Phase::Update => "update",
        Phase::Evaluate => "evaluate",
    }
}

/// One line for each layer and pass; with `all` also the small ones, and the dispatches of rows with several.
pub(super) fn render(rows: &[Row], roofline: &Roofline, batch: usize, all: bool) -> String {
    let total: f64 = rows.iter().map(|row| row.ns).sum();
    let shown = |row: &&Row| all || row.ns >= SMALL * total;
    let mut lines = Vec::new();
    for row in rows.iter().filter(shown) {
        lines.push(line(row, total));
        if all && row.dispatches.len() > 1 {
            lines.extend(row.dispatches.iter().map(|(kernel, ns)| dispatch(kernel, *ns, total)));
        }
    }
    let small: Vec<&Row> = rows.iter().filter(|row| !shown(row)).collect();
    if !small.is_empty() {
        let name = format!("{} smaller ones", small.len());
        lines.push(sum(&name, &small, total));
    }
    for phase in PHASES {
        let of_phase: Vec<&Row> = rows.iter().filter(|row| row.phase == phase).collect();
        lines.push(sum(&format!("all of {}", phase_name(phase)), &of_phase, total));
    }
    lines.push(sum("the step", &rows.iter().collect::<Vec<_>>(), total));
    let columns = [
        ("layer and pass", Align::Left),
        ("kernel", Align::Left),
        ("ms", Align::Right),
        ("of step", Align::Right),
        ("FLOP", Align::Right),
        ("GFLOP/s", Align::Right),
        ("GB/s", Align::Right),
        ("of roofline", Align::Right),
    ];
    format!(
        "roofline  {:.0} GFLOP/s, {:.1} GB/s (measured just now)\n\n{}\n\
         of roofline: above 100 % where tensors stay in a cache, or an algorithm does less arithmetic than the direct one\n\
         {:.1} images/s by the sum of all dispatches\n",
        roofline.flops_per_second / 1e9,
        roofline.bytes_per_second / 1e9,
        table(&columns, &lines),
        1e9 * batch as f64 / total
    )
}

fn percent(value: f64) -> String {
    if value.is_finite() { format!("{value:.1} %") } else { "-".to_owned() }
}

fn milliseconds(ns: f64) -> String {
    format!("{:.3}", ns / 1e6)
}

fn line(row: &Row, total: f64) -> Vec<String> {
    // The label already names the operation.
    let kernel = row.kernel.rsplit_once('/').map_or(row.kernel.as_str(), |(_, variant)| variant);
    let mut cells = rates(row.label.clone(), &[row], total);
    cells[1] = kernel.to_owned();
    cells
}

fn dispatch(kernel: &str, ns: f64, total: f64) -> Vec<String> {
    let mut cells = vec![String::new(); 8];
    cells[1] = format!("  {}", kernel.rsplit_once('/').map_or(kernel, |(_, variant)| variant));
    cells[2] = milliseconds(ns);
    cells[3] = percent(100.0 * ns / total);
    cells
}

fn sum(name: &str, rows: &[&Row], total: f64) -> Vec<String> {
    rates(name.to_owned(), rows, total)
}

fn rates(name: String, rows: &[&Row], total: f64) -> Vec<String> {
    let add = |value: fn(&Row) -> f64| rows.iter().map(|row| value(row)).sum::<f64>();
    let (ns, work, moved, best) = (add(|r| r.ns), add(|r| r.flops), add(|r| r.bytes), add(|r| r.best_ns));
    let rate = |value: f64| if ns > 0.0 { value / ns } else { 0.0 };
    vec![
        name,
        String::new(),
        milliseconds(ns),
        percent(100.0 * ns / total),
        flops(work as u64),
        format!("{:.1}", rate(work)),
        format!("{:.2}", rate(moved)),
        percent(100.0 * rate(best)),
    ]
}
