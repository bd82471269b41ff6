//! The additions for mixed precision: f16 copies of weights, the last layer in f32, loss scaling.

use super::{DType, LowerError, Lowering, Phase, Precision, Scaling, TensorId, Value, label};
use crate::{
    model::Layer,
    ops::{Cast, CastOperands, ScaleGradient, ScaleGradientOperands},
};

impl Lowering<'_> {
    /// The type of activations.
    pub(super) fn activations(&self) -> DType {
        match self.settings.precision {
            Precision::F32 => DType::F32,
            Precision::Mixed => DType::F16,
        }
    }

    /// A tensor in a type: itself, or a copy.
    pub(super) fn cast(
        &mut self,
        phase: Phase,
        name: &str,
        tensor: TensorId,
        to: DType,
    ) -> Result<TensorId, LowerError> {
        let from = self.dtype(tensor);
        if from == to {
            return Ok(tensor);
        }
        let shape = self.program.tensor(tensor).shape.clone();
        let len = shape.elements();
        let copy = self.transient(name.to_owned(), shape, to);
        for range in self.split(name, len, &[tensor, copy])? {
            let op = Cast { len: range.len(), from, to };
            let [input, output] = [tensor, copy].map(|t| self.items(t, len, &range));
            self.step(phase, label(name, "convert", &range, len), op, CastOperands { input, output });
        }
        Ok(copy)
    }

    /// The input of the last layer: it stays f32, like the loss.
    pub(super) fn widened(
        &mut self,
        phase: Phase,
        tag: &str,
        layer: &Layer,
        input: Value,
    ) -> Result<Value, LowerError> {
        let tensor = self.cast(phase, &format!("{tag}{}.input", layer.name), input.tensor, DType::F32)?;
        Ok(Value { tensor, ..input })
    }

    /// Makes the copy of a weight that this pass reads: rounded in quantisation-aware training, in f16 if the layer's input is.
    pub(super) fn copy_weight(
        &mut self,
        phase: Phase,
        name: &str,
        weight: usize,
        input: Value,
    ) -> Result<(), LowerError> {
        let value = self.reads[weight];
        let rounded = if self.network.config.qat { self.rounded(phase, name, weight)? } else { value };
        let copy = self.cast(phase, &format!("{name}.weight"), rounded, self.dtype(input.tensor))?;
        self.copies[weight] = (copy != value).then_some(copy);
        Ok(())
    }

    /// The tensor of a weight that products read.
    pub(super) fn weight(&self, weight: usize) -> TensorId {
        self.copies[weight].unwrap_or(self.reads[weight])
    }

    /// Multiplies the loss's gradient by the scale.
    pub(super) fn scale(&mut self, gradient: TensorId) {
        let Some(Scaling { state, .. }) = self.scaling else { return };
        let len = self.program.tensor(gradient).shape.elements();
        let [loss_scale, gradient] = [state, gradient].map(|t| self.whole(t));
        let operands = ScaleGradientOperands { loss_scale, gradient };
        self.step(Phase::Backward, "loss.scale".into(), ScaleGradient { len }, operands);
    }
}
