//! The ground under the ink: what a picture would be without it, and how far each pixel differs.
//!
//! # Source
//! The closing of a picture (for dark ink; the opening for light ink) by a square that is wider than a stroke and smaller than
//! the page removes the strokes, keeps edges of shadows and follows gradients: the top-hat transform of Serra, "Image Analysis and
//! Mathematical Morphology" (1982).

use image::{GrayImage, imageops};

use super::Polarity;

/// The side of the square, as a share of the root of the picture's area: wider than strokes, narrower than pages.
const SQUARE: f64 = 0.25;

/// Grounds darker than this do not raise the relative strength of dark ink, which would be noise.
const DARKEST: u32 = 48;

/// The strength of the ink of a polarity at each pixel: 0 for the ground.
///
/// Dark ink absorbs a share of the light, so that its strength is relative to the ground and the same in a shadow. Light ink is
/// the plain difference.
pub(super) fn strength(grey: &GrayImage, polarity: Polarity) -> GrayImage {
    let side = SQUARE * (f64::from(grey.width()) * f64::from(grey.height())).sqrt();
    let radius = ((side / 2.0) as usize).max(2);
    let (first, second): (Pick, Pick) = match polarity {
        Polarity::DarkOnLight => (u8::max, u8::min),
        Polarity::LightOnDark => (u8::min, u8::max),
    };
    let mut strength = extreme(&extreme(grey, radius, first), radius, second);
    for (ground, &value) in strength.iter_mut().zip(grey.iter()) {
        *ground = match polarity {
            Polarity::DarkOnLight => {
                let light = u32::from(*ground);
                (255 * (light - u32::from(value).min(light)) / light.max(DARKEST)) as u8
            }
            Polarity::LightOnDark => value.saturating_sub(*ground),
        };
    }
    // In noise the ground is its upper or lower envelope; most of a picture is ground.
    let middle = quantile(strength.iter().copied(), 0.5);
    strength.iter_mut().for_each(|value| *value = value.saturating_sub(middle));
    strength
}

/// Smooths as much as the noise needs.
pub(super) fn calm(grey: &GrayImage) -> GrayImage {
    let noise = noise(grey);
    let most = grey.width().min(grey.height()) / 150;
    let radius = (if noise < 3.0 {
        0
    } else if noise < 9.0 {
        1
    } else {
        2
    })
    .min(most as usize);
    if radius == 0 { grey.clone() } else { blurred(grey, radius) }
}

/// The standard deviation of the noise, from the median difference between a pixel and the mean of its neighbours in the row.
fn noise(grey: &GrayImage) -> f64 {
    let width = grey.width() as usize;
    let rows = grey.as_raw().chunks_exact(width.max(1));
    let differences = rows.flat_map(|row| row.windows(3)).map(|three| {
        let [left, middle, right] = [three[0], three[1], three[2]].map(u32::from);
        ((2 * middle).abs_diff(left + right)).min(255) as u8
    });
    // 2 a - b - c has the variance of 6 pixels; the median of |x| is 0.67 deviations.
    f64::from(quantile(differences, 0.5)) / (0.6745 * 6.0_f64.sqrt())
}

/// The value below which this share of the values lies.
pub(super) fn quantile(values: impl Iterator<Item = u8>, share: f64) -> u8 {
    let (mut counts, mut all) = ([0usize; 256], 0usize);
    for value in values {
        counts[usize::from(value)] += 1;
        all += 1;
    }
    let wanted = (share * all as f64) as usize;
    let mut below = 0;
    let found = counts.iter().position(|count| {
        below += count;
        below > wanted
    });
    found.unwrap_or(255) as u8
}

pub(super) type Pick = fn(u8, u8) -> u8;

/// The extreme value in a square of `2 radius + 1` pixels around each pixel.
pub(super) fn extreme(grey: &GrayImage, radius: usize, pick: Pick) -> GrayImage {
    let across = |picture: &GrayImage| {
        let width = picture.width() as usize;
        let mut out = picture.clone();
        let mut scratch = Vec::new();
        for (from, to) in picture.as_raw().chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            extreme_of_row(from, to, radius, pick, &mut scratch);
        }
        out
    };
    // A turn there and back makes columns rows.
    imageops::rotate270(&across(&imageops::rotate90(&across(grey))))
}

/// Van Herk's algorithm: running extremes from both ends of blocks as long as the window.
fn extreme_of_row(from: &[u8], to: &mut [u8], radius: usize, pick: Pick, scratch: &mut Vec<u8>) {
    let window = 2 * radius + 1;
    scratch.clear();
    scratch.extend_from_slice(from);
    // Scratch runs backwards from the end of each block, `to` forwards from its start.
    for block in scratch.chunks_mut(window) {
        (0..block.len() - 1).rev().for_each(|i| block[i] = pick(block[i], block[i + 1]));
    }
    let mut forwards = from.to_vec();
    for block in forwards.chunks_mut(window) {
        (1..block.len()).for_each(|i| block[i] = pick(block[i], block[i - 1]));
    }
    let last = from.len() - 1;
    for (i, value) in to.iter_mut().enumerate() {
        let (start, end) = (i.saturating_sub(radius), (i + radius).min(last));
        *value = if i < radius {
            forwards[end] // The window is cut at the start, and its end lies in the first block.
        } else if start / window == end / window {
            scratch[start]
        } else {
            pick(scratch[start], forwards[end])
        };
    }
}

/// A box blur.
fn blurred(grey: &GrayImage, radius: usize) -> GrayImage {
    let across = |picture: &GrayImage| {
        let width = picture.width() as usize;
        let mut out = picture.clone();
        for (from, to) in picture.as_raw().chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for (i, value) in to.iter_mut().enumerate() {
                let window = &from[i.saturating_sub(radius)..(i + radius + 1).min(width)];
                let sum: usize = window.iter().map(|&value| usize::from(value)).sum();
                *value = ((sum + window.len() / 2) / window.len()) as u8;
            }
        }
        out
    };
    imageops::rotate270(&across(&imageops::rotate90(&across(grey))))
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn extremes_are_those_of_the_window() {
        for (width, height) in [(1, 1), (1, 9), (7, 3), (23, 31), (64, 5)] {
            let grey = GrayImage::from_fn(width, height, |x, y| Luma([(x * 89 + y * 57 + x * y * 31) as u8]));
            for radius in [1, 2, 5, 40] {
                let found = extreme(&grey, radius, u8::max);
                for (x, y, &Luma([value])) in found.enumerate_pixels() {
                    let near = |a: u32, b: u32| a.abs_diff(b) <= radius as u32;
                    let window = grey.enumerate_pixels().filter(|&(i, j, _)| near(i, x) && near(j, y));
                    let expected = window.map(|(_, _, pixel)| pixel.0[0]).max();
                    assert_eq!(Some(value), expected, "{width} x {height}, {radius}: ({x}, {y})");
                }
            }
        }
    }

    /// The edge of a shadow and a gradient are ground; ink is as strong in the shadow as outside.
    #[test]
    fn shadows_and_gradients_are_ground() {
        let ink = |x: u32, y: u32| (90..100).contains(&x) && (40..160).contains(&y);
        let grey = GrayImage::from_fn(200, 200, |x, y| {
            let light = if y < 100 { 240 - x / 2 } else { 120 - x / 4 };
            Luma([(if ink(x, y) { light / 4 } else { light }) as u8])
        });
        let strength = strength(&grey, Polarity::DarkOnLight);
        for (x, y, &Luma([value])) in strength.enumerate_pixels() {
            if ink(x, y) {
                assert!((180..=200).contains(&value), "({x}, {y}): {value}");
            } else if x < 160 {
                assert!(value < 10, "({x}, {y}): {value}");
            }
        }
    }
}
