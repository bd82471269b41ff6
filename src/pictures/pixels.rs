//! Pictures of pixels, as PNG files in memory: images, filters, and the sheet of `vgg explain`.

use std::io::Cursor;

use image::{
    ColorType, GrayImage, ImageFormat, Luma, Rgb, RgbImage,
    imageops::{FilterType, overlay, resize},
};

use super::lettering::{LINE, cut, width as width_of, write};

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

/// The words on the sheet of an explanation.
#[derive(Clone, Debug, Default)]
pub struct Captions {
    /// The class and its probability; the layer.
    pub heading: [String; 2],
    /// Under the picture, and under the map.
    pub pictures: [String; 2],
    /// Under the map of each channel.
    pub channels: Vec<String>,
}

/// Red to yellow: the colour of a value of the map, from 0 to 1, over the picture.
fn warm(value: f32, below: Rgb<u8>) -> Rgb<u8> {
    let (color, depth) = ([255.0, 255.0 * value, 0.0], 0.75 * value.sqrt());
    Rgb([0, 1, 2].map(|c: usize| (f32::from(below[c]) * (1.0 - depth) + color[c] * depth).round() as u8))
}

/// The sheet of an explanation: the picture, the picture with the map `[height, width]` over it in red and yellow with its scale,
/// and below them the maps of the first channels, each with its caption.
pub fn explanation_png(
    picture: Pixels<'_>,
    map: &[f32],
    channels: &[&[f32]],
    size: [usize; 2],
    captions: &Captions,
) -> Vec<u8> {
    const INK: u8 = 0x1c;
    const SOFT: u8 = 0x56;
    let picture = picture.rgb();
    let top = GAP + 2 * LINE + GAP / 2;
    // Below the large pictures: a caption, and the scale of the map.
    let maps = top + LARGE + 2 * LINE + GAP + GAP / 2;
    let (width, height) = (2 * LARGE + 3 * GAP, maps + SMALL + LINE + GAP);
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    for (line, (text, shade)) in captions.heading.iter().zip([INK, SOFT]).enumerate() {
        write(&mut sheet, &cut(text, width - 2 * GAP), [GAP, GAP + line as u32 * LINE], shade);
    }
    // Small pictures keep sharp pixels.
    let filter = if picture.width() < LARGE { FilterType::Nearest } else { FilterType::Triangle };
    let large = resize(&picture, LARGE, LARGE, filter);
    let heat = scaled(map, size, (LARGE, LARGE));
    let over = RgbImage::from_fn(LARGE, LARGE, |x, y| {
        warm(f32::from(heat.get_pixel(x, y)[0]) / 255.0, *large.get_pixel(x, y))
    });
    for (picture, left, caption) in [(&large, GAP, 0), (&over, LARGE + 2 * GAP, 1)] {
        framed(&mut sheet, picture, [left, top]);
        write(&mut sheet, &cut(&captions.pictures[caption], LARGE), [left, top + LARGE + 4], INK);
    }
    let (left, y) = (LARGE + 2 * GAP, top + LARGE + LINE + 8);
    let largest = format!("{:.3}", map.iter().copied().fold(0.0, f32::max));
    let [from, to] = [left + width_of("0") + 6, left + LARGE - width_of(&largest) - 6];
    let bar = RgbImage::from_fn(to - from, 12, |x, _| warm(x as f32 / (to - from) as f32, Rgb([128; 3])));
    write(&mut sheet, "0", [left, y - 3], SOFT);
    framed(&mut sheet, &bar, [from, y]);
    write(&mut sheet, &largest, [to + 6, y - 3], SOFT);
    for (index, map) in channels.iter().take(SHOWN).enumerate() {
        let map = scaled(map, size, (SMALL, SMALL));
        let map = RgbImage::from_fn(SMALL, SMALL, |x, y| Rgb([map.get_pixel(x, y)[0]; 3]));
        let left = GAP + index as u32 * (SMALL + GAP);
        framed(&mut sheet, &map, [left, maps]);
        if let Some(caption) = captions.channels.get(index) {
            write(&mut sheet, &cut(caption, SMALL), [left, maps + SMALL + 4], SOFT);
        }
    }
    Pixels { bytes: &sheet, size: [height, width].map(|side| side as usize), channels: 3 }.png()
}

/// Lays a picture on the sheet, with a frame of one pixel around it, so that white pictures have an edge.
fn framed(sheet: &mut RgbImage, picture: &RgbImage, [x, y]: [u32; 2]) {
    let frame = RgbImage::from_pixel(picture.width() + 2, picture.height() + 2, Rgb([0xb4; 3]));
    overlay(sheet, &frame, i64::from(x) - 1, i64::from(y) - 1);
    overlay(sheet, picture, x.into(), y.into());
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

    /// Any values and any texts, even longer than the sheet is wide.
    #[test]
    fn every_explanation_draws() {
        let picture = Pixels { bytes: &[200; 36], size: [6, 6], channels: 1 };
        let captions = Captions {
            heading: ["class", "layer"].map(|word| word.repeat(60)),
            pictures: ["picture", "evidence"].map(|word| word.repeat(20)),
            channels: vec!["channel".repeat(9)],
        };
        for map in [[0.0; 4], [0.0, 1e9, 0.25, 3.0]] {
            let png = explanation_png(picture, &map, &[&map, &map], [2, 2], &captions);
            let sheet = image::load_from_memory(&png).unwrap().into_rgb8();
            let dark = |from: u32, to: u32| {
                (from..to)
                    .any(|y| (0..sheet.width()).any(|x| sheet.get_pixel(x, y).0.iter().all(|&c| c < 96)))
            };
            assert!(dark(GAP, GAP + LINE), "the heading");
            assert!(dark(sheet.height() - GAP - LINE, sheet.height()), "the caption of a channel");
        }
    }

    #[test]
    fn filters_go_from_black_to_white_with_their_channels_last() {
        let weights: Vec<f32> = (0..12).map(|v| v as f32).collect();
        // K 2, C 3, taps 1 x 2.
        assert_eq!(filters(&weights, [2, 3, 1, 2])[1], [0, 102, 204, 51, 153, 255]);
        assert_eq!(filters(&[4.0; 9], [1, 1, 3, 3]), [[0; 9]]);
    }
}
