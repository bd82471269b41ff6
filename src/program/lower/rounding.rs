//! The roundings of quantisation-aware training.

use super::{DType, LowerError, Lowering, Phase, TensorId, Value, label};
use crate::{
    model::Layer,
    ops::{
        FakeQuantize, FakeQuantizeGrad, FakeQuantizeGradOperands, FakeQuantizeOperands, FakeQuantizeWeight,
        FakeQuantizeWeightOperands, ObserveRange, ObserveRangeOperands,
    },
};

impl Lowering<'_> {
    /// A weight rounded to the values of signed bytes.
    pub(super) fn rounded(
        &mut self,
        phase: Phase,
        name: &str,
        weight: usize,
    ) -> Result<TensorId, LowerError> {
        let value = self.reads[weight];
        let shape = self.program.tensor(value).shape.clone();
        let columns = shape.dims().len() == 4;
        let all = shape.elements();
        let outputs = shape.dims()[if columns { 3 } else { 0 }];
        let name = format!("{name}.rounded_weight");
        let rounded = self.transient(name.clone(), shape, DType::F32);
        // Rows can be taken apart, columns cannot.
        let count = if columns { 1 } else { outputs };
        for range in self.split(&name, count, &[value, rounded])? {
            let own = if columns { outputs } else { range.len() };
            let op = FakeQuantizeWeight { outputs: own, inputs: all / outputs, columns };
            let [weight, output] = [value, rounded].map(|tensor| self.items(tensor, count, &range));
            let label = label(&name, "forward", &range, count);
            self.step(phase, label, op, FakeQuantizeWeightOperands { weight, output });
        }
        Ok(rounded)
    }

    /// The rounding of an activation; in training its range follows the values first.
    pub(super) fn fake_quantize(
        &mut self,
        (phase, learns): (Phase, bool),
        name: &str,
        range_of: usize,
        input: Value,
        output: TensorId,
    ) -> Result<(), LowerError> {
        let len = self.program.tensor(input.tensor).shape.elements();
        let ranges = self.split(name, len, &[input.tensor])?;
        if learns {
            // A slice of the batch is enough.
            let operands = ObserveRangeOperands {
                control: self.control(),
                input: self.items(input.tensor, len, &ranges[0]),
                range: self.whole(self.parameters[range_of].value),
            };
            let op = ObserveRange { len: ranges[0].len() };
            self.step(phase, format!("{name}.observe"), op, operands);
        }
        for slice in ranges {
            let [input, output] = [input.tensor, output].map(|tensor| self.items(tensor, len, &slice));
            let operands = FakeQuantizeOperands { range: self.parameter(range_of), input, output };
            let label = label(name, "forward", &slice, len);
            self.step(phase, label, FakeQuantize { len: slice.len() }, operands);
        }
        Ok(())
    }

    pub(super) fn fake_quantize_backward(
        &mut self,
        layer: &Layer,
        range_of: usize,
        input: TensorId,
        [grad_output, grad_input]: [TensorId; 2],
    ) -> Result<(), LowerError> {
        let len = self.program.tensor(input).shape.elements();
        for slice in self.split(&layer.name, len, &[input])? {
            let [input, grad_output, grad_input] =
                [input, grad_output, grad_input].map(|tensor| self.items(tensor, len, &slice));
            let range = self.parameter(range_of);
            let operands = FakeQuantizeGradOperands { range, input, grad_output, grad_input };
            let label = label(&layer.name, "grad_input", &slice, len);
            self.step(Phase::Backward, label, FakeQuantizeGrad { len: slice.len() }, operands);
        }
        Ok(())
    }
}
