//! Conversion between floating-point types.

mod check;
mod cpu;
mod kernels;

use super::{DType, Each, Extent, Family, Operation, Read, Stored, Write, operand::operands};

/// `output = input` in another type, rounded to nearest if that is narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cast {
    /// Elements.
    pub len: usize,
    /// The type of `input`: [`DType::F32`] or [`DType::F16`].
    pub from: DType,
    /// The type of `output`: the other one.
    pub to: DType,
}

operands! {
    /// The operands of [`Cast`].
    CastOperands { input: Read<Stored>, output: Write<Stored> }
}

impl Operation for Cast {
    const NAME: &'static str = "cast.convert";
    type Operands<F: Family> = CastOperands<F>;

    fn operands(&self) -> CastOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        CastOperands { input: len.clone().of(self.from), output: len.of(self.to) }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}
