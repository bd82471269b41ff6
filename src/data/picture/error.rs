//! Why pictures cannot be read.

use std::io;

use image::{ImageError, ImageFormat};

/// The longest accepted side of a picture, in pixels.
pub(super) const MAX_SIDE: u32 = 16_384;

/// The largest accepted picture, in bytes of its pixels; also the decoder's memory limit.
pub(super) const MAX_DECODED_BYTES: u64 = 512 << 20;

/// The largest accepted file, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 20;

impl PictureError {
    /// Why nothing was found in a picture that could be read; `None` for other errors.
    pub fn nothing_found(&self) -> Option<String> {
        let file = match self {
            Self::Blank { file, .. } | Self::NoDigit { file } => file,
            _ => return None,
        };
        let text = self.to_string();
        Some(text.strip_prefix(&format!("{file}: no digit found: ")).unwrap_or(&text).to_owned())
    }
}

/// A picture that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be read.
    #[error("{file}: {error}; check that it is a file that you may read")]
    Io {
        /// The file.
        file: String,
        /// The system's error.
        error: io::Error,
    },
    /// The file has no content.
    #[error("{file}: the file is empty (0 bytes); give a PNG or JPEG picture")]
    EmptyFile {
        /// The file.
        file: String,
    },
    /// The file is longer than any picture should be.
    #[error("{file}: more than {} MiB, the most that is read; scale the picture down", MAX_FILE_BYTES >> 20)]
    FileTooLarge {
        /// The file.
        file: String,
    },
    /// The content is in no known format.
    #[error("{file}: not a picture (it begins with {start}); give a PNG or JPEG picture")]
    NotAPicture {
        /// The file.
        file: String,
        /// Its first bytes, in hexadecimal.
        start: String,
    },
    /// The content is a picture in another format.
    #[error("{file}: a picture in the format {format:?}, but only PNG and JPEG are read; convert it")]
    OtherFormat {
        /// The file.
        file: String,
        /// Its format.
        format: ImageFormat,
    },
    /// A JPEG lacks its end.
    #[error("{file}: the file ends after {bytes} bytes, before the picture does; fetch or save it again")]
    CutShort {
        /// The file.
        file: String,
        /// The length of the file in bytes.
        bytes: usize,
    },
    /// The decoder failed.
    #[error("{file}: damaged picture: {error}; save it again or give another")]
    Damaged {
        /// The file.
        file: String,
        /// The decoder's error.
        error: ImageError,
    },
    /// The picture has too many pixels.
    #[error(
        "{file}: {width} x {height} pixels ({:.1} MiB); at most {MAX_SIDE} to a side and {} MiB are read, \
         scale it down",
        *.bytes as f64 / f64::from(1 << 20), MAX_DECODED_BYTES >> 20
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The width, in pixels.
        width: u32,
        /// The height, in pixels.
        height: u32,
        /// The bytes of its pixels.
        bytes: u64,
    },
    /// The decoder would exceed its memory limit.
    #[error("{file}: decoding it takes more than {} MiB, the most it may; scale it down", MAX_DECODED_BYTES >> 20)]
    DecoderLimit {
        /// The file.
        file: String,
    },
    /// There is not enough contrast to find a digit.
    #[error(
        "{file}: no digit found: the brightest part of the ink differs from the ground by {contrast} of 255 levels, \
         {needed} are needed; give a picture with more contrast, or say which way round it is"
    )]
    Blank {
        /// The file.
        file: String,
        /// The contrast found, in levels.
        contrast: u8,
        /// The smallest contrast that counts.
        needed: u8,
    },
    /// There is contrast, but nothing like the strokes of a digit.
    #[error(
        "{file}: no digit found: nothing in the picture stands out from its surroundings as strokes do; crop it to the digit, or say \
         with --ink whether the ink is dark or light"
    )]
    NoDigit {
        /// The file.
        file: String,
    },
    /// No network takes such images.
    #[error(
        "images of {} x {} pixels and {} channels were requested; they need an area, and 1 or 3 channels",
        .height, .width, .channels
    )]
    Wanted {
        /// The requested height.
        height: u32,
        /// The requested width.
        width: u32,
        /// The requested channels.
        channels: usize,
    },
}
