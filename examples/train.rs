//! Trains a small VGG on pictures of your own, in FOLDER/train/<class>/ and FOLDER/val/<class>/.
//!
//! `cargo run --release --example train -- FOLDER`

use std::{error::Error, sync::atomic::AtomicBool};

use vgg_wgpu::{
    device::Device,
    train::{Event, TrainConfig},
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
    let mut trainer = Device::find("auto")?.trainer(config)?;
    trainer.run(&AtomicBool::new(false), &mut |event: &Event<'_>| {
        if let Event::EpochDone { row, .. } = event {
            println!("epoch {}: test accuracy {:.2} %", row.epoch, 100.0 * row.test_accuracy);
        }
    })?;
    println!("weights: {}", trainer.directory().best().display());
    Ok(())
}
