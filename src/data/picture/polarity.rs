//! Whether ink is dark or light.

use std::fmt;

use image::GrayImage;

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
pub(super) fn border(grey: &GrayImage) -> Vec<u8> {
    let (width, height) = grey.dimensions();
    let on_border = |x, y| x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    let pixels = grey.enumerate_pixels().filter(|&(x, y, _)| on_border(x, y));
    pixels.map(|(_, _, pixel)| pixel.0[0]).collect()
}
