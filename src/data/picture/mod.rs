//! Pictures from files, converted to the form that a network was trained on.
//!
//! Any PNG or JPEG is rotated upright according to its EXIF orientation, transparent parts are composited over white, and
//! 16-bit values become 8-bit. The rest depends on the [`Wanted`] channels:
//!
//! - One channel and characters: the picture is treated as digits. The ground under the ink, with its shadows and gradients, is
//!   subtracted; ink is what differs from it in strokes, dark or light ([`Polarity`]), without ruled lines, specks and what the
//!   border cuts. Each digit is framed like MNIST's: its bounding box is scaled to 20/28 of the frame along its longer side, and
//!   its centre of mass is placed in the centre. On a transparent page the opacity is the ink, whatever its colour. A picture of
//!   the wanted size keeps its position and levels.
//! - One channel and no characters, as clothes: the picture is only cropped to the wanted aspect ratio and resized.
//! - Three channels: the evaluation's centre crop ([`Rectangle::centred`]) is scaled to the wanted size.

mod alpha;
mod components;
mod digit;
mod error;
mod find;
mod ground;
mod lines;
mod polarity;

pub use error::PictureError;
pub use polarity::Polarity;

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use self::error::{MAX_DECODED_BYTES, MAX_FILE_BYTES, MAX_SIDE};
use super::Rectangle;

/// Digits are looked for on a copy of at most so many pixels.
const MAX_ANALYSED: f64 = 1e6;

/// The smallest contrast between background and ink that counts as a digit, in grey levels of 255.
const MIN_CONTRAST: u8 = 32;

/// The form of a network's input images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The height, in pixels.
    pub height: u32,
    /// The width, in pixels.
    pub width: u32,
    /// The channels: 1 (a grey digit, light on dark) or 3 (red, green, blue).
    pub channels: usize,
    /// Whether a grey picture shows characters, which are looked for and framed; others are only resized.
    pub characters: bool,
    /// The polarity of a grey picture; `None` detects that of characters.
    pub polarity: Option<Polarity>,
    /// The length to which the shorter side of a colour picture is resized before the centre crop; `None` keeps the full
    /// shorter side.
    pub resize: Option<usize>,
}

/// A picture in the [`Wanted`] form, and how it was converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The pixels, `[H, W, C]`, channels last.
    pub pixels: Vec<u8>,
    /// The upright picture's original width and height, in pixels.
    pub source_size: (u32, u32),
    /// The polarity of the grey picture, detected or given; `None` for colour.
    pub polarity: Option<Polarity>,
    /// Whether it was cropped, scaled and centred like MNIST's digits.
    pub framed: bool,
    /// Where the digit is in the upright picture, if it was framed.
    pub bounds: Option<Rectangle>,
    /// How many digits the picture has; [`decode`] returns the clearest one.
    pub of: usize,
}

/// Reads a PNG or JPEG file.
///
/// # Errors
/// [`PictureError`] if the file cannot be read, or as [`decode`].
pub fn open(path: &Path, wanted: &Wanted) -> Result<Picture, PictureError> {
    let (file, bytes) = read(path)?;
    decode(&file, &bytes, wanted)
}

/// As [`open`], but all digits of the picture: lines from the top, and each line from the left.
///
/// # Errors
/// As [`open`].
pub fn open_all(path: &Path, wanted: &Wanted) -> Result<Vec<Picture>, PictureError> {
    let (file, bytes) = read(path)?;
    decode_all(&file, &bytes, wanted)
}

/// As [`open_all`], from a reader; `name` is its name in errors.
///
/// # Errors
/// As [`open`].
pub fn read_all(name: &str, reader: impl Read, wanted: &Wanted) -> Result<Vec<Picture>, PictureError> {
    decode_all(name, &limited(name, reader)?, wanted)
}

/// Reads a PNG or JPEG file as RGB: grey is expanded, and transparent parts are composited over white.
pub(super) fn open_rgb(path: &Path) -> Result<RgbImage, PictureError> {
    let (file, bytes) = read(path)?;
    Ok(over_white(upright(&file, &bytes)?).into_rgb8())
}

/// The file's name and its content.
fn read(path: &Path) -> Result<(String, Vec<u8>), PictureError> {
    let file = path.display().to_string();
    let opened = File::open(path).map_err(|error| PictureError::Io { file: file.clone(), error })?;
    let bytes = limited(&file, opened)?;
    Ok((file, bytes))
}

/// What a reader has, if that is not too much.
fn limited(name: &str, reader: impl Read) -> Result<Vec<u8>, PictureError> {
    let (file, mut bytes) = (name.to_owned(), Vec::new());
    match reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes) {
        Err(error) => Err(PictureError::Io { file, error }),
        Ok(length) if length as u64 > MAX_FILE_BYTES => Err(PictureError::FileTooLarge { file }),
        Ok(_) => Ok(bytes),
    }
}

/// Decodes the content of a PNG or JPEG file; `name` is its name in errors.
///
/// # Errors
/// [`PictureError`] if the content is not a PNG or JPEG picture, is damaged or too large, or if a digit is wanted and
/// there is none.
pub fn decode(name: &str, bytes: &[u8], wanted: &Wanted) -> Result<Picture, PictureError> {
    let pictures = prepare(name, bytes, wanted)?.into_iter();
    let best = pictures.max_by(|(_, a), (_, b)| a.total_cmp(b));
    Ok(best.expect("at least one picture").0)
}

/// As [`decode`], but all digits of the picture: lines from the top, and each line from the left.
///
/// # Errors
/// As [`decode`].
pub fn decode_all(name: &str, bytes: &[u8], wanted: &Wanted) -> Result<Vec<Picture>, PictureError> {
    Ok(prepare(name, bytes, wanted)?.into_iter().map(|(picture, _)| picture).collect())
}

/// All pictures in a picture, each with how much it is like a digit.
fn prepare(name: &str, bytes: &[u8], wanted: &Wanted) -> Result<Vec<(Picture, f64)>, PictureError> {
    let Wanted { height, width, channels, .. } = *wanted;
    if height == 0 || width == 0 || ![1, 3].contains(&channels) {
        return Err(PictureError::Wanted { height, width, channels });
    }
    let picture = upright(name, bytes)?;
    let source_size = (picture.width(), picture.height());
    if channels == 3 || !wanted.characters {
        let picture = over_white(picture).into_rgb8();
        let size = [height, width].map(|side| side as usize);
        let source = [picture.height(), picture.width()].map(|side| side as usize);
        let resized = cut(&picture, Rectangle::centred(source, size, wanted.resize), size);
        let polarity = wanted.polarity.filter(|_| channels == 1);
        let mut pixels = match channels {
            1 => DynamicImage::from(resized).into_luma8().into_raw(),
            _ => resized.into_raw(),
        };
        if polarity == Some(Polarity::DarkOnLight) {
            pixels.iter_mut().for_each(|value| *value = 255 - *value);
        }
        let picture = Picture { pixels, source_size, polarity, framed: false, bounds: None, of: 1 };
        return Ok(vec![(picture, 1.0)]);
    }
    let drawing = alpha::drawing(&picture).filter(|_| wanted.polarity.is_none());
    let paper = match wanted.polarity {
        Some(Polarity::LightOnDark) => 0,
        _ => 255,
    };
    let (mut grey, ink) =
        drawing.map_or_else(|| (over(picture, paper).into_luma8(), None), |(grey, ink)| (grey, Some(ink)));
    if source_size == (width, height) {
        let polarity = wanted.polarity.unwrap_or_else(|| Polarity::of(&grey));
        if polarity == Polarity::DarkOnLight {
            imageops::invert(&mut grey);
        }
        let polarity = Some(ink.unwrap_or(polarity));
        let picture =
            Picture { pixels: grey.into_raw(), source_size, polarity, framed: false, bounds: None, of: 1 };
        return Ok(vec![(picture, 1.0)]);
    }
    let given = wanted.polarity.or(ink.map(|_| Polarity::LightOnDark));
    let (reduced, scale) = reduced(grey);
    let calm = ground::calm(&reduced);
    let (polarity, digits) = find::digits(&calm, given).ok_or_else(|| nothing(name, &calm))?;
    let polarity = Some(ink.unwrap_or(polarity));
    Ok(digits
        .iter()
        .map(|digit| {
            let pixels = digit::frame(&digit.ink, digit.stroke, [height, width]).into_raw();
            let bounds = Some(scaled(digit.bounds, scale, source_size));
            (Picture { pixels, source_size, polarity, framed: true, bounds, of: digits.len() }, digit.score)
        })
        .collect())
}

/// A picture of at most [`MAX_ANALYSED`] pixels, and the length of its pixels in those of the original.
fn reduced(grey: GrayImage) -> (GrayImage, f64) {
    let (width, height) = grey.dimensions();
    let scale = (f64::from(width) * f64::from(height) / MAX_ANALYSED).sqrt();
    if scale <= 1.0 {
        return (grey, 1.0);
    }
    let side = |length: u32| ((f64::from(length) / scale) as u32).max(1);
    (imageops::thumbnail(&grey, side(width), side(height)), scale)
}

/// A rectangle of the reduced picture on the original.
fn scaled(bounds: Rectangle, scale: f64, (width, height): (u32, u32)) -> Rectangle {
    let part = |start: usize, length: usize, most: u32| {
        let end = ((start + length) as f64 * scale).ceil().min(f64::from(most)) as usize;
        let start = ((start as f64 * scale) as usize).min(end - 1);
        (start, end - start)
    };
    let (left, width) = part(bounds.left, bounds.width, width);
    let (top, height) = part(bounds.top, bounds.height, height);
    Rectangle { top, left, height, width }
}

/// Why there is no digit: too little contrast, or nothing like strokes.
fn nothing(name: &str, grey: &GrayImage) -> PictureError {
    let file = name.to_owned();
    let ground = ground::quantile(polarity::border(grey).into_iter(), 0.5);
    let contrast = grey.iter().map(|value| value.abs_diff(ground)).max().unwrap_or(0);
    if contrast < MIN_CONTRAST {
        return PictureError::Blank { file, contrast, needed: MIN_CONTRAST };
    }
    PictureError::NoDigit { file }
}

/// Decodes within the limits and rotates the picture upright; both decoders refuse empty pictures.
fn upright(name: &str, bytes: &[u8]) -> Result<DynamicImage, PictureError> {
    let file = || name.to_owned();
    if bytes.is_empty() {
        return Err(PictureError::EmptyFile { file: file() });
    }
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        Ok(other) => return Err(PictureError::OtherFormat { file: file(), format: other }),
        Err(_) => {
            let start = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
            return Err(PictureError::NotAPicture { file: file(), start });
        }
    };
    if format == ImageFormat::Jpeg && is_cut_short(bytes) {
        return Err(PictureError::CutShort { file: file(), bytes: bytes.len() });
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);

    let damaged = |error| match error {
        ImageError::Limits(_) => PictureError::DecoderLimit { file: file() },
        error => PictureError::Damaged { file: file(), error },
    };
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE || decoder.total_bytes() > MAX_DECODED_BYTES {
        let bytes = decoder.total_bytes();
        return Err(PictureError::TooLarge { file: file(), width, height, bytes });
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether a JPEG has no end marker after its first scan; the decoder would accept it and fill the rest with grey.
///
/// Walks the segments (marker, length, content) up to the scan, because a thumbnail in a segment has its own end marker. If
/// there is no scan, the decoder reports the error.
fn is_cut_short(jpeg: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == START_OF_SCAN {
            return !rest.windows(2).any(|pair| pair == END_OF_IMAGE);
        }
        rest = rest.get(2 + usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
    }
    false
}

/// Composites transparent parts over white, the background that most drawings assume.
fn over_white(picture: DynamicImage) -> DynamicImage {
    over(picture, 255)
}

/// Composites transparent parts over a grey.
fn over(picture: DynamicImage, paper: u32) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let rgba = picture.into_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        to.0 = [red, green, blue].map(|value| ((value * alpha + paper * (255 - alpha) + 127) / 255) as u8);
    }
    DynamicImage::ImageRgb8(rgb)
}

/// Crops a part and scales it to `size` with a bilinear filter whose support grows with the reduction.
///
/// It crops before scaling, so that a very long picture does not become huge in between.
pub(super) fn cut(picture: &RgbImage, part: Rectangle, size: [usize; 2]) -> RgbImage {
    // The limits above keep every side within u32.
    let [top, left] = [part.top as u32, part.left as u32];
    let part = imageops::crop_imm(picture, left, top, part.width as u32, part.height as u32).to_image();
    let [height, width] = size.map(|side| side as u32);
    // Returns a picture of that size unchanged.
    imageops::resize(&part, width, height, FilterType::Triangle)
}

#[cfg(test)]
mod tests;
