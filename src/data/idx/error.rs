//! Why IDX files cannot be read.

use std::io;

use super::file::{IdxKind, MAX_SIDE};

/// A file of IDX images or labels that cannot be used, or two that do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// One of the four files is not there.
    #[error("{dir}: {reason} {looked_for}; put the file there or name another directory")]
    Missing {
        /// The directory.
        dir: String,
        /// The names that were looked for.
        looked_for: String,
        /// What is the matter with the directory.
        reason: &'static str,
    },
    /// The file cannot be read.
    #[error("{file}: {error}; check that it is a file that you may read")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        error: io::Error,
    },
    /// The gzip stream is damaged.
    #[error("{file}: damaged gzip stream ({error}) after {bytes} bytes of content; fetch the file again")]
    Gzip {
        /// The file.
        file: String,
        /// What the decoder said.
        error: io::Error,
        /// How many bytes had come out of it.
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
        /// The bytes there are.
        bytes: usize,
        /// The bytes of the header.
        header: usize,
        /// What the file should hold.
        kind: IdxKind,
    },
    /// The file does not begin as IDX of this kind does.
    #[error(
        "{file}: begins with {found:#010x}, but IDX {kind} begin with {:#010x}; {}",
        .kind.magic(), magic_hint(*.found)
    )]
    Magic {
        /// The file.
        file: String,
        /// The first four bytes, big-endian.
        found: u32,
        /// What the file should hold.
        kind: IdxKind,
    },
    /// The file holds labels where images are expected, or the reverse.
    #[error("{file}: holds {}, but {kind} are expected; are the two files swapped?", .kind.other())]
    Swapped {
        /// The file.
        file: String,
        /// What the file should hold.
        kind: IdxKind,
    },
    /// There are no images or labels.
    #[error("{file}: the header promises 0 {kind}; at least 1 is needed, fetch the file again")]
    Empty {
        /// The file.
        file: String,
        /// What the file should hold.
        kind: IdxKind,
    },
    /// The images have no pixels, or more than any image of this format has.
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
    /// The file ends before its values do.
    #[error(
        "{file}: {found} bytes of {}, but the header promises {expected}; the file is truncated, fetch it again",
        .kind.values()
    )]
    Truncated {
        /// The file.
        file: String,
        /// What the file should hold.
        kind: IdxKind,
        /// The bytes there are after the header.
        found: u64,
        /// The bytes there should be.
        expected: u64,
    },
    /// The file goes on after its values.
    #[error(
        "{file}: goes on after the {expected} bytes of {} that the header promises; \
         the file is damaged or something is appended to it, fetch it again",
        .kind.values()
    )]
    Trailing {
        /// The file.
        file: String,
        /// What the file should hold.
        kind: IdxKind,
        /// The bytes there should be after the header.
        expected: u64,
    },
    /// There are not as many labels as images.
    #[error(
        "{images_file} has {images} images, but {labels_file} has {labels} labels; they are not of one set"
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
        /// Which label.
        index: usize,
        /// Its value.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
    /// Training and test images are not of one size.
    #[error(
        "{train_file} has images of {} x {} pixels, but {test_file} of {} x {}; they are not of one set",
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

/// What four unexpected first bytes tell.
fn magic_hint(found: u32) -> &'static str {
    if found >> 16 == 0 && (0x08..=0x0E).contains(&(found >> 8)) {
        "it is IDX of another type or number of dimensions"
    } else {
        "it is not an IDX file (plain or gzipped)"
    }
}
