//! Fully connected layers.

mod check;
mod cpu;
mod kernels;
mod reference;

use super::{
    Adam, ControlBlock, Each, Extent, F32, Family, Operation, Read, Stored, Update, Write, operand::operands,
};

/// `output[n, o] = bias[o] + sum over i of input[n, i] * weight[o, i]`.
///
/// A weight matrix that is too large for one binding is processed in slices of its output features: then `weight` and
/// `bias` are the features `first .. first + outputs` of `total`, and only those columns are written.
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

operands! {
    /// The operands of [`Linear`].
    LinearOperands { input: Read<Stored>, weight: Read<Stored>, bias: Read<F32>, output: Write<Stored> }
}

impl Linear {
    /// A layer in one piece.
    pub fn whole(n: usize, inputs: usize, outputs: usize) -> Self {
        Self { n, inputs, outputs, first: 0, total: outputs }
    }
}

impl Operation for Linear {
    const NAME: &'static str = "linear.forward";
    type Operands<F: Family> = LinearOperands<F>;

    fn operands(&self) -> LinearOperands<Each<Extent>> {
        let partial = self.outputs < self.total;
        LinearOperands {
            input: [self.n, self.inputs].into(),
            weight: [self.outputs, self.inputs].into(),
            bias: [self.outputs].into(),
            output: Extent::result([self.n, self.total], partial),
        }
    }

    fn flops(&self) -> u64 {
        2 * self.n as u64 * self.inputs as u64 * self.outputs as u64
    }
}

/// `grad_input[n, i] = sum over the slice's o of grad_output[n, o] * weight[o, i]`; every slice except the first adds to
/// `grad_input`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinearGradInput(pub Linear);

operands! {
    /// The operands of [`LinearGradInput`].
    LinearGradInputOperands { grad_output: Read<Stored>, weight: Read<Stored>, grad_input: Write<Stored> }
}

impl LinearGradInput {
    /// Whether the result is added to `grad_input`.
    pub fn accumulate(&self) -> bool {
        self.0.first > 0
    }
}

impl Operation for LinearGradInput {
    const NAME: &'static str = "linear.grad_input";
    type Operands<F: Family> = LinearGradInputOperands<F>;

    fn operands(&self) -> LinearGradInputOperands<Each<Extent>> {
        LinearGradInputOperands {
            grad_output: [self.0.n, self.0.total].into(),
            weight: [self.0.outputs, self.0.inputs].into(),
            grad_input: Extent::result([self.0.n, self.0.inputs], self.accumulate()),
        }
    }

    fn flops(&self) -> u64 {
        self.0.flops()
    }
}

/// `grad_weight[o, i] = sum over n of grad_output[n, o] * input[n, i]` for the slice's o.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinearGradWeight(pub Linear);

operands! {
    /// The operands of [`LinearGradWeight`].
    LinearGradWeightOperands { input: Read<Stored>, grad_output: Read<Stored>, grad_weight: Write<F32> }
}

impl Operation for LinearGradWeight {
    const NAME: &'static str = "linear.grad_weight";
    type Operands<F: Family> = LinearGradWeightOperands<F>;

    fn operands(&self) -> LinearGradWeightOperands<Each<Extent>> {
        LinearGradWeightOperands {
            input: [self.0.n, self.0.inputs].into(),
            grad_output: [self.0.n, self.0.total].into(),
            grad_weight: [self.0.outputs, self.0.inputs].into(),
        }
    }

    fn flops(&self) -> u64 {
        self.0.flops()
    }
}

/// [`LinearGradWeight`] fused with one step of [`Adam`] on the slice's weights: the gradient is never stored.
///
/// Must run after every use of the old weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearUpdate {
    /// The layer.
    pub linear: Linear,
    /// The rule; `len` is ignored, and `scaled` must not be set.
    pub adam: Adam,
}

operands! {
    /// The operands of [`LinearUpdate`].
    LinearUpdateOperands {
        input: Read<Stored>,
        grad_output: Read<Stored>,
        control: Read<ControlBlock>,
        parameter: Update<F32>,
        m: Update<F32>,
        v: Update<F32>,
    }
}

impl Operation for LinearUpdate {
    const NAME: &'static str = "linear.update";
    type Operands<F: Family> = LinearUpdateOperands<F>;

    fn operands(&self) -> LinearUpdateOperands<Each<Extent>> {
        let Linear { n, inputs, outputs, total, .. } = self.linear;
        let weight: Extent = [outputs, inputs].into();
        LinearUpdateOperands {
            input: [n, inputs].into(),
            grad_output: [n, total].into(),
            control: Extent::control(),
            parameter: weight.clone(),
            m: weight.clone(),
            v: weight,
        }
    }

    fn flops(&self) -> u64 {
        let Linear { inputs, outputs, .. } = self.linear;
        self.linear.flops() + Adam { len: inputs * outputs, ..self.adam }.flops()
    }
}
