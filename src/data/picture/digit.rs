//! MNIST's placement of digits.
//!
//! # Source
//! LeCun, Cortes, Burges: "The original black and white images from NIST were size normalized to fit in a 20x20
//! pixel box while preserving their aspect ratio. [...] the images were centered in a 28x28 image by computing
//! the center of mass of the pixels, and translating the image so as to position this point at the center of
//! the 28x28 field." In the files that centre is the pixel (14, 14), within the half pixel of rounding.

use image::imageops::{self, FilterType};
use image::{GrayImage, Luma};

use super::ground::extreme;

/// The thinnest strokes, as a share of the digit's longer side; thinner ones are widened. MNIST's have 8 to 20 %.
const THINNEST: f64 = 0.08;

/// The lowest value that counts as ink once background and ink span 0 to 255.
const INK: u8 = 48;

/// Places the ink of a digit, light on dark, as MNIST does in the wanted size `[height, width]`. `stroke` is the width of its
/// strokes, in pixels.
pub(super) fn frame(ink: &GrayImage, stroke: f64, [height, width]: [u32; 2]) -> GrayImage {
    let mut cut = cut_out_ink(ink);
    let missing = THINNEST * f64::from(cut.width().max(cut.height())) - stroke;
    if missing > 0.0 {
        cut = thickened(ink, (missing / 2.0).round() as u32);
    }
    let longer = cut.width().max(cut.height());

    // 20 of 28 pixels, and the same share of other frames.
    let side = (width.min(height) * 20 / 28).max(1);
    let scaled = |length: u32| {
        let rounded = (u64::from(length) * u64::from(side) + u64::from(longer) / 2) / u64::from(longer);
        rounded.max(1) as u32
    };
    let mut digit = imageops::resize(&cut, scaled(cut.width()), scaled(cut.height()), FilterType::CatmullRom);

    // Scaling down makes thin pen strokes pale; MNIST's strokes are bright.
    stretch(&mut digit);

    let (mass_x, mass_y) = centre_of_mass(&digit);
    // Ink concentrated at one end of its box could leave the frame; stop at the edge.
    let place = |frame: u32, mass: f64, length: u32| {
        let offset = f64::from(frame / 2) - mass;
        offset.round().clamp(0.0, f64::from(frame - length)) as i64
    };
    let x = place(width, mass_x, digit.width());
    let y = place(height, mass_y, digit.height());
    let mut framed = GrayImage::new(width, height);
    imageops::replace(&mut framed, &digit, x, y);
    framed
}

/// The ink with strokes that are wider by `radius` pixels on each side, cut out.
fn thickened(ink: &GrayImage, radius: u32) -> GrayImage {
    let mut wide = GrayImage::new(ink.width() + 2 * radius, ink.height() + 2 * radius);
    imageops::replace(&mut wide, ink, radius.into(), radius.into());
    cut_out_ink(&extreme(&wide, radius as usize, u8::max))
}

pub(super) fn brightest(grey: &GrayImage) -> u8 {
    grey.iter().copied().max().unwrap_or(0)
}

/// Maps the brightest value to 255.
fn stretch(grey: &mut GrayImage) {
    let peak = u32::from(brightest(grey).max(1));
    grey.iter_mut().for_each(|value| *value = (u32::from(*value) * 255 / peak) as u8);
}

/// The bounding box of the ink; the brightest pixel is always in it.
fn cut_out_ink(levelled: &GrayImage) -> GrayImage {
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (x, y, &Luma([value])) in levelled.enumerate_pixels() {
        if value >= INK {
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
        }
    }
    imageops::crop_imm(levelled, left, top, right - left + 1, bottom - top + 1).to_image()
}

/// The mean position of the ink, weighted by its values, in pixels.
fn centre_of_mass(digit: &GrayImage) -> (f64, f64) {
    let (mut mass, mut x_moment, mut y_moment) = (0u64, 0u64, 0u64);
    for (x, y, &Luma([value])) in digit.enumerate_pixels() {
        mass += u64::from(value);
        x_moment += u64::from(value) * u64::from(x);
        y_moment += u64::from(value) * u64::from(y);
    }
    let mass = mass.max(1) as f64;
    (x_moment as f64 / mass, y_moment as f64 / mass)
}
