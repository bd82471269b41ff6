//! A page that is drawn on and then photographed: paper, lines, ink, light, dust, blur, noise.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, RgbaImage, codecs::jpeg::JpegEncoder};

use super::glyphs::Glyph;

/// Random numbers of a seed: SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 24) as f32
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    fn normal(&mut self) -> f32 {
        // Irwin and Hall: twelve uniform numbers have a variance of 1.
        (0..4).map(|_| self.unit()).sum::<f32>() * 1.732 - 3.464
    }
}

/// Where a glyph is drawn, and how.
#[derive(Clone, Copy)]
pub struct Place {
    /// The centre, as shares of the page's width and height.
    pub at: [f32; 2],
    /// The height, in pixels.
    pub height: f32,
    /// Clockwise, in degrees.
    pub angle: f32,
    /// The pen's width as a share of the height, for glyphs of strokes.
    pub pen: f32,
    /// 0 to 1.
    pub opacity: f32,
}

pub const USUAL: Place = Place { at: [0.5, 0.5], height: 0.0, angle: 0.0, pen: 0.1, opacity: 1.0 };

pub struct Page {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[f32; 3]>,
}

impl Page {
    pub fn new(width: usize, height: usize, paper: [u8; 3]) -> Self {
        Self { width, height, pixels: vec![paper.map(f32::from); width * height] }
    }

    /// Changes each pixel: `change(x, y, pixel)`.
    pub fn each(&mut self, mut change: impl FnMut(f32, f32, &mut [f32; 3])) {
        let width = self.width;
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            change((i % width) as f32, (i / width) as f32, pixel);
        }
    }

    /// Blends a colour in by a coverage of each pixel.
    fn blend(&mut self, colour: [u8; 3], coverage: impl Fn(f32, f32) -> f32) {
        self.each(|x, y, pixel| {
            let share = coverage(x, y).clamp(0.0, 1.0);
            for (value, ink) in pixel.iter_mut().zip(colour) {
                *value += (f32::from(ink) - *value) * share;
            }
        });
    }

    pub fn draw(&mut self, glyph: &Glyph, place: Place, colour: [u8; 3]) {
        let [x0, y0] = [place.at[0] * self.width as f32, place.at[1] * self.height as f32];
        let (sin, cos) = place.angle.to_radians().sin_cos();
        self.blend(colour, |x, y| {
            let [dx, dy] = [(x - x0) / place.height, (y - y0) / place.height];
            if dx * dx + dy * dy > 1.0 {
                return 0.0;
            }
            place.opacity
                * glyph.coverage([dx * cos + dy * sin, dy * cos - dx * sin], place.pen, place.height)
        });
    }

    /// Lines at a distance and an angle in degrees; 90 is upright.
    pub fn lines(&mut self, distance: f32, thickness: f32, angle: f32, colour: [u8; 3]) {
        let (sin, cos) = angle.to_radians().sin_cos();
        self.blend(colour, |x, y| {
            let across = (y * cos - x * sin + 0.31 * distance).rem_euclid(distance);
            thickness / 2.0 + 0.5 - (across - distance / 2.0).abs()
        });
    }

    /// Multiplies by the light at each place; places are shares of the page.
    pub fn light(&mut self, light: impl Fn(f32, f32) -> f32) {
        let [width, height] = [self.width as f32, self.height as f32];
        self.each(|x, y, pixel| {
            let factor = light(x / width, y / height);
            pixel.iter_mut().for_each(|value| *value *= factor);
        });
    }

    /// Round specks of radii up to `radius`.
    pub fn specks(&mut self, random: &mut Random, count: usize, radius: f32, colour: [u8; 3]) {
        for _ in 0..count {
            let [x0, y0] = [random.unit() * self.width as f32, random.unit() * self.height as f32];
            let r = random.between(0.4, 1.0) * radius;
            for y in (y0 - r - 1.0).max(0.0) as usize..((y0 + r + 2.0) as usize).min(self.height) {
                for x in (x0 - r - 1.0).max(0.0) as usize..((x0 + r + 2.0) as usize).min(self.width) {
                    let share = (r + 0.5 - (x as f32 - x0).hypot(y as f32 - y0)).clamp(0.0, 1.0);
                    let pixel = &mut self.pixels[y * self.width + x];
                    for (value, ink) in pixel.iter_mut().zip(colour) {
                        *value += (f32::from(ink) - *value) * share;
                    }
                }
            }
        }
    }

    /// Leaves a rectangle of the page, turned by `angle` degrees around its centre, and draws a table around it.
    pub fn table(&mut self, half: [f32; 2], angle: f32, wood: impl Fn(f32, f32) -> [f32; 3]) {
        let [x0, y0] = [self.width as f32 / 2.0, self.height as f32 / 2.0];
        let (sin, cos) = angle.to_radians().sin_cos();
        self.each(|x, y, pixel| {
            let [dx, dy] = [x - x0, y - y0];
            let inside =
                (dx * cos + dy * sin).abs() < half[0] * x0 && (dy * cos - dx * sin).abs() < half[1] * y0;
            if !inside {
                *pixel = wood(x, y);
            }
        });
    }

    /// A box blur, twice.
    pub fn blur(&mut self, radius: usize) {
        for _ in 0..2 {
            self.blur_along(radius, 1, self.width, self.width, self.height);
            self.blur_along(radius, self.width, 1, self.height, self.width);
        }
    }

    fn blur_along(&mut self, radius: usize, step: usize, next: usize, length: usize, lines: usize) {
        let mut line = vec![[0.0; 3]; length];
        for start in (0..lines).map(|i| i * next) {
            for (i, value) in line.iter_mut().enumerate() {
                *value = self.pixels[start + i * step];
            }
            for i in 0..length {
                let window = &line[i.saturating_sub(radius)..(i + radius + 1).min(length)];
                self.pixels[start + i * step] =
                    [0, 1, 2].map(|c| window.iter().map(|value| value[c]).sum::<f32>() / window.len() as f32);
            }
        }
    }

    pub fn noise(&mut self, random: &mut Random, deviation: f32) {
        self.each(|_, _, pixel| {
            let grey = random.normal() * deviation;
            pixel.iter_mut().for_each(|value| *value += grey + random.normal() * deviation * 0.3);
        });
    }

    fn rgb(&self) -> RgbImage {
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            Rgb(self.pixels[y as usize * self.width + x as usize]
                .map(|value| value.round().clamp(0.0, 255.0) as u8))
        })
    }

    pub fn png(&self) -> Vec<u8> {
        encode(self.rgb().into())
    }

    pub fn jpeg(&self, quality: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.rgb().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
        bytes
    }

    /// The page's red becomes the opacity of a picture in one colour.
    pub fn transparent(&self, colour: [u8; 3]) -> Vec<u8> {
        let [red, green, blue] = colour;
        encode(DynamicImage::from(RgbaImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let alpha = self.pixels[y as usize * self.width + x as usize][0];
            image::Rgba([red, green, blue, alpha.round().clamp(0.0, 255.0) as u8])
        })))
    }
}

fn encode(picture: DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}
