//! Fake quantisation, for training with the roundings of 8-bit integers.
//!
//! # Source
//! Jacob et al.: "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (2018), for ranges by
//! moving average; Bengio et al.: "Estimating or propagating gradients through stochastic neurons" (2013), for the straight-through
//! gradient.

mod check;
mod cpu;
mod kernels;

use super::{
    ControlBlock, Each, Extent, F32, Family, Operation, Read, Stored, Update, Write, operand::operands,
};

/// The steps of an activation from 0 to the end of its range.
pub const ACTIVATION_STEPS: f32 = 255.0;
/// The steps of a weight from 0 to the largest.
pub const WEIGHT_STEPS: f32 = 127.0;

/// Moves the end of an activation's range towards the largest value: `range += momentum * (max(input, 0) - range)`, where `momentum` is
/// [`super::Control::range_momentum`]; a range of 0 becomes the largest value. Nothing happens if the momentum is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObserveRange {
    /// Elements.
    pub len: usize,
}

operands! {
    /// The operands of [`ObserveRange`].
    ObserveRangeOperands { control: Read<ControlBlock>, input: Read<Stored>, range: Update<F32> }
}

impl Operation for ObserveRange {
    const NAME: &'static str = "fake_quantize.observe";
    type Operands<F: Family> = ObserveRangeOperands<F>;

    fn operands(&self) -> ObserveRangeOperands<Each<Extent>> {
        ObserveRangeOperands { control: Extent::control(), input: [self.len].into(), range: [1].into() }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}

/// Rounds an activation to the values of unsigned bytes: `output = scale * clamp(rne(input / scale), 0, 255)` with
/// `scale = range / 255`; 0 if the range is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeQuantize {
    /// Elements.
    pub len: usize,
}

operands! {
    /// The operands of [`FakeQuantize`].
    FakeQuantizeOperands { range: Read<F32>, input: Read<Stored>, output: Write<Stored> }
}

impl Operation for FakeQuantize {
    const NAME: &'static str = "fake_quantize.forward";
    type Operands<F: Family> = FakeQuantizeOperands<F>;

    fn operands(&self) -> FakeQuantizeOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        FakeQuantizeOperands { range: [1].into(), input: len.clone(), output: len }
    }

    fn flops(&self) -> u64 {
        5 * self.len as u64
    }
}

/// The straight-through gradient of [`FakeQuantize`]: `grad_input = grad_output` where `0 <= rne(input / scale) <= 255`, else 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeQuantizeGrad {
    /// Elements.
    pub len: usize,
}

operands! {
    /// The operands of [`FakeQuantizeGrad`].
    FakeQuantizeGradOperands {
        range: Read<F32>,
        input: Read<Stored>,
        grad_output: Read<Stored>,
        grad_input: Write<Stored>,
    }
}

impl Operation for FakeQuantizeGrad {
    const NAME: &'static str = "fake_quantize.grad_input";
    type Operands<F: Family> = FakeQuantizeGradOperands<F>;

    fn operands(&self) -> FakeQuantizeGradOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        FakeQuantizeGradOperands {
            range: [1].into(),
            input: len.clone(),
            grad_output: len.clone(),
            grad_input: len,
        }
    }

    fn flops(&self) -> u64 {
        4 * self.len as u64
    }
}

/// Rounds weights to the values of signed bytes, each output by itself: `output = scale * rne(weight / scale)` with
/// `scale = max |weight| / 127`; 0 if all are 0. No value is clamped, so that the straight-through gradient is that of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeQuantizeWeight {
    /// Outputs of the layer.
    pub outputs: usize,
    /// Weights of each.
    pub inputs: usize,
    /// Whether the outputs are the columns, `[inputs, outputs]` as of convolutions; if not they are the rows.
    pub columns: bool,
}

operands! {
    /// The operands of [`FakeQuantizeWeight`].
    FakeQuantizeWeightOperands { weight: Read<F32>, output: Write<F32> }
}

impl FakeQuantizeWeight {
    /// The position of an output's weight.
    fn at(&self, output: usize, input: usize) -> usize {
        if self.columns { input * self.outputs + output } else { output * self.inputs + input }
    }
}

impl Operation for FakeQuantizeWeight {
    const NAME: &'static str = "fake_quantize.weight";
    type Operands<F: Family> = FakeQuantizeWeightOperands<F>;

    fn operands(&self) -> FakeQuantizeWeightOperands<Each<Extent>> {
        let all: Extent = match self.columns {
            true => [self.inputs, self.outputs].into(),
            false => [self.outputs, self.inputs].into(),
        };
        FakeQuantizeWeightOperands { weight: all.clone(), output: all }
    }

    fn flops(&self) -> u64 {
        4 * (self.outputs * self.inputs) as u64
    }
}
