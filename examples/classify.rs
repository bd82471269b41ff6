//! Classifies pictures with trained weights, on the best available device.
//!
//! `cargo run --release --example classify -- runs/quick/best.safetensors digit.png scan.jpg`

use std::{error::Error, path::Path};

use vgg_wgpu::{
    data::picture::{self, Wanted},
    device::Device,
    weights::Weights,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, pictures @ ..] = &arguments[..] else { return Err("give WEIGHTS PICTURE...".into()) };
    let weights = Weights::read(Path::new(weights), None)?;
    let info = &weights.info;
    let [height, width] = info.source_size().map(|side| side as u32);
    let (channels, characters) = (info.channels, info.has_characters());
    let wanted = Wanted { height, width, channels, characters, polarity: None, resize: info.resize_size };
    let mut session = Device::find("auto")?.evaluation(&weights, 1)?;
    for path in pictures {
        let pixels = picture::open(Path::new(path), &wanted)?.pixels;
        let probabilities = &session.predict(&pixels)?[0];
        let best = (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        let class = best.ok_or("no classes")?;
        println!("{path}: {} ({:.2} %)", info.class_names[class], 100.0 * probabilities[class]);
    }
    Ok(())
}
