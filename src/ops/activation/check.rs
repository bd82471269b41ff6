//! How [`Activate`] and its gradient are checked.

use super::{Activate, ActivateGrad, Activation};
use crate::verify::{
    Tolerance,
    check::{Check, Inputs, Tolerances, halve, normal, roundings, ties},
    shapes::{LENGTHS, LONG},
};

/// The ReLU of the paper.
pub(crate) const PAPER_RELU: Activation = Activation::Relu { at_zero: 0.5 };
/// ReLU as PyTorch has it.
pub(crate) const RELU: Activation = Activation::Relu { at_zero: 0.0 };

/// Each kind; ReLU with both slopes at 0.
pub(crate) fn activations() -> impl Iterator<Item = Activation> {
    [RELU].into_iter().chain(Activation::EACH)
}

/// All but ReLU.
pub(crate) fn other_activations() -> impl Iterator<Item = Activation> + Clone {
    Activation::EACH.into_iter().filter(|activation| !matches!(activation, Activation::Relu { .. }))
}

impl Activation {
    /// Whether it is piecewise linear, so that kernels compute it exactly.
    pub(crate) fn straight(self) -> bool {
        matches!(self, Self::Relu { .. } | Self::LeakyRelu { .. })
    }

    /// With values at the kinks, infinities and NaN if it is piecewise linear; else normal values.
    fn input(self, len: usize) -> Vec<f32> {
        if self.straight() { ties("input", len) } else { normal("input", len) }
    }

    /// A product with a power of two is exact. Exponentials of arguments up to about 10 are off by up to 25 units in the last
    /// place (WGSL's bound, 3 + 2 |x|) if they are small themselves; the rest is a few roundings.
    pub(crate) fn tolerance(self) -> Tolerance {
        if self.straight() { Tolerance::EXACT } else { roundings(8.0, 4.0) }
    }
}

impl Check for Activate {
    fn cases() -> Vec<Self> {
        let lengths = || LENGTHS.into_iter().chain([LONG]);
        Activation::EACH
            .into_iter()
            .flat_map(|activation| lengths().map(move |len| Self { len, activation }))
            .collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = self.activation.input(self.len);
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.output = self.activation.tolerance();
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}

impl Check for ActivateGrad {
    fn cases() -> Vec<Self> {
        activations().flat_map(|activation| LENGTHS.map(|len| Self { len, activation })).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = self.activation.input(self.len);
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.grad_input = match self.activation.straight() {
            // One product with a power of two.
            true => roundings(1.0, 0.0),
            // The gradient has an outlier of 50.
            false => roundings(8.0, 8.0),
        };
    }

    fn halved(&self) -> Option<Self> {
        Some(Self { len: halve(self.len)?, ..*self })
    }
}
