//! Batch norms folded into the convolutions before them.

use super::{
    ModelInfo, Weights,
    entries::values,
    store::{TensorFile, to_le},
};
use crate::model::{LayerKind, Norm, NormParameters, VggConfig, WeightBias};

impl Weights {
    /// The weights of the network without batch norms that computes the same in evaluation: each is folded into the convolution before
    /// it, in f64, and a factor on the logits into the last layer. The roundings of quantisation-aware training are left out. `None` if the network has another normalisation.
    pub fn folded(&self) -> Option<Self> {
        if !matches!(self.network.config.norm(), Norm::Batch | Norm::None) {
            return None;
        }
        let config = VggConfig { norm: Some(Norm::None), qat: false, ..self.info.vgg() };
        let network = config.network().expect("the same network without batch norms");
        let info = ModelInfo { model: network.config.model, norm: None, qat: false, ..self.info.clone() };
        let weighted = |kind| match kind {
            LayerKind::Conv(parameters) | LayerKind::Linear(parameters) => Some(parameters),
            _ => None,
        };
        let mut tensors = vec![Vec::new(); network.parameters.len()];
        let own = network.layers.iter().filter_map(|layer| weighted(layer.kind));
        let theirs = self.network.layers.iter().enumerate();
        let theirs = theirs.filter_map(|(at, layer)| Some((at, weighted(layer.kind)?)));
        for (own, (at, parameters)) in own.zip(theirs) {
            let norm = match self.network.layers.get(at + 1).map(|next| next.kind) {
                Some(LayerKind::BatchNorm(norm)) => Some(norm),
                _ => None,
            };
            let (weight, bias) = match norm {
                Some(norm) => self.folded_convolution(parameters, norm),
                None => (self.values(parameters.weight), self.values(parameters.bias)),
            };
            tensors[own.weight] = to_le(&weight);
            tensors[own.bias] = to_le(&bias);
        }
        let file = TensorFile::of(self.path().to_owned(), values(&network).into_iter().zip(tensors));
        let folded = Self::in_memory(info, network, file);
        Some(folded.with_plain_logits().unwrap_or(folded))
    }

    /// The weights of the network without a factor on its logits: the last layer is multiplied by it, rounded once. For programs that
    /// have no such factor. `None` if there is none.
    pub fn with_plain_logits(&self) -> Option<Self> {
        let scale = self.info.logit_scale;
        let last = self.network.layers.last().map(|layer| layer.kind);
        let Some(LayerKind::Linear(last)) = last.filter(|_| scale != 1.0) else { return None };
        let info = ModelInfo { logit_scale: 1.0, ..self.info.clone() };
        let network = info.vgg().network().expect("the same network");
        let tensors = (0..network.parameters.len()).map(|index| {
            let mut values = self.values(index);
            if index == last.weight || index == last.bias {
                values.iter_mut().for_each(|value| *value *= scale);
            }
            to_le(&values)
        });
        let file = TensorFile::of(self.path().to_owned(), values(&network).into_iter().zip(tensors));
        Some(Self::in_memory(info, network, file))
    }

    /// A convolution's weight and bias with a batch norm folded in: `scale = gamma / sqrt(variance + eps)`, `weight scale`,
    /// `(bias - mean) scale + beta`.
    fn folded_convolution(&self, parameters: WeightBias, norm: NormParameters) -> (Vec<f32>, Vec<f32>) {
        let eps = f64::from(self.network.config.batch_norm_eps);
        let values = |index: usize| self.values(index);
        let NormParameters { gamma, beta, running_mean, running_var } = norm;
        let [gammas, beta, mean, variance] = [gamma, beta, running_mean, running_var].map(values);
        let scales: Vec<f64> =
            gammas.iter().zip(&variance).map(|(&g, &v)| f64::from(g) / (f64::from(v) + eps).sqrt()).collect();
        let mut kernels = values(parameters.weight);
        let kernel = kernels.len() / scales.len();
        for (kernel, scale) in kernels.chunks_exact_mut(kernel).zip(&scales) {
            kernel.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        }
        let bias = values(parameters.bias);
        let shifted = bias.iter().zip(&mean).zip(&beta).zip(&scales);
        let bias = shifted
            .map(|(((&b, &m), &beta), s)| ((f64::from(b) - f64::from(m)) * s + f64::from(beta)) as f32);
        (kernels, bias.collect())
    }
}
