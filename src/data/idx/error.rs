//! Why IDX files cannot be read.

use std::io;

use super::kind::{IdxKind, MAX_SIDE};

/// A file of IDX images or labels that cannot be used, or two that do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// One of the four files is missing.
    #[error("{dir}: {reason} {looked_for}; put the file there or name another directory")]
    Missing {
        /// The directory.
        dir: String,
        /// The names that were tried.
        looked_for: String,
        /// What is wrong with the directory.
        reason: &'static str,
    },
    /// The file cannot be read.
    #[error("{file}: {error}; check that it is a file that you may read")]
    Io {
        /// The file.
        file: String,
        /// The system's error.
        error: io::Error,
    },
    /// The gzip stream is damaged.
    #[error("{file}: damaged gzip stream ({error}) after {bytes} bytes of content; fetch the file again")]
    Gzip {
        /// The file.
        file: String,
        /// The decoder's error.
        error: io::Error,
        /// The number of bytes decoded before.
        bytes: usize,
    },
    /// The file ends within its header.
    #[error(
        "{file}: {bytes} bytes, but the header alone of IDX {kind} is {header}; \
         the file is truncated, fetch it again"
    )]
    Header {
        /// The file.
        file: String,
        /// The number of bytes in the file.
        bytes: usize,
        /// The bytes of the header.
        header: usize,
        /// The expected content.
        kind: IdxKind,
    },
    /// The file does not begin with the magic number of its kind.
    #[error(
        "{file}: begins with {found:#010x}, but IDX {kind} begin with {:#010x}; {}",
        .kind.magic(), magic_hint(*.found)
    )]
    Magic {
        /// The file.
        file: String,
        /// The first four bytes, big-endian.
        found: u32,
        /// The expected content.
        kind: IdxKind,
    },
    /// The file contains labels where images are expected, or the reverse.
    #[error("{file}: contains {}, but {kind} are expected; are the two files swapped?", .kind.other())]
    Swapped {
        /// The file.
        file: String,
        /// The expected content.
        kind: IdxKind,
    },
    /// There are no images or labels.
    #[error("{file}: the header promises 0 {kind}; at least 1 is needed, fetch the file again")]
    Empty {
        /// The file.
        file: String,
        /// The expected content.
        kind: IdxKind,
    },
    /// The images have no pixels or too many.
    #[error(
        "{file}: the header promises images of {height} x {width} pixels; sides from 1 to {MAX_SIDE} are read, \
         the file is damaged or not an image set"
    )]
    Side {
        /// The file.
        file: String,
        /// The height, in pixels.
        height: u32,
        /// The width, in pixels.
        width: u32,
    },
    /// The file is shorter than its header says.
    #[error(
        "{file}: {found} bytes of {}, but the header promises {expected}; the file is truncated, fetch it again",
        .kind.values()
    )]
    Truncated {
        /// The file.
        file: String,
        /// The expected content.
        kind: IdxKind,
        /// The number of bytes after the header.
        found: u64,
        /// The number of bytes expected.
        expected: u64,
    },
    /// The file is longer than its header says.
    #[error(
        "{file}: continues after the {expected} bytes of {} that the header promises; \
         the file is damaged or something is appended to it, fetch it again",
        .kind.values()
    )]
    Trailing {
        /// The file.
        file: String,
        /// The expected content.
        kind: IdxKind,
        /// The number of bytes expected after the header.
        expected: u64,
    },
    /// The numbers of images and labels differ.
    #[error(
        "{images_file} has {images} images, but {labels_file} has {labels} labels; they do not belong together"
    )]
    Counts {
        /// The file of images.
        images_file: String,
        /// The number of images.
        images: usize,
        /// The file of labels.
        labels_file: String,
        /// The number of labels.
        labels: usize,
    },
    /// A label is not a class.
    #[error(
        "{file}: label {index} is {label}, but there are {classes} classes, counted from 0; is this another set?"
    )]
    Label {
        /// The file of labels.
        file: String,
        /// The label's index.
        index: usize,
        /// Its value.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
    /// Training and test images have different sizes.
    #[error(
        "{train_file} has images of {} x {} pixels, but {test_file} of {} x {}; they do not belong together",
        .train.0, .train.1, .test.0, .test.1
    )]
    Sizes {
        /// The file of training images.
        train_file: String,
        /// Their height and width, in pixels.
        train: (usize, usize),
        /// The file of test images.
        test_file: String,
        /// Their height and width, in pixels.
        test: (usize, usize),
    },
}

/// The meaning of an unexpected magic number.
fn magic_hint(found: u32) -> &'static str {
    if found >> 16 == 0 && (0x08..=0x0E).contains(&(found >> 8)) {
        "it is IDX of another type or number of dimensions"
    } else {
        "it is not an IDX file (plain or gzipped)"
    }
}
