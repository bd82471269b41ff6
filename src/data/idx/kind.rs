//! The kinds of IDX files.

use std::fmt;

/// The largest accepted side of an image in pixels: a guard against damaged headers.
pub(super) const MAX_SIDE: u32 = 4096;

/// The content of an IDX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdxKind {
    /// Grey images: u8, three dimensions `[N, H, W]`.
    Images,
    /// Labels: u8, one dimension `[N]`.
    Labels,
}

impl IdxKind {
    /// The first four bytes: two zeros, 8 for u8, and the number of dimensions.
    pub const fn magic(self) -> u32 {
        match self {
            Self::Images => 0x0000_0803,
            Self::Labels => 0x0000_0801,
        }
    }

    /// The header's length in bytes: the magic number and the dimensions.
    pub const fn header_bytes(self) -> usize {
        match self {
            Self::Images => 16,
            Self::Labels => 8,
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Images => Self::Labels,
            Self::Labels => Self::Images,
        }
    }

    pub(super) const fn values(self) -> &'static str {
        match self {
            Self::Images => "pixels",
            Self::Labels => "labels",
        }
    }
}

impl fmt::Display for IdxKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Labels => "labels",
        })
    }
}
