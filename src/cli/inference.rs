//! `vgg bench --inference`: the time to classify batches.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use serde::Serialize;

use super::{
    args, data,
    device::{choose_and_say, opened},
    eval,
    measured::{STEPS, Spread, WARMUP, spreads},
    output::{note, print},
    settings::configure,
    table::bytes,
    train::{describe, network},
};
use crate::{
    data::Dataset,
    device::Device,
    program::{Mode, Settings},
    train::{Session, TrainConfig},
    weights::Trained,
};

/// The version of the JSON output.
const SCHEMA: &str = "vgg-bench-inference/1";

/// The result, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Figures {
    schema: &'static str,
    version: &'static str,
    device: String,
    driver: String,
    network: String,
    quantized: bool,
    image_size: [usize; 2],
    batch_size: usize,
    steps: u64,
    warmup: u32,
    batch_ms: Spread,
    images_per_second: Spread,
    memory_bytes: u64,
}

/// Runs `vgg bench --inference`.
pub(super) fn run(flags: &args::Bench, quiet: bool) -> Result<()> {
    let device = choose_and_say(&flags.device.device, &flags.kernels, quiet)?;
    let config = configure(&flags.recipe, &flags.settings, device.is_hardware_gpu(), quiet)?;
    let data = data::open(&config, quiet)?;
    let trained = config.weights.as_ref().map(|path| Trained::read(path.as_ref(), None)).transpose()?;
    if let Some(trained) = &trained {
        eval::check(trained.info(), &*data.test, &config.data)?;
    }
    let mut session = match &trained {
        Some(trained) => opened(&device, device.session(trained, config.batch_size, size(&data.test))?),
        None => untrained(&device, &config, &data)?,
    };
    note(quiet, &describe(&config, session.network()));
    let images = images(&data.test, config.batch_size)?;
    let warmup = flags.warmup.max(WARMUP);
    for _ in 0..warmup {
        session.predict(&images)?;
    }
    let steps = config.steps.unwrap_or(STEPS).max(1);
    let mut times = Vec::new();
    for _ in 0..steps {
        let start = Instant::now();
        session.predict(&images)?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    let batch = config.batch_size as f64;
    let network = session.network();
    let figures = Figures {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        device: device.name(),
        driver: device.driver(),
        network: network.config.to_string(),
        quantized: matches!(trained, Some(Trained::Quantized(_))),
        image_size: network.config.image_size,
        batch_size: config.batch_size,
        steps,
        warmup,
        images_per_second: Spread::of(times.iter().map(|ms| 1e3 * batch / ms)),
        batch_ms: Spread::of(times),
        memory_bytes: session.executor().allocated_bytes(),
    };
    if flags.json {
        return print(&format!("{}\n", serde_json::to_string(&figures)?));
    }
    print(&render(&figures))
}

fn size(set: &Arc<dyn Dataset>) -> [usize; 2] {
    [set.height(), set.width()]
}

/// The first images of a set, repeated if there are too few.
fn images(set: &Arc<dyn Dataset>, count: usize) -> Result<Vec<u8>> {
    let mut images = Vec::new();
    for index in 0..count {
        images.extend(set.image(index % set.len())?);
    }
    Ok(images)
}

/// A session of the configuration's network with its initial weights.
fn untrained(device: &Device, config: &TrainConfig, data: &crate::data::DataSets) -> Result<Session> {
    let settings = Settings { mode: Mode::Evaluate, ..config.settings(&*data.train, device.limits()) };
    let mut session = opened(device, device.plan(network(config, data)?, settings)?.open()?);
    session.initialize(config.seed)?;
    Ok(session)
}

fn render(figures: &Figures) -> String {
    let rows = [("batch, ms", &figures.batch_ms), ("images/s", &figures.images_per_second)];
    let kind = if figures.quantized { "8-bit integers" } else { "floats" };
    format!(
        "{}\nbatches            {} of {} images after {} of warm-up, {kind}\nmemory             {}\n",
        spreads(&rows),
        figures.steps,
        figures.batch_size,
        figures.warmup,
        bytes(figures.memory_bytes)
    )
}
