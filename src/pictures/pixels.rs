//! Pictures of pixels, as PNG files in memory: images, filters, and the sheet of `vgg explain`.

use std::io::Cursor;

use image::{
    ColorType, GrayImage, ImageFormat, Luma, Rgb, RgbImage,
    imageops::{FilterType, overlay, resize},
};

/// The sides of the pictures on the sheet, and the gap between them.
const LARGE: u32 = 336;
const SMALL: u32 = 160;
const GAP: u32 = 16;
/// The number of small pictures below the large ones.
const SHOWN: usize = 4;

/// An image `[H, W, C]` with 1 or 3 channels.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Height and width.
    pub size: [usize; 2],
    /// 1 or 3.
    pub channels: usize,
}

impl Pixels<'_> {
    /// The image as a PNG file.
    ///
    /// # Panics
    /// If there are not as many bytes as pixels and channels.
    pub fn png(self) -> Vec<u8> {
        let Self { bytes, size: [height, width], channels } = self;
        let color = if channels == 1 { ColorType::L8 } else { ColorType::Rgb8 };
        let (mut png, format) = (Cursor::new(Vec::new()), ImageFormat::Png);
        image::write_buffer_with_format(&mut png, bytes, width as u32, height as u32, color, format)
            .expect("encoding into memory cannot fail");
        png.into_inner()
    }

    fn rgb(self) -> RgbImage {
        let Self { bytes, size: [height, width], channels } = self;
        RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let at = (y as usize * width + x as usize) * channels;
            Rgb([0, 1, 2].map(|c: usize| bytes[at + c.min(channels - 1)]))
        })
    }
}

/// A convolution's filters `[K, C, R, S]` as `K` pictures `[R, S, C]`; C is 1 or 3. Each filter is scaled from its smallest
/// to its largest value.
pub fn filters(weights: &[f32], [k, c, r, s]: [usize; 4]) -> Vec<Vec<u8>> {
    let filter = |k: usize| {
        let values = &weights[k * c * r * s..][..c * r * s];
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let grey = |v: f32| ((v - low) / (high - low).max(f32::MIN_POSITIVE) * 255.0).round() as u8;
        (0..r * s).flat_map(|tap| (0..c).map(move |c| grey(values[c * r * s + tap]))).collect()
    };
    (0..k).map(filter).collect()
}

/// A map `[height, width]`, from 0 in black to its maximum in white, scaled to another size.
fn scaled(map: &[f32], [height, width]: [usize; 2], to: (u32, u32)) -> GrayImage {
    let largest = map.iter().copied().fold(0.0, f32::max);
    let grey = |v: f32| (255.0 * v / largest.max(f32::MIN_POSITIVE)).round() as u8;
    let at = |x: u32, y: u32| Luma([grey(map[y as usize * width + x as usize])]);
    resize(&GrayImage::from_fn(width as u32, height as u32, at), to.0, to.1, FilterType::Triangle)
}

/// The sheet of an explanation: the picture, the picture with the map `[height, width]` over it in red and yellow, and below
/// them the maps of the first channels.
pub fn explanation_png(picture: Pixels<'_>, map: &[f32], channels: &[&[f32]], size: [usize; 2]) -> Vec<u8> {
    let picture = picture.rgb();
    let (width, height) = (2 * LARGE + 3 * GAP, LARGE + SMALL + 3 * GAP);
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    // Small pictures keep sharp pixels.
    let filter = if picture.width() < LARGE { FilterType::Nearest } else { FilterType::Triangle };
    let large = resize(&picture, LARGE, LARGE, filter);
    let heat = scaled(map, size, (LARGE, LARGE));
    let warm = RgbImage::from_fn(LARGE, LARGE, |x, y| {
        let heat = f32::from(heat.get_pixel(x, y)[0]) / 255.0;
        let color = [255.0, 255.0 * heat, 0.0];
        let below = large.get_pixel(x, y).0;
        Rgb([0, 1, 2].map(|c: usize| {
            let depth = 0.75 * heat.sqrt();
            (f32::from(below[c]) * (1.0 - depth) + color[c] * depth).round() as u8
        }))
    });
    overlay(&mut sheet, &large, GAP.into(), GAP.into());
    overlay(&mut sheet, &warm, (LARGE + 2 * GAP).into(), GAP.into());
    for (index, map) in channels.iter().take(SHOWN).enumerate() {
        let map = scaled(map, size, (SMALL, SMALL));
        let map = RgbImage::from_fn(SMALL, SMALL, |x, y| Rgb([map.get_pixel(x, y)[0]; 3]));
        overlay(&mut sheet, &map, (GAP + index as u32 * (SMALL + GAP)).into(), (LARGE + 2 * GAP).into());
    }
    Pixels { bytes: &sheet, size: [height, width].map(|side| side as usize), channels: 3 }.png()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_comes_back_from_its_file() {
        let bytes: Vec<u8> = (0..2 * 3 * 3).map(|v| v * 14).collect();
        let png = Pixels { bytes: &bytes, size: [2, 3], channels: 3 }.png();
        let image = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!((image.height(), image.width(), image.into_raw()), (2, 3, bytes));
    }

    #[test]
    fn filters_go_from_black_to_white_with_their_channels_last() {
        let weights: Vec<f32> = (0..12).map(|v| v as f32).collect();
        // K 2, C 3, taps 1 x 2.
        assert_eq!(filters(&weights, [2, 3, 1, 2])[1], [0, 102, 204, 51, 153, 255]);
        assert_eq!(filters(&[4.0; 9], [1, 1, 3, 3]), [[0; 9]]);
    }
}
