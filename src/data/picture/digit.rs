//! Grey digits: their polarity, and MNIST's placement.
//!
//! # Source
//! LeCun, Cortes, Burges: "The original black and white images from NIST were size normalized to fit in a 20x20
//! pixel box while preserving their aspect ratio. [...] the images were centered in a 28x28 image by computing
//! the center of mass of the pixels, and translating the image so as to position this point at the center of
//! the 28x28 field." In the files that centre is the pixel (14, 14), within the half pixel of rounding.

use std::fmt;

use image::imageops::{self, FilterType};
use image::{GrayImage, Luma};

use super::PictureError;

/// The smallest contrast between background and ink that counts as a digit, in grey levels of 255.
const MIN_CONTRAST: u8 = 32;

/// The lowest value that counts as ink once background and ink span 0 to 255.
const INK: u8 = 48;

/// The polarity of a grey picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// Light ink on a dark background, as in MNIST.
    LightOnDark,
    /// Dark ink on a light background, as on paper; it is inverted.
    DarkOnLight,
}

impl Polarity {
    /// Detects the polarity: dark on light if the outermost pixels are brighter than 127 on average.
    pub(super) fn of(grey: &GrayImage) -> Self {
        let border = border(grey);
        let sum: u64 = border.iter().map(|&value| u64::from(value)).sum();
        if sum > 127 * border.len() as u64 { Self::DarkOnLight } else { Self::LightOnDark }
    }
}

impl fmt::Display for Polarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LightOnDark => "light on dark",
            Self::DarkOnLight => "dark on light",
        })
    }
}

/// The outermost pixels, each once.
fn border(grey: &GrayImage) -> Vec<u8> {
    let (width, height) = grey.dimensions();
    let on_border = |x, y| x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    let pixels = grey.enumerate_pixels().filter(|&(x, y, _)| on_border(x, y));
    pixels.map(|(_, _, pixel)| pixel.0[0]).collect()
}

/// Places light ink on a dark background as MNIST does, in the wanted size `[height, width]`.
pub(super) fn frame(
    name: &str,
    grey: &GrayImage,
    [height, width]: [u32; 2],
) -> Result<GrayImage, PictureError> {
    let levelled = level(name, grey)?;
    let cut = cut_out_ink(&levelled);

    // 20 of 28 pixels, and the same share of other frames.
    let side = (width.min(height) * 20 / 28).max(1);
    let longer = cut.width().max(cut.height());
    let scaled = |length: u32| {
        let rounded = (u64::from(length) * u64::from(side) + u64::from(longer) / 2) / u64::from(longer);
        rounded.max(1) as u32
    };
    let mut digit = imageops::resize(&cut, scaled(cut.width()), scaled(cut.height()), FilterType::CatmullRom);

    // Scaling down makes thin pen strokes pale; MNIST's strokes are bright.
    let peak = brightest(&digit).max(1);
    stretch(&mut digit, 0, peak);

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
    Ok(framed)
}

/// Stretches the values from the background to the brightest ink to 0..255; the background is the border's median.
fn level(name: &str, grey: &GrayImage) -> Result<GrayImage, PictureError> {
    let mut border = border(grey);
    let middle = border.len() / 2;
    let ground = *border.select_nth_unstable(middle).1;
    let contrast = brightest(grey).saturating_sub(ground);
    if contrast < MIN_CONTRAST {
        let file = name.to_owned();
        return Err(PictureError::Blank { file, contrast, needed: MIN_CONTRAST });
    }
    let mut levelled = grey.clone();
    stretch(&mut levelled, ground, contrast);
    Ok(levelled)
}

fn brightest(grey: &GrayImage) -> u8 {
    grey.iter().copied().max().unwrap_or(0)
}

/// Maps `ground` to 0 and `ground + contrast` to 255; darker values become 0.
fn stretch(grey: &mut GrayImage, ground: u8, contrast: u8) {
    for value in grey.iter_mut() {
        let above = u32::from(value.saturating_sub(ground));
        *value = (above * 255 / u32::from(contrast)).min(255) as u8;
    }
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
