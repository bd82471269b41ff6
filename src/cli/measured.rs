//! Opens the training that `vgg bench` and `vgg profile` measure.

use std::time::Instant;

use anyhow::Result;

use super::{
    args, data,
    device::opened,
    output::note,
    settings::configure,
    table::{Align, table},
    train::{describe, network},
};
use crate::{
    device::Device,
    train::{Measure, TrainConfig},
};

/// The default number of measured steps.
pub(super) const STEPS: u64 = 20;

/// Steps that fill the pipeline between host and device.
pub(super) const WARMUP: u32 = 3;

/// Settings that do not affect the cost of a step.
const WITHOUT_COST: [&str; 5] = ["epochs", "steps", "output_dir", "recipe", "weights"];

/// A training at its first step.
pub(super) struct Measured {
    pub(super) device: Device,
    pub(super) config: TrainConfig,
    pub(super) measure: Measure,
    pub(super) parameters: usize,
    /// Seconds to find the device, to read the data, and to plan, compile, allocate and initialise the weights.
    pub(super) seconds: [f64; 3],
}

impl Measured {
    /// Opens what `vgg train` would train with these flags.
    pub(super) fn open(
        recipe: &args::RecipeFlag,
        device: Device,
        settings: &args::SettingFlags,
        begin: Instant,
        quiet: bool,
    ) -> Result<Self> {
        let found = begin.elapsed().as_secs_f64();
        let config = configure(recipe, settings, device.is_hardware_gpu(), quiet)?;
        let data = data::open(&config, quiet)?;
        let read = begin.elapsed().as_secs_f64();
        let network = network(&config, &data)?;
        note(quiet, &describe(&config, &network));
        let parameters = network.values();
        let session = opened(&device, device.training(&config, &data, network)?);
        let measure = Measure::new(session, config.clone(), &data)?;
        let opened = begin.elapsed().as_secs_f64();
        let seconds = [found, read - found, opened - read];
        Ok(Self { device, config, measure, parameters, seconds })
    }

    /// The settings that the cost of a step may depend on.
    pub(super) fn settings(&self) -> Result<serde_json::Map<String, serde_json::Value>> {
        let mut settings = match serde_json::to_value(&self.config)? {
            serde_json::Value::Object(map) => map,
            _ => serde_json::Map::new(),
        };
        settings.retain(|key, _| !WITHOUT_COST.contains(&key.as_str()));
        Ok(settings)
    }
}

/// The quantile `rank` of sorted values, by nearest rank.
fn quantile(sorted: &[f64], rank: f64) -> f64 {
    let index = (rank * (sorted.len().max(1) - 1) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// The median and the spread of some values.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) median: f64,
    pub(super) p25: f64,
    pub(super) p75: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// The spread of at least one value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |rank| quantile(&sorted, rank);
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Self { mean, median: median(&sorted), p25: at(0.25), p75: at(0.75), min: at(0.0), max: at(1.0) }
    }
}

/// A measured value in three digits or more.
pub(super) fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// A table with a row for each spread.
pub(super) fn spreads(rows: &[(&str, &Spread)]) -> String {
    let row = |&(name, spread): &(&str, &Spread)| {
        let Spread { median, p25, p75, min, max, .. } = *spread;
        std::iter::once(name.to_owned()).chain([median, p25, p75, min, max].map(number)).collect()
    };
    let columns = [
        ("", Align::Left),
        ("median", Align::Right),
        ("25 %", Align::Right),
        ("75 %", Align::Right),
        ("min", Align::Right),
        ("max", Align::Right),
    ];
    table(&columns, &rows.iter().map(row).collect::<Vec<Vec<String>>>())
}

/// The median of sorted values.
pub(super) fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 0 => f64::midpoint(sorted[half - 1], sorted[half]),
        _ => sorted[half],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_values() {
        let spread = Spread::of([5.0, 1.0, 2.0, 4.0, 3.0]);
        assert_eq!(spread, Spread { mean: 3.0, median: 3.0, p25: 2.0, p75: 4.0, min: 1.0, max: 5.0 });
        assert_eq!(Spread::of([1.0, 2.0]).median, 1.5);
        assert_eq!(
            Spread::of([7.0]),
            Spread { mean: 7.0, median: 7.0, p25: 7.0, p75: 7.0, min: 7.0, max: 7.0 }
        );
    }
}
