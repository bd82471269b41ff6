//! Pictures from files, converted to the form that a network was trained on.
//!
//! Any PNG or JPEG is rotated upright according to its EXIF orientation, transparent parts are composited over white, and
//! 16-bit values become 8-bit. The rest depends on the [`Wanted`] channels:
//!
//! - One channel: the picture is treated as a digit. Colours become grey by their luminance, dark ink on a light
//!   background is inverted ([`Polarity`]), and a picture of another size is framed like MNIST's digits: the ink's
//!   bounding box is scaled to 20/28 of the frame along its longer side, and its centre of mass is placed in the
//!   centre. A picture of the wanted size keeps its position and levels.
//! - Three channels: the evaluation's centre crop ([`Rectangle::centred`]) is scaled to the wanted size.

mod digit;
mod error;

pub use digit::Polarity;
pub use error::PictureError;

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use self::error::{MAX_DECODED_BYTES, MAX_FILE_BYTES, MAX_SIDE};
use super::Rectangle;

/// The form of a network's input images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The height, in pixels.
    pub height: u32,
    /// The width, in pixels.
    pub width: u32,
    /// The channels: 1 (a grey digit, light on dark) or 3 (red, green, blue).
    pub channels: usize,
    /// The polarity of a grey picture; `None` detects it.
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
}

/// Reads a PNG or JPEG file.
///
/// # Errors
/// [`PictureError`] if the file cannot be read, or as [`decode`].
pub fn open(path: &Path, wanted: &Wanted) -> Result<Picture, PictureError> {
    let (file, bytes) = read(path)?;
    decode(&file, &bytes, wanted)
}

/// Reads a PNG or JPEG file as RGB: grey is expanded, and transparent parts are composited over white.
pub(super) fn open_rgb(path: &Path) -> Result<RgbImage, PictureError> {
    let (file, bytes) = read(path)?;
    Ok(over_white(upright(&file, &bytes)?).into_rgb8())
}

/// The file's name and its content.
fn read(path: &Path) -> Result<(String, Vec<u8>), PictureError> {
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(PictureError::Io { file, error }),
        Ok(length) if length as u64 > MAX_FILE_BYTES => Err(PictureError::FileTooLarge { file }),
        Ok(_) => Ok((file, bytes)),
    }
}

/// Decodes the content of a PNG or JPEG file; `name` is its name in errors.
///
/// # Errors
/// [`PictureError`] if the content is not a PNG or JPEG picture, is damaged or too large, or if a digit is wanted and
/// there is none.
pub fn decode(name: &str, bytes: &[u8], wanted: &Wanted) -> Result<Picture, PictureError> {
    let Wanted { height, width, channels, .. } = *wanted;
    if height == 0 || width == 0 || ![1, 3].contains(&channels) {
        return Err(PictureError::Wanted { height, width, channels });
    }
    let picture = over_white(upright(name, bytes)?);
    let source_size = (picture.width(), picture.height());
    if channels == 3 {
        let picture = picture.into_rgb8();
        let size = [height, width].map(|side| side as usize);
        let source = [picture.height(), picture.width()].map(|side| side as usize);
        let pixels = cut(&picture, Rectangle::centred(source, size, wanted.resize), size).into_raw();
        return Ok(Picture { pixels, source_size, polarity: None, framed: false });
    }
    let mut grey = picture.into_luma8();
    let polarity = wanted.polarity.unwrap_or_else(|| Polarity::of(&grey));
    if polarity == Polarity::DarkOnLight {
        imageops::invert(&mut grey);
    }
    let framed = grey.dimensions() != (width, height);
    if framed {
        grey = digit::frame(name, &grey, [height, width])?;
    }
    Ok(Picture { pixels: GrayImage::into_raw(grey), source_size, polarity: Some(polarity), framed })
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
    if !picture.color().has_alpha() {
        return picture;
    }
    let rgba = picture.into_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        to.0 = [red, green, blue].map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
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
