//! Inverted dropout with a recomputed mask.

mod check;
mod cpu;
mod kernels;

use super::{ControlBlock, Each, Extent, Family, Operation, Read, Stored, Write, operand::operands};

/// `output = input / (1 - rate)` where the element is kept, else 0. The gradient is the same operation on the gradient.
///
/// Element `i` of the layer is kept when word `i % 4` of
/// `philox4x32([i / 4, step, stream::DROPOUT, layer], [seed_low, seed_high])` is at least [`Self::threshold`].
/// The mask is a pure function of (seed, step, layer, element) and is never stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Elements.
    pub len: usize,
    /// The index in the layer of this slice's first element; a multiple of 4.
    pub offset: usize,
    /// The probability of dropping an element, in [0, 1).
    pub rate: f32,
    /// Separates the dropout layers of a network.
    pub layer: u32,
}

operands! {
    /// The operands of [`Dropout`].
    DropoutOperands { control: Read<ControlBlock>, input: Read<Stored>, output: Write<Stored> }
}

impl Dropout {
    /// Random words below this drop their element.
    pub fn threshold(&self) -> u32 {
        (f64::from(self.rate) * 4_294_967_296.0) as u32
    }

    /// The factor on kept elements.
    pub fn scale(&self) -> f32 {
        (1.0 / (1.0 - f64::from(self.rate))) as f32
    }
}

impl Operation for Dropout {
    const NAME: &'static str = "dropout.apply";
    type Operands<F: Family> = DropoutOperands<F>;

    fn operands(&self) -> DropoutOperands<Each<Extent>> {
        DropoutOperands { control: Extent::control(), input: [self.len].into(), output: [self.len].into() }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}
