//! Softmax and cross-entropy.

use super::{DType, Operand};

/// `probs = softmax(logits)` and `loss[n] = -ln probs[n, label]`, with the maximum subtracted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CrossEntropy {
    /// Images in the batch.
    pub n: usize,
    /// Classes.
    pub classes: usize,
}

impl CrossEntropy {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("logits", [self.n, self.classes]),
            Operand::read("labels", [self.n]).of(DType::U32),
            Operand::write("loss", [self.n]),
            Operand::write("probs", [self.n, self.classes]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        4 * (self.n * self.classes) as u64
    }
}

/// `grad_logits[n, c] = (probs[n, c] - [c == label]) / valid`, and 0 for the padding rows `n >= valid`:
/// the gradient of the mean loss over the valid images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CrossEntropyGrad {
    /// Images in the batch.
    pub n: usize,
    /// Classes.
    pub classes: usize,
}

impl CrossEntropyGrad {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::control(),
            Operand::read("probs", [self.n, self.classes]),
            Operand::read("labels", [self.n]).of(DType::U32),
            Operand::write("grad_logits", [self.n, self.classes]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        2 * (self.n * self.classes) as u64
    }
}
