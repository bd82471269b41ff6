//! How fast batches are made, without a network: CIFAR-10's size from memory, pictures of 32 px and of 500 x 375 from
//! files.
//!
//!     cargo bench --bench loading [-- DIR]
//!
//! The sets are synthetic (the real ones are not part of this project), in a temporary folder, or in DIR, where they stay
//! for `vgg bench --data cifar10:DIR/cifar10` or `folder:DIR/png32`. Prints images a second of one epoch of training.

#[path = "../tests/support/mod.rs"]
mod support;

use std::{path::PathBuf, time::Instant};

use support::synthetic;
use vgg_wgpu::data::{Augmentation, DataSource, Loader, Options};

fn main() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    // `cargo bench` adds a flag of its own.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let keep = given.unwrap_or_else(|| temporary.path().to_owned());
    let classes = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let augmentation = Augmentation::NONE.flip(true).crop_padded(4);
    let resized = Augmentation::NONE.flip(true).resized_crop(true);
    let sets = [
        ("cifar10:cifar10", 32, augmentation),
        ("folder:png32", 32, augmentation),
        ("folder:jpg32", 32, augmentation),
        ("folder:jpg500", 224, resized),
    ];
    for (source, size, augmentation) in sets {
        let (kind, name) = source.split_once(':').expect("kind and name");
        let dir = keep.join(name);
        if !dir.exists() {
            match name {
                "cifar10" => synthetic::cifar10(&dir, 10_000),
                "jpg500" => synthetic::folder(&dir, &classes, [40, 4], [375, 500], "jpg"),
                _ => synthetic::folder(&dir, &classes, [600, 20], [32, 32], &name[..3]),
            }
        }
        let source: DataSource = format!("{kind}:{}", dir.display()).parse().expect("a data set");
        let begin = Instant::now();
        let train = source.open(&Options::new(size)).expect("the set that was just made").train;
        let opened = begin.elapsed().as_secs_f64();
        let loader = Loader::train(train, 64, 0, augmentation).expect("a loader");
        let begin = Instant::now();
        let (mut batches, mut images) = (loader.epoch(0, 0).expect("an epoch"), 0);
        while let Some(batch) = batches.next() {
            let batch = batch.expect("a batch");
            images += batch.valid;
            batches.recycle(batch);
        }
        let rate = images as f64 / begin.elapsed().as_secs_f64();
        println!("{name:8} {size:4} px  opening {opened:6.2} s  {rate:9.0} images/s");
    }
}
