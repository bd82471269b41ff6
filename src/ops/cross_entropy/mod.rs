//! Softmax and cross-entropy.

mod check;
mod cpu;
mod kernels;

use super::{ControlBlock, Each, Extent, F32, Family, Mix, Operation, Read, U32, Write, operand::operands};

/// `probs = softmax(logit_scale logits)` and `loss[n] = -sum over c of target[n, c] ln probs[n, c]`, with the maximum subtracted first.
///
/// The target is 1 for the label and 0 for the other classes, smoothed: `(1 - label_smoothing) [c == label] +
/// label_smoothing / classes`. If images are `mixed`, the unsmoothed target is shared between the image's label and that of the image
/// before it (of the last for the first), as [`Mix::target`] of its row of `mixes` says.
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
    /// Whether targets are shared.
    pub mixed: bool,
    /// The factor on logits, above 0.
    pub logit_scale: f32,
}

operands! {
    /// The operands of [`CrossEntropy`].
    CrossEntropyOperands {
        logits: Read<F32>,
        labels: Read<U32>,
        mixes: Option<Read<F32>>,
        loss: Write<F32>,
        probs: Write<F32>,
    }
}

impl Operation for CrossEntropy {
    const NAME: &'static str = "cross_entropy.forward";
    type Operands<F: Family> = CrossEntropyOperands<F>;

    fn operands(&self) -> CrossEntropyOperands<Each<Extent>> {
        let logits: Extent = [self.n, self.classes].into();
        CrossEntropyOperands {
            logits: logits.clone(),
            labels: [self.n].into(),
            mixes: self.mixed.then(|| [self.n, Mix::LEN].into()),
            loss: [self.n].into(),
            probs: logits,
        }
    }

    fn flops(&self) -> u64 {
        4 * (self.n * self.classes) as u64
    }
}

/// `grad_logits[n, c] = logit_scale (probs[n, c] - target[n, c]) / valid`, and 0 for the padding rows `n >= valid`:
/// the gradient of the mean loss over the valid images. The target is that of [`CrossEntropy`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropyGrad {
    /// Images in the batch.
    pub n: usize,
    /// Classes.
    pub classes: usize,
    /// The part of the target that is spread evenly over all classes; 0: none.
    pub label_smoothing: f32,
    /// Whether targets are shared.
    pub mixed: bool,
    /// The factor on logits, above 0.
    pub logit_scale: f32,
}

operands! {
    /// The operands of [`CrossEntropyGrad`].
    CrossEntropyGradOperands {
        control: Read<ControlBlock>,
        probs: Read<F32>,
        labels: Read<U32>,
        mixes: Option<Read<F32>>,
        grad_logits: Write<F32>,
    }
}

impl Operation for CrossEntropyGrad {
    const NAME: &'static str = "cross_entropy.grad_input";
    type Operands<F: Family> = CrossEntropyGradOperands<F>;

    fn operands(&self) -> CrossEntropyGradOperands<Each<Extent>> {
        let logits: Extent = [self.n, self.classes].into();
        CrossEntropyGradOperands {
            control: Extent::control(),
            probs: logits.clone(),
            labels: [self.n].into(),
            mixes: self.mixed.then(|| [self.n, Mix::LEN].into()),
            grad_logits: logits,
        }
    }

    fn flops(&self) -> u64 {
        2 * (self.n * self.classes) as u64
    }
}
