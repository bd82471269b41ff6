//! Softmax and cross-entropy.

use super::{DType, Operand};

/// `probs = softmax(logits)` and `loss[n] = -sum over c of target[n, c] ln probs[n, c]`, with the maximum subtracted first.
///
/// The target is 1 for the label and 0 for the other classes, smoothed: `(1 - label_smoothing) [c == label] +
/// label_smoothing / classes`.
///
/// # Source
/// Szegedy et al.: "Rethinking the Inception architecture for computer vision" (2016), in PyTorch's form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropy {
    /// Images in the batch.
    pub n: usize,
    /// Classes.
    pub classes: usize,
    /// The part of the target that is spread evenly over all classes; 0: none.
    pub label_smoothing: f32,
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

/// `grad_logits[n, c] = (probs[n, c] - target[n, c]) / valid`, and 0 for the padding rows `n >= valid`:
/// the gradient of the mean loss over the valid images. The target is that of [`CrossEntropy`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropyGrad {
    /// Images in the batch.
    pub n: usize,
    /// Classes.
    pub classes: usize,
    /// The part of the target that is spread evenly over all classes; 0: none.
    pub label_smoothing: f32,
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
