//! Operations on f16 tensors.

use super::Op;

/// An operation whose [`super::Stored`] operands are f16. It still computes in f32: inputs are widened and outputs rounded.
/// Vectors, statistics and gradients of parameters stay f32.
///
/// # Source
/// Micikevicius et al.: "Mixed precision training" (2018).
#[derive(Clone, Debug, PartialEq)]
pub struct Half(Box<Op>);

impl Half {
    /// The operation with f16 operands.
    pub fn new(op: impl Into<Op>) -> Self {
        Self(Box::new(op.into()))
    }

    /// The operation.
    pub fn op(&self) -> &Op {
        &self.0
    }
}

impl From<Half> for Op {
    fn from(half: Half) -> Self {
        Self::Half(half)
    }
}
