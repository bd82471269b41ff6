//! Small data sets in the published formats, made up: pictures whose class is their colour.

use std::{fs, path::Path};

use image::{Rgb, RgbImage};
use tempfile::{TempDir, tempdir};
use vgg_wgpu::rng::philox4x32;

/// A colour for each class, and noise: a picture that a network can classify.
pub fn picture(height: u32, width: u32, class: usize, seed: u32) -> RgbImage {
    let base = [class * 97 % 200, class * 41 % 200, class * 173 % 200];
    RgbImage::from_fn(width, height, |x, y| {
        let [a, b, c, _] = philox4x32([x, y, seed, 9], [3, 4]);
        Rgb([0, 1, 2].map(|i| (base[i] as u32 + [a, b, c][i] % 50) as u8))
    })
}

/// The bytes of a CIFAR record after its labels: three planes.
pub fn planes(picture: &RgbImage) -> Vec<u8> {
    (0..3).flat_map(|channel| picture.pixels().map(move |pixel| pixel.0[channel])).collect()
}

/// CIFAR-10 in its binary version: `records` images in each of the six files, classes in turn.
pub fn cifar10(dir: &Path, records: usize) {
    fs::create_dir_all(dir).unwrap();
    let names =
        ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    for (file, name) in names.into_iter().enumerate() {
        let mut bytes = Vec::new();
        for record in 0..records {
            let class = record % 10;
            bytes.push(class as u8);
            bytes.extend(planes(&picture(32, 32, class, (file * records + record) as u32)));
        }
        fs::write(dir.join(format!("{name}.bin")), bytes).unwrap();
    }
    let classes: String = (0..10).map(|class| format!("kind{class}\n")).collect();
    fs::write(dir.join("batches.meta.txt"), classes + "\n").unwrap();
}

/// CIFAR-100 in its binary version: `records` images in each of the two files, fine classes in turn.
pub fn cifar100(dir: &Path, records: usize) {
    fs::create_dir_all(dir).unwrap();
    for (file, name) in ["train", "test"].into_iter().enumerate() {
        let mut bytes = Vec::new();
        for record in 0..records {
            let class = record % 100;
            bytes.extend([class as u8 / 5, class as u8]);
            bytes.extend(planes(&picture(32, 32, class, (file * records + record) as u32)));
        }
        fs::write(dir.join(format!("{name}.bin")), bytes).unwrap();
    }
    let classes: String = (0..100).map(|class| format!("fine{class}\n")).collect();
    fs::write(dir.join("fine_label_names.txt"), classes).unwrap();
}

/// A folder of pictures: for each class `train` and `val` images of `size` (height, width), as `.png` or `.jpg`.
pub fn folder(dir: &Path, classes: &[&str], [train, val]: [usize; 2], size: [u32; 2], ending: &str) {
    for (class, name) in classes.iter().enumerate() {
        for (half, count) in [("train", train), ("val", val)] {
            let folder = dir.join(half).join(name);
            fs::create_dir_all(&folder).unwrap();
            for index in 0..count {
                let seed = (index * classes.len() + class) as u32 + if half == "val" { 1 << 30 } else { 0 };
                let file = folder.join(format!("{index:05}.{ending}"));
                picture(size[0], size[1], class, seed).save(file).unwrap();
            }
        }
    }
}

/// The data of short trainings in place of MNIST, whose 10,000 test images would take long to evaluate.
pub const DIGITS: [&str; 2] = ["--data", "idx:digits"];

/// A folder with the set of [`DIGITS`]: noise of MNIST's size, ten classes in turn.
pub fn digits() -> TempDir {
    let folder = tempdir().unwrap();
    let dir = folder.path().join("digits");
    fs::create_dir(&dir).unwrap();
    for (half, count) in [("train", 6400), ("t10k", 50)] {
        let words = (0..count * 784 / 16).flat_map(|block| philox4x32([block as u32, 0, 0, 8], [3, 4]));
        let pixels: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let labels: Vec<u8> = (0..count).map(|index| (index % 10) as u8).collect();
        idx(&dir.join(format!("{half}-images-idx3-ubyte")), &[count as u32, 28, 28], &pixels);
        idx(&dir.join(format!("{half}-labels-idx1-ubyte")), &[count as u32], &labels);
    }
    folder
}

/// An IDX file of images `[n, h, w]` or labels `[n]`.
pub fn idx(path: &Path, dimensions: &[u32], values: &[u8]) {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend(values);
    fs::write(path, bytes).unwrap();
}
