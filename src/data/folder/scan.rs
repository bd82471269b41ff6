//! Scans every image of a folder for the mean and standard deviation of the training pixels, and for damaged files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use md5::{Digest, Md5};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Normalization, Options, picture};
use crate::files::write_text;

/// An image's file and its class.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub path: PathBuf,
    pub label: u32,
}

/// The result of scanning a folder.
pub(super) struct Scanned {
    /// Over all pixels of the undamaged training images at their original sizes.
    pub normalization: Normalization,
    /// The damaged files of each half: index, in ascending order, and reason.
    pub damaged: [Vec<(usize, String)>; 2],
}

/// The cached form, in the user's cache folder: one small file per data set.
#[derive(Serialize, Deserialize)]
struct Cached {
    mean: Vec<f32>,
    std: Vec<f32>,
    damaged_train: Vec<(usize, String)>,
    damaged_test: Vec<(usize, String)>,
}

/// Exact sums over the pixels of some images, so that their order does not matter.
#[derive(Clone, Copy, Default)]
struct Sums {
    pixels: u64,
    /// Sums of the values of each channel; the squares follow.
    values: [u64; 3],
    squares: [u64; 3],
}

/// Decodes every image, unless the same files were scanned before.
///
/// Files are the same if path, names, sizes and modification times are. If the result cannot be cached, the next run scans
/// again.
pub(super) fn scan(dir: &Path, halves: [&[Image]; 2], options: &Options<'_>) -> Scanned {
    let path = options.cache.as_ref().map(|cache| cache.join("data").join(key(dir, halves) + ".toml"));
    if let Some(scanned) = path.as_deref().and_then(load) {
        return scanned;
    }
    (options.scanning)(halves[0].len() + halves[1].len());
    let [train, test] = halves.map(sums_of);
    let (sums, damaged_train) = train;
    let scanned = Scanned { normalization: sums.normalization(), damaged: [damaged_train, test.1] };
    if let Some(path) = path {
        // A failure only costs the next run another scan.
        let _ = store(&path, &scanned);
    }
    scanned
}

/// The sums over the undamaged images, and the damaged ones.
fn sums_of(images: &[Image]) -> (Sums, Vec<(usize, String)>) {
    let results: Vec<Result<Sums, String>> = images
        .par_iter()
        .map(|image| match picture::open_rgb(&image.path) {
            Ok(picture) => Ok(Sums::of(&picture)),
            Err(error) => Err(error.to_string()),
        })
        .collect();
    let (mut sums, mut damaged) = (Sums::default(), Vec::new());
    for (index, result) in results.into_iter().enumerate() {
        match result {
            Ok(more) => sums = sums.and(more),
            Err(why) => damaged.push((index, why)),
        }
    }
    (sums, damaged)
}

impl Sums {
    fn of(pixels: &[u8]) -> Self {
        let mut sums = Self { pixels: pixels.len() as u64 / 3, ..Self::default() };
        for pixel in pixels.chunks_exact(3) {
            for (channel, &value) in pixel.iter().enumerate() {
                let value = u64::from(value);
                sums.values[channel] += value;
                sums.squares[channel] += value * value;
            }
        }
        sums
    }

    fn and(self, other: Self) -> Self {
        let add = |a: [u64; 3], b: [u64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        Self {
            pixels: self.pixels + other.pixels,
            values: add(self.values, other.values),
            squares: add(self.squares, other.squares),
        }
    }

    /// A deviation of 0 becomes 1.
    fn normalization(&self) -> Normalization {
        let count = self.pixels.max(1) as f64;
        let mean = self.values.map(|sum| sum as f64 / count / 255.0);
        let square = self.squares.map(|sum| sum as f64 / count / 65_025.0);
        let std = [0, 1, 2].map(|c| (square[c] - mean[c] * mean[c]).max(0.0).sqrt());
        let std = std.map(|std| if std < 1e-6 { 1.0 } else { std });
        Normalization { mean: mean.map(|m| m as f32).to_vec(), std: std.map(|s| s as f32).to_vec() }
    }
}

/// A key that identifies a folder and its state.
fn key(dir: &Path, halves: [&[Image]; 2]) -> String {
    let mut digest = Md5::new();
    digest.update(dir.canonicalize().unwrap_or_else(|_| dir.to_owned()).to_string_lossy().as_bytes());
    let facts: Vec<[u64; 3]> = halves
        .concat()
        .par_iter()
        .map(|image| {
            let Ok(metadata) = fs::metadata(&image.path) else { return [0; 3] };
            let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let time = time.unwrap_or_default();
            [metadata.len(), time.as_secs(), time.subsec_nanos().into()]
        })
        .collect();
    for (half, images) in halves.into_iter().enumerate() {
        digest.update([half as u8]);
        for (image, facts) in images.iter().zip(&facts[half * halves[0].len()..]) {
            digest.update(image.path.to_string_lossy().as_bytes());
            digest.update([0]);
            facts.iter().for_each(|fact| digest.update(fact.to_le_bytes()));
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An earlier result; `None` if there is no readable one.
fn load(path: &Path) -> Option<Scanned> {
    let cached: Cached = toml::from_str(&fs::read_to_string(path).ok()?).ok()?;
    let normalization = Normalization { mean: cached.mean, std: cached.std };
    let complete = [&normalization.mean, &normalization.std].map(Vec::len) == [3; 2];
    (complete && normalization.check().is_ok())
        .then_some(Scanned { normalization, damaged: [cached.damaged_train, cached.damaged_test] })
}

fn store(path: &Path, scanned: &Scanned) -> std::io::Result<()> {
    let [damaged_train, damaged_test] = scanned.damaged.clone();
    let Normalization { mean, std } = scanned.normalization.clone();
    let text = toml::to_string(&Cached { mean, std, damaged_train, damaged_test });
    let text = text.map_err(std::io::Error::other)?;
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    write_text(path, &text).map_err(|failure| failure.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normalisation_is_over_pixels() {
        let sums = Sums::of(&[0, 255, 10, 255, 255, 20]).and(Sums::of(&[0, 255, 30]));
        let Normalization { mean, std } = sums.normalization();
        let near = |found: f32, expected: f64| assert!((f64::from(found) - expected).abs() < 1e-7, "{found}");
        near(mean[0], 1.0 / 3.0);
        near(mean[1], 1.0);
        near(mean[2], 20.0 / 255.0);
        near(std[0], (2.0f64 / 9.0).sqrt());
        near(std[1], 1.0);
        near(std[2], (200.0f64 / 3.0).sqrt() / 255.0);
    }
}
