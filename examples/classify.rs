//! Classifies pictures with trained weights, on the best device there is.
//!
//! `cargo run --release --example classify -- runs/quick/best.safetensors digit.png scan.jpg`

use std::{error::Error, path::Path};

use vgg_wgpu::{
    cpu::CpuExecutor,
    data::picture::{self, Wanted},
    gpu::{self, DeviceChoice, DeviceRequest, GpuExecutor, Options},
    program::{DeviceLimits, Executor, Mode, Precision, Settings, lower},
    train::{Session, Weights},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, pictures @ ..] = &arguments[..] else { return Err("give WEIGHTS PICTURE...".into()) };
    let weights = Weights::read(Path::new(weights), None)?;
    let info = &weights.info;
    let [height, width] = info.source_size();
    let (channels, resize) = (info.channels, info.resize_size);
    let wanted = Wanted { height: height as u32, width: width as u32, channels, polarity: None, resize };

    // A network in evaluation becomes a program, which an executor runs: one picture a step.
    let device = gpu::select(&DeviceRequest::Auto)?.device;
    let limits = match &device {
        DeviceChoice::Gpu(adapter) => adapter.limits(),
        DeviceChoice::Cpu => DeviceLimits::NONE,
    };
    let normalization = info.normalization();
    let settings = Settings {
        batch: 1,
        source: [height, width],
        mean: normalization.mean,
        std: normalization.std,
        mode: Mode::Evaluate,
        precision: Precision::F32,
        limits,
    };
    let lowered = lower(&weights.network, &settings)?;
    let program = lowered.program.clone();
    let executor: Box<dyn Executor> = match &device {
        DeviceChoice::Gpu(adapter) => Box::new(GpuExecutor::open(adapter, program, &Options::default())?),
        DeviceChoice::Cpu => Box::new(CpuExecutor::<f32>::new(program)),
    };
    let mut session = Session::new(executor, &lowered, weights.network.clone());
    session.load(&weights)?;

    for path in pictures {
        let pixels = picture::open(Path::new(path), &wanted)?.pixels;
        let probabilities = &session.predict(&pixels)?[0];
        let best = (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        let class = best.ok_or("no classes")?;
        println!("{path}: {} ({:.2} %)", info.class_names[class], 100.0 * probabilities[class]);
    }
    Ok(())
}
