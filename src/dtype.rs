//! The element types of tensors.

use std::fmt;

/// The storage type of a tensor's elements on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit IEEE 754 float. The CPU executor computes these in its own scalar type.
    F32,
    /// 16-bit IEEE 754 float, for storage only: everything computes in a wider type. The CPU executor also stores these in
    /// its own scalar type.
    F16,
    /// 32-bit unsigned integer: labels, the control block.
    U32,
    /// Bytes: images from the data set. On a GPU four are packed into a `u32`, lowest byte first.
    U8,
}

impl DType {
    /// The size of one element in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::F16 => 2,
            Self::U8 => 1,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U32 => "u32",
            Self::U8 => "u8",
        })
    }
}
