//! Operations on tensors of half the size.

use super::{DType, Op, Operand};

/// The operands that are f16: activations, their gradients, and the copies of weights that products read.
const STORED: [&str; 5] = ["input", "weight", "output", "grad_output", "grad_input"];

/// An operation whose large operands are stored as f16. It computes in f32 all the same: it widens what it reads and
/// rounds what it writes. Vectors, statistics and gradients of parameters stay f32.
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

    /// What it computes.
    pub fn op(&self) -> &Op {
        &self.0
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        let stored = |operand: Operand| match STORED.contains(&operand.name) {
            true => operand.of(DType::F16),
            false => operand,
        };
        self.0.operands().into_iter().map(stored).collect()
    }
}

impl From<Half> for Op {
    fn from(half: Half) -> Self {
        Self::Half(half)
    }
}
