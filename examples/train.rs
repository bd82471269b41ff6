//! Trains a small VGG on pictures of your own, in FOLDER/train/<class>/ and FOLDER/val/<class>/.
//!
//! `cargo run --release --example train -- FOLDER`

use std::{error::Error, sync::atomic::AtomicBool};

use vgg_wgpu::{
    cpu::CpuExecutor,
    data::{DataSource, Options},
    gpu::{self, DeviceChoice, DeviceRequest, GpuExecutor},
    program::{DeviceLimits, Executor, lower},
    train::{Event, RunDirectory, Session, TrainConfig, Trainer},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give FOLDER")?;
    let config = TrainConfig {
        data: format!("folder:{folder}"),
        image_size: 64,
        width: 0.25,
        batch_size: 16,
        epochs: 5,
        hflip: true,
        ..TrainConfig::builtin("quick")?
    };
    let source: DataSource = config.data.parse()?;
    let data = source.open(&Options::new(config.image_size))?;

    // The network becomes a program of training steps and evaluations for the limits of a device.
    let device = gpu::select(&DeviceRequest::Auto)?.device;
    let limits = match &device {
        DeviceChoice::Gpu(adapter) => adapter.limits(),
        DeviceChoice::Cpu => DeviceLimits::NONE,
    };
    let network = config.vgg(data.train.channels(), data.train.classes()).network()?;
    let lowered = lower(&network, &config.settings(&*data.train, limits))?;
    let program = lowered.program.clone();
    let executor: Box<dyn Executor> = match &device {
        DeviceChoice::Gpu(adapter) => Box::new(GpuExecutor::open(adapter, program, &Default::default())?),
        DeviceChoice::Cpu => Box::new(CpuExecutor::<f32>::new(program)),
    };

    let directory = RunDirectory::create(&config)?;
    let session = Session::new(executor, &lowered, network);
    let mut trainer = Trainer::new(session, config, &data, directory)?;
    trainer.run(&AtomicBool::new(false), &mut |event: &Event<'_>| {
        if let Event::EpochDone { row, .. } = event {
            println!("epoch {}: test accuracy {:.2} %", row.epoch, 100.0 * row.test_accuracy);
        }
    })?;
    println!("weights: {}", trainer.directory().best().display());
    Ok(())
}
