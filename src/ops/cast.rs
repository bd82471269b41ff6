//! From one floating-point type to another.

use super::{DType, Operand};

/// `output = input` in another type, rounded to the nearest where it is narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cast {
    /// Elements.
    pub len: usize,
    /// The type of `input`: [`DType::F32`] or [`DType::F16`].
    pub from: DType,
    /// The type of `output`: the other one.
    pub to: DType,
}

impl Cast {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", [self.len]).of(self.from),
            Operand::write("output", [self.len]).of(self.to),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        self.len as u64
    }
}
