//! The gradient of a class's logit with respect to a layer.

use super::{
    LowerError, Lowering, Phase, Record, Role, Tensor, TensorId,
    backward::{Grad, Through},
    pixels_channels,
};
use crate::{
    dtype::DType,
    model::LayerKind,
    ops::{BatchNormGradAffine, BatchNormGradAffineOperands},
};

/// The tensors of an explanation, all f32. [`crate::program::Pass::Train`] runs it.
///
/// # Source
/// Selvaraju et al.: "Grad-CAM: Visual explanations from deep networks via gradient-based localization" (2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// `[N, classes]`, uploaded: the weight of each logit; 1 for the class in question and 0 for the others.
    pub logits: TensorId,
    /// `[N, H, W, C]`: the layer's activation.
    pub activation: TensorId,
    /// `[N, H, W, C]`: the gradient of the weighted logits with respect to that output.
    pub gradient: TensorId,
}

impl<'a> Lowering<'a> {
    /// Lowers the backward pass to the layer of this index, with batch norm's running statistics as constants.
    pub(super) fn explain(&mut self, tape: &[Record<'a>], layer: usize) -> Result<Explained, LowerError> {
        let target = &self.network.layers[layer];
        let first =
            tape.iter().position(|record| record.layer.name == target.name).expect("not a dropout layer");
        let shape = [self.settings.batch, self.network.config.classes].into();
        let logits = self.program.add(Tensor {
            name: "explain.logits".into(),
            shape,
            dtype: DType::F32,
            role: Role::Input,
        });
        let mut grad = Grad::plain(logits);
        for record in tape[first + 1..].iter().rev() {
            grad = self.explain_layer(record, grad)?;
        }
        let name = format!("{}.activation", target.name);
        let activation = self.applied(Phase::Backward, name, &target.output, tape[first].output)?;
        for tensor in [activation, grad.tensor] {
            self.program.tensors[tensor.0].role = Role::Output;
        }
        Ok(Explained { logits, activation, gradient: grad.tensor })
    }

    fn explain_layer(&mut self, record: &Record<'a>, grad: Grad) -> Result<Grad, LowerError> {
        let Record { layer, input, output, .. } = *record;
        Ok(match layer.kind {
            // It is fused into the preceding normalisation.
            LayerKind::Activation(_) if input.tensor == output.tensor => grad,
            LayerKind::BatchNorm(_) => {
                let (_, channels) = pixels_channels(layer);
                let (affine, _) = output.pending.expect("a batch norm's output is pending");
                // The gradients of gamma and beta, which are not needed with running statistics; never written.
                let [grad_gamma, grad_beta] = ["gamma", "beta"].map(|field| {
                    let name = format!("{}.no_grad_{field}", layer.name);
                    let (shape, role) = ([channels].into(), Role::Gradient);
                    self.program.add(Tensor { name, shape, dtype: DType::F32, role })
                });
                let name = format!("{}.grad_affine", layer.name);
                let grad_affine = self.transient(name.clone(), [5, channels].into(), DType::F32);
                let op = BatchNormGradAffine { channels, total_rows: 1, bias: false };
                let operands = BatchNormGradAffineOperands {
                    affine: self.whole(affine),
                    grad_gamma: self.whole(grad_gamma),
                    grad_beta: self.whole(grad_beta),
                    grad_affine: self.whole(grad_affine),
                    grad_bias: None,
                };
                self.step(Phase::Backward, name, op, operands);
                let activation = Some(self.network.activation());
                Grad { through: Some(Through { output: input.tensor, grad_affine, activation }), ..grad }
            }
            LayerKind::Conv(parameters) => {
                let grad_input = self.grad_input(layer, input.tensor);
                let through = grad.through.map(|t| t.output);
                let tensors: Vec<TensorId> = [grad.tensor, grad_input].into_iter().chain(through).collect();
                for range in self.split_images(&layer.name, &tensors)? {
                    self.conv_grad_input(record, parameters.weight, grad, (grad_input, None), &range);
                }
                Grad::plain(grad_input)
            }
            LayerKind::Linear(parameters) => {
                let grad_input = self.grad_input(layer, input.tensor);
                for (op, range) in self.linear_slices(layer, parameters)? {
                    self.linear_grad_input(layer, parameters, grad.tensor, grad_input, (op, &range));
                }
                Grad::plain(grad_input)
            }
            _ => self.chain_backward(record, grad.tensor)?,
        })
    }
}
