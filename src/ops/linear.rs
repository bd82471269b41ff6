//! Fully connected layers.

use super::{Access, Adam, Operand};

/// `output[n, o] = bias[o] + sum over i of input[n, i] * weight[o, i]`.
///
/// A weight matrix that is too large for one binding is worked in slices of its output features: then `weight`
/// and `bias` hold the features `first .. first + outputs` of `total` and only those columns are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Linear {
    /// Images in the batch.
    pub n: usize,
    /// Input features.
    pub inputs: usize,
    /// Output features of this slice.
    pub outputs: usize,
    /// The first output feature of this slice.
    pub first: usize,
    /// Output features of the whole layer.
    pub total: usize,
}

impl Linear {
    /// A layer in one piece.
    pub fn whole(n: usize, inputs: usize, outputs: usize) -> Self {
        Self { n, inputs, outputs, first: 0, total: outputs }
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        let partial = self.outputs < self.total;
        vec![
            Operand::read("input", [self.n, self.inputs]),
            Operand::read("weight", [self.outputs, self.inputs]),
            Operand::read("bias", [self.outputs]),
            Operand {
                access: if partial { Access::ReadWrite } else { Access::Write },
                ..Operand::write("output", [self.n, self.total])
            },
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        2 * self.n as u64 * self.inputs as u64 * self.outputs as u64
    }
}

/// `grad_input[n, i] = sum over the slice's o of grad_output[n, o] * weight[o, i]`, added to what is there
/// unless the slice is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinearGradInput(pub Linear);

impl LinearGradInput {
    /// Whether the result is added to what `grad_input` holds.
    pub fn accumulate(&self) -> bool {
        self.0.first > 0
    }

    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("grad_output", [self.0.n, self.0.total]),
            Operand::read("weight", [self.0.outputs, self.0.inputs]),
            Operand::result("grad_input", [self.0.n, self.0.inputs], self.accumulate()),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        self.0.flops()
    }
}

/// `grad_weight[o, i] = sum over n of grad_output[n, o] * input[n, i]` for the slice's o.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinearGradWeight(pub Linear);

impl LinearGradWeight {
    pub(super) fn operands(&self) -> Vec<Operand> {
        vec![
            Operand::read("input", [self.0.n, self.0.inputs]),
            Operand::read("grad_output", [self.0.n, self.0.total]),
            Operand::write("grad_weight", [self.0.outputs, self.0.inputs]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        self.0.flops()
    }
}

/// [`LinearGradWeight`] and, with the gradient that it finds, one step of [`Adam`] on the slice's weights: the gradient is
/// nowhere stored.
///
/// Whatever reads the weights of before has to come first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearUpdate {
    /// The layer.
    pub linear: Linear,
    /// The rule; `len` is not looked at, `scaled` is not set.
    pub adam: Adam,
}

impl LinearUpdate {
    pub(super) fn operands(&self) -> Vec<Operand> {
        let Linear { n, inputs, outputs, total, .. } = self.linear;
        vec![
            Operand::read("input", [n, inputs]),
            Operand::read("grad_output", [n, total]),
            Operand::control(),
            Operand::update("parameter", [outputs, inputs]),
            Operand::update("m", [outputs, inputs]),
            Operand::update("v", [outputs, inputs]),
        ]
    }

    pub(super) fn flops(&self) -> u64 {
        let Linear { inputs, outputs, .. } = self.linear;
        self.linear.flops() + Adam { len: inputs * outputs, ..self.adam }.flops()
    }
}
