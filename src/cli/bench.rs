//! `vgg bench`: the time of training steps.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    args,
    device::{self, without_matrix_units},
    inference,
    measured::{Measured, STEPS, Spread, WARMUP, number, spreads},
    output::{note, print},
    table::{Align, bytes, table},
};
use crate::train::TrainConfig;

/// The version of the JSON output; it changes with the meaning of any field.
const SCHEMA: &str = "vgg-bench/1";

/// Steps whose phases are measured, with a wait after each phase.
const PHASED: u64 = 10;

/// Settings that make two step times incomparable.
const SAME: [&str; 11] = [
    "data",
    "model",
    "image_size",
    "width",
    "hidden",
    "activation",
    "pool_stride",
    "avgpool",
    "freeze",
    "batch_size",
    "grad_accum_steps",
];

/// The result of a run, as `--json` prints it.
#[derive(Debug, Serialize, Deserialize)]
struct Figures {
    schema: String,
    version: String,
    device: String,
    driver: String,
    recipe: String,
    settings: Map<String, Value>,
    parameters: usize,
    steps: u64,
    warmup: u32,
    /// The time between the ends of two steps, with the host running ahead as in training.
    step_ms: Spread,
    images_per_second: Spread,
    /// The percentage of that time that the host waited for images.
    #[serde(default)]
    loading_percent: f64,
    /// The phases of steps with a wait after each phase.
    forward_ms: Spread,
    backward_ms: Spread,
    update_ms: Spread,
    /// Mean loss of the first step's images, and of the images of the last measured step.
    first_loss: f64,
    last_loss: f64,
    start_to_first_step_s: f64,
    start_s: Start,
    memory_bytes: u64,
    /// The failure of the matrix units' self-test, if f16 ran without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    matrix_units_failure: Option<String>,
}

/// The time from the start to the end of the first step, in seconds.
#[derive(Debug, Serialize, Deserialize)]
struct Start {
    device: f64,
    data: f64,
    opening: f64,
    first_step: f64,
}

/// Runs `vgg bench`.
pub(super) fn run(flags: &args::Bench, quiet: bool) -> Result<()> {
    if flags.inference {
        return inference::run(flags, quiet);
    }
    let begin = Instant::now();
    // A bad baseline ends the command before minutes of measuring.
    let baseline = flags.baseline.as_deref().map(read).transpose()?;
    let device = device::choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let mut measured = Measured::open(&flags.recipe, device, &flags.settings, begin, quiet)?;
    let settings = measured.settings()?;
    if let (Some(baseline), Some(path)) = (&baseline, &flags.baseline) {
        comparable(&settings, baseline, path)?;
    }
    let figures = measure(&mut measured, settings, flags.warmup.max(WARMUP), begin)?;
    if let Some(baseline) = &baseline {
        for difference in differences(&figures, baseline) {
            note(quiet, &format!("baseline  {difference}"));
        }
    }
    if flags.json {
        let mut json = serde_json::to_value(&figures)?;
        if let (Some(baseline), Value::Object(map)) = (&baseline, &mut json) {
            let ratios: Map<String, Value> = ratios(&figures, baseline)
                .map(|(name, _, _, ratio)| (name.to_owned(), ratio.into()))
                .collect();
            map.insert("faster_than_baseline".to_owned(), ratios.into());
        }
        return print(&format!("{json}\n"));
    }
    print(&render(&figures, baseline.as_ref())?)
}

fn measure(
    measured: &mut Measured,
    settings: Map<String, Value>,
    warmup: u32,
    begin: Instant,
) -> Result<Figures> {
    let Measured { measure, config, .. } = measured;
    let steps = config.steps.unwrap_or(STEPS).max(1);
    let opened = Instant::now();
    measure.step()?;
    measure.wait()?;
    let (first_step, start_to_first_step_s) = (opened.elapsed().as_secs_f64(), begin.elapsed().as_secs_f64());
    let first_loss = measure.loss()?;
    // Once the pipeline is full, queuing a step returns when the device has finished one, so the time between two returns
    // is the time of a step.
    for _ in 1..warmup {
        measure.step()?;
    }
    let waited = measure.waited();
    let mut ends = vec![Instant::now()];
    for _ in 0..steps {
        measure.step()?;
        ends.push(Instant::now());
    }
    let waited = (measure.waited() - waited).as_secs_f64();
    measure.wait()?;
    let times: Vec<f64> =
        ends.windows(2).map(|pair| 1e3 * pair[1].duration_since(pair[0]).as_secs_f64()).collect();
    let last_loss = measure.loss()?;
    let phases = (0..steps.min(PHASED)).map(|_| measure.step_by_phase()).collect::<Result<Vec<_>, _>>()?;
    let phase = |index: usize| Spread::of(phases.iter().map(|seconds| 1e3 * seconds[index]));
    let batch = config.batch_size as f64 * f64::from(config.grad_accum_steps);
    let [device, data, opening] = measured.seconds;
    Ok(Figures {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: measured.device.name(),
        driver: measured.device.driver(),
        recipe: config.recipe.clone(),
        settings,
        parameters: measured.parameters,
        steps,
        warmup,
        images_per_second: Spread::of(times.iter().map(|ms| 1e3 * batch / ms)),
        loading_percent: 1e5 * waited / times.iter().sum::<f64>(),
        step_ms: Spread::of(times),
        forward_ms: phase(0),
        backward_ms: phase(1),
        update_ms: phase(2),
        first_loss,
        last_loss,
        start_to_first_step_s,
        start_s: Start { device, data, opening, first_step },
        memory_bytes: measure.executor().allocated_bytes(),
        matrix_units_failure: measured.device.matrix_units_failure().map(str::to_owned),
    })
}

/// Reads an earlier result.
fn read(path: &Path) -> Result<Figures> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read the baseline {}", path.display()))?;
    let hint = "give a file that `vgg bench --json` of this version wrote";
    let json: Value = serde_json::from_str(&text)
        .with_context(|| format!("the baseline {} is not JSON; {hint}", path.display()))?;
    match json.get("schema").and_then(Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => {
            bail!("the baseline {} has the schema {other}, not {SCHEMA}; {hint}", path.display())
        }
        None => bail!("the baseline {} has no schema, not {SCHEMA}; {hint}", path.display()),
    }
    serde_json::from_value(json)
        .with_context(|| format!("the baseline {} is not complete; {hint}", path.display()))
}

/// Refuses a baseline of another network or batch.
fn comparable(settings: &Map<String, Value>, baseline: &Figures, path: &Path) -> Result<()> {
    // A baseline is older than the settings that it lacks.
    let defaults = serde_json::to_value(TrainConfig::default())?;
    for key in SAME {
        let (here, there) = (settings.get(key), baseline.settings.get(key).or(defaults.get(key)));
        if here != there {
            bail!(
                "the baseline {} was measured with {key} {}, not {}; give the same flags, or another baseline",
                path.display(),
                show(there),
                show(here)
            );
        }
    }
    Ok(())
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "unset".to_owned(), ToString::to_string)
}

/// The other differences between two results.
fn differences(now: &Figures, baseline: &Figures) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |what: &str, here: String, there: String| {
        if here != there {
            all.push(format!("{what}: {there} there, {here} here"));
        }
    };
    compare("device", now.device.clone(), baseline.device.clone());
    compare("driver", now.driver.clone(), baseline.driver.clone());
    compare("version", now.version.clone(), baseline.version.clone());
    let units = |figures: &Figures| figures.matrix_units_failure.is_none().to_string();
    compare("matrix units pass their self-test", units(now), units(baseline));
    let keys = now.settings.keys().chain(baseline.settings.keys().filter(|k| !now.settings.contains_key(*k)));
    for key in keys {
        compare(key, show(now.settings.get(key)), show(baseline.settings.get(key)));
    }
    all
}

/// For each time: name, now, then, and the speedup.
fn ratios<'a>(
    now: &'a Figures,
    then: &'a Figures,
) -> impl Iterator<Item = (&'static str, f64, f64, f64)> + use<'a> {
    let pairs = [
        ("step_ms", now.step_ms.median, then.step_ms.median),
        ("forward_ms", now.forward_ms.median, then.forward_ms.median),
        ("backward_ms", now.backward_ms.median, then.backward_ms.median),
        ("update_ms", now.update_ms.median, then.update_ms.median),
        ("start_to_first_step_s", now.start_to_first_step_s, then.start_to_first_step_s),
    ];
    pairs.into_iter().map(|(name, now, then)| (name, now, then, then / now))
}

fn render(figures: &Figures, baseline: Option<&Figures>) -> Result<String> {
    let mut text = spreads(&[
        ("step, ms", &figures.step_ms),
        ("  forward", &figures.forward_ms),
        ("  backward", &figures.backward_ms),
        ("  update", &figures.update_ms),
        ("images/s", &figures.images_per_second),
    ]);
    let Start { device, data, opening, first_step } = figures.start_s;
    writeln!(text, "\nsteps                {} after {} of warm-up", figures.steps, figures.warmup)?;
    writeln!(
        text,
        "start to first step  {:.2} s (device {device:.2}, data {data:.2}, opening {opening:.2}, step {first_step:.2})",
        figures.start_to_first_step_s
    )?;
    writeln!(text, "waiting for images   {:.2} % of the steps", figures.loading_percent)?;
    writeln!(text, "memory               {}", bytes(figures.memory_bytes))?;
    if let Some(failure) = &figures.matrix_units_failure {
        writeln!(text, "kernels              {}", without_matrix_units(failure))?;
    }
    if let Some(baseline) = baseline {
        let rows: Vec<Vec<String>> = ratios(figures, baseline)
            .map(|(name, now, then, ratio)| {
                vec![name.to_owned(), number(now), number(then), format!("{ratio:.2}x")]
            })
            .collect();
        let columns = [
            ("", Align::Left),
            ("now", Align::Right),
            ("baseline", Align::Right),
            ("times as fast", Align::Right),
        ];
        text += "\n";
        text += &table(&columns, &rows);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As printed by `--json`, or, with `None`, as printed before the field for the matrix units existed.
    fn figures(matrix_units_failure: Option<&str>) -> Figures {
        let one = Spread::of([1.0]);
        let mut json = serde_json::json!({
            "schema": SCHEMA, "version": "0", "device": "a GPU", "driver": "", "recipe": "report", "settings": {},
            "parameters": 1, "steps": 1, "warmup": 3, "step_ms": one, "images_per_second": one, "forward_ms": one,
            "backward_ms": one, "update_ms": one, "first_loss": 2.3, "last_loss": 2.3, "start_to_first_step_s": 1.0,
            "start_s": { "device": 0.1, "data": 0.1, "opening": 0.1, "first_step": 0.1 }, "memory_bytes": 1,
        });
        if let Some(failure) = matrix_units_failure {
            json["matrix_units_failure"] = failure.into();
        }
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_result_says_that_the_matrix_units_fail() {
        let (good, bad) = (figures(None), figures(Some("linear.forward/cooperative: NaN")));
        let text = render(&bad, None).unwrap();
        assert!(
            text.contains("fail their self-test") && text.contains("linear.forward/cooperative: NaN"),
            "{text}"
        );
        assert!(!render(&good, None).unwrap().contains("self-test"));
        assert_eq!(
            differences(&bad, &good),
            ["matrix units pass their self-test: true there, false here"],
            "a baseline with matrix units is not comparable"
        );
        assert!(differences(&bad, &bad).is_empty());
        assert_eq!(serde_json::to_value(&good).unwrap().get("matrix_units_failure"), None);
        assert!(serde_json::to_value(&bad).unwrap()["matrix_units_failure"].is_string());
    }
}
