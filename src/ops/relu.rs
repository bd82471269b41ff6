//! The rectifier.

use super::Operand;

/// `output = max(input, 0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Relu {
    /// Elements.
    pub len: usize,
}

impl Relu {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![Operand::read("input", [self.len]), Operand::write("output", [self.len])]
    }

    pub(super) fn flops(&self) -> u64 {
        self.len as u64
    }
}

/// `grad_input = grad_output` where `input > 0`, `at_zero * grad_output` where `input == 0`, else 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReluGrad {
    /// Elements.
    pub len: usize,
    /// The slope at exactly 0: 0 in PyTorch, 1/2 in the paper's `torch.max(x, 0)`.
    pub at_zero: f32,
}

impl ReluGrad {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", [self.len]),
            Operand::read("grad_output", [self.len]),
            Operand::write("grad_input", [self.len]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        self.len as u64
    }
}
