//! A row: one way to compute an operation on a GPU.

use super::{Caps, Kernel};
use crate::{dtype::DType, ops::Operation};

/// The types in which a row supports the operands that mixed precision stores as f16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// f32 only.
    F32,
    /// f16 only.
    F16,
    /// Either.
    Both,
}

impl Stores {
    /// What is missing for operands of this type on a device, in words.
    pub(super) fn lacks(self, storage: DType, caps: &Caps) -> Option<&'static str> {
        match (self, storage) {
            (Self::F32, DType::F16) => Some("f32 operands"),
            (_, DType::F16) => (!caps.f16).then_some("16-bit floats"),
            (Self::F16, _) => Some("f16 operands"),
            _ => None,
        }
    }
}

/// A requirement of a row.
pub(crate) struct Requirement<O: 'static> {
    /// The condition in words.
    pub what: &'static str,
    /// The condition.
    pub met: fn(&O, &Caps) -> bool,
}

/// A requirement: in words, and as a test of the operation and the device.
pub(crate) const fn needs<O>(what: &'static str, met: fn(&O, &Caps) -> bool) -> Requirement<O> {
    Requirement { what, met }
}

/// One way to compute an operation. It computes the same on every device that it supports.
pub(crate) struct Row<O: 'static> {
    /// The name, unique within the operation.
    pub name: &'static str,
    /// The supported storage types of its operands.
    pub stores: Stores,
    /// Its requirements of the operation and of the device.
    pub requires: &'static [Requirement<O>],
    /// The expected speed in percent of [`speed::general`]; called only if all requirements are met. The fastest row is
    /// chosen, the first among equals.
    pub speed: fn(&O, &Caps) -> u32,
    /// The dispatches for operands of a storage type.
    pub build: fn(&O, DType, &Caps) -> Kernel,
}

/// The rows of an operation: `src/ops/<op>/kernels.rs`.
pub(crate) trait Rows: Operation + 'static {
    /// The rows in the order of preference.
    const ROWS: &[&[Row<Self>]];
}

/// The expected speeds of most rows. A row that is fast only on some shapes has its own function, next to its measurement.
pub(crate) mod speed {
    use super::Caps;

    /// The baseline: a row that any device runs well.
    pub fn general<O>(_: &O, _: &Caps) -> u32 {
        100
    }

    /// Rows on matrix units of 16 x 16: several times the arithmetic of the others, Winograd's included. Units of 8 x 8 (Apple's) have the
    /// rate of the other arithmetic and spare loads, so that Winograd's rows precede them where they save more. Estimated, not measured.
    pub fn on_matrix_units<O>(_: &O, caps: &Caps) -> u32 {
        if caps.matrix_units.is_some_and(|units| units.side < 16) && !caps.software() { 150 } else { 400 }
    }

    /// Barrier-free rows without workgroup memory: three times as fast as the general row on a software adapter (measured on
    /// llvmpipe: 2 to 6 times), and much slower than it on a GPU.
    pub fn on_software<O>(_: &O, caps: &Caps) -> u32 {
        if caps.software() { 300 } else { 30 }
    }
}
