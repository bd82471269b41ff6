//! The rectifier.

mod check;
mod cpu;
mod kernels;

use super::{Each, Extent, Family, Operation, Read, Stored, Write, operand::operands};

/// `output = max(input, 0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Relu {
    /// Elements.
    pub len: usize,
}

operands! {
    /// The operands of [`Relu`].
    ReluOperands { input: Read<Stored>, output: Write<Stored> }
}

impl Operation for Relu {
    const NAME: &'static str = "relu.forward";
    type Operands<F: Family> = ReluOperands<F>;

    fn operands(&self) -> ReluOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        ReluOperands { input: len.clone(), output: len }
    }

    fn flops(&self) -> u64 {
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

operands! {
    /// The operands of [`ReluGrad`].
    ReluGradOperands { input: Read<Stored>, grad_output: Read<Stored>, grad_input: Write<Stored> }
}

impl Operation for ReluGrad {
    const NAME: &'static str = "relu.grad_input";
    type Operands<F: Family> = ReluGradOperands<F>;

    fn operands(&self) -> ReluGradOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        ReluGradOperands { input: len.clone(), grad_output: len.clone(), grad_input: len }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}
