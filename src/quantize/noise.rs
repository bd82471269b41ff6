//! How far a quantised network's activations are from the float network's.

use std::sync::Arc;

use super::{QuantizeError, folded};
use crate::{
    data::{Dataset, Loader},
    device::Device,
    model::LayerKind,
    ops::{Op, padded},
    program::{Mode, floats},
    weights::{QuantizedWeights, Weights},
};

/// Images at a time.
const BATCH: usize = 16;

/// The noise of a layer's output.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNoise {
    /// The convolution or linear layer, whose output after the ReLU is compared.
    pub layer: String,
    /// The energy of the float network's values over that of the differences, in dB; infinite if there are none.
    pub decibels: f64,
}

/// Compares each layer's output of both networks on a data set's images.
///
/// # Errors
/// [`QuantizeError`].
pub fn noise(
    device: &Device,
    weights: &Weights,
    quantized: &QuantizedWeights,
    images: &Arc<dyn Dataset>,
) -> Result<Vec<LayerNoise>, QuantizeError> {
    let folded = folded(weights)?;
    let (batch, source) = (BATCH.min(images.len()), [images.height(), images.width()]);
    let mut exact = device.inference(&folded, batch, source, Mode::Evaluate)?;
    let mut integers = device.quantized_inference(quantized, batch, source)?;
    let network = &quantized.quantized.network;
    let layers = &quantized.quantized.layers;
    let mut energies = vec![[0.0; 2]; layers.len()];
    let compared = network.layers.iter().enumerate().filter(|(at, layer)| {
        matches!(layer.kind, LayerKind::Activation(_)) || at + 1 == network.layers.len()
    });
    let wanted: Vec<String> = compared.map(|(_, layer)| format!("evaluate.{}.output", layer.name)).collect();
    for batch in Loader::evaluate(Arc::clone(images), batch)?.epoch(0, 0)? {
        let batch = batch.map_err(crate::train::TrainError::from)?;
        let mut all: Vec<Vec<f32>> = Vec::new();
        exact.outputs(
            &batch,
            |op| matches!(op, Op::Activate(_) | Op::Linear(_)),
            |tensor, bytes| {
                // Not the hidden linear layers before their activation.
                if wanted.contains(&tensor.name) {
                    all.push(floats(bytes));
                }
            },
        )?;
        let mut index = 0;
        integers.outputs(
            &batch,
            |op| matches!(op, Op::QuantizedConv(_) | Op::QuantizedLinear(_)),
            |tensor, bytes| {
                let channels = *network.layers[layers[index].layer].output.dims().last().expect("an extent");
                let found: Vec<f32> = match layers[index].output {
                    Some(output) => {
                        let pixels = bytes.chunks_exact(padded(channels));
                        pixels
                            .flat_map(|pixel| pixel[..channels].iter().map(|&byte| output.value(byte)))
                            .collect()
                    }
                    None => floats(bytes),
                };
                let valid = found.len() / tensor.shape.dims()[0] * batch.valid;
                for (&exact, &found) in all[index][..valid].iter().zip(&found) {
                    energies[index][0] += f64::from(exact).powi(2);
                    energies[index][1] += (f64::from(exact) - f64::from(found)).powi(2);
                }
                index += 1;
            },
        )?;
    }
    let row = |(layer, [signal, noise]): (&crate::model::QuantizedLayer, [f64; 2])| LayerNoise {
        layer: network.layers[layer.layer].name.clone(),
        decibels: 10.0 * (signal / noise).log10(),
    };
    Ok(layers.iter().zip(energies).map(row).collect())
}
