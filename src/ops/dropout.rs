//! Inverted dropout with a recomputed mask.

use super::Operand;

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

impl Dropout {
    /// Random words below this drop their element.
    pub fn threshold(&self) -> u32 {
        (f64::from(self.rate) * 4_294_967_296.0) as u32
    }

    /// The factor on kept elements.
    pub fn scale(&self) -> f32 {
        (1.0 / (1.0 - f64::from(self.rate))) as f32
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![Operand::control(), Operand::read("input", [self.len]), Operand::write("output", [self.len])]
    }

    pub(super) fn flops(&self) -> u64 {
        self.len as u64
    }
}
