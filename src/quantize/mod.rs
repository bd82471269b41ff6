//! Post-training quantisation: a trained network on 8-bit integers.
//!
//! Batch norms are folded into convolutions; weights become signed bytes with a scale for each output channel, activations bytes with
//! a scale for each tensor, from the ranges that calibration images show. The result is computed exactly, on every device
//! ([`crate::ops::QuantizedConv`]).

mod calibrate;
mod noise;

use std::sync::Arc;

use thiserror::Error;

pub use calibrate::Calibrator;
pub use noise::{LayerNoise, noise};

use crate::{
    data::{Dataset, Loader, LoaderError, View},
    device::{Device, DeviceError},
    model::{LayerKind, Quantization, QuantizedLayer, QuantizedNetwork, WeightBias},
    program::Mode,
    train::TrainError,
    weights::{QuantizedWeights, Weights},
};

/// Images in a batch of the calibration, at most.
const BATCH: usize = 64;

/// How a network is quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How the ranges of activations are found.
    pub calibrator: Calibrator,
    /// Calibration images, at most.
    pub images: usize,
    /// Symmetric signed activations, as TensorRT and ARM's libraries want them, in place of unsigned ones, which have one bit more.
    pub signed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { calibrator: Calibrator::MinMax, images: 512, signed: false }
    }
}

/// A network that cannot be quantised.
#[derive(Debug, Error)]
pub enum QuantizeError {
    /// A network with operations that have no exact integer form here.
    #[error("the network has {what}, but only {supported} can be quantised")]
    Unsupported {
        /// What it has.
        what: String,
        /// What is possible.
        supported: &'static str,
    },
    /// An activation that is not a number or infinite.
    #[error(
        "{layer} is {value} on the calibration images; give other weights, or images that the network can classify"
    )]
    NotFinite {
        /// The layer.
        layer: String,
        /// The value.
        value: f32,
    },
    /// No images.
    #[error("calibration needs at least one image; give other --data or --images")]
    NoImages,
    /// The images cannot be loaded.
    #[error(transparent)]
    Loader(#[from] LoaderError),
    /// The device fails.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The float network fails.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// The weights of a network that can be quantised, with its batch norms folded.
///
/// # Errors
/// [`QuantizeError::Unsupported`].
pub fn folded(weights: &Weights) -> Result<Weights, QuantizeError> {
    match QuantizedNetwork::unsupported(&weights.network) {
        Some((what, supported)) => Err(QuantizeError::Unsupported { what, supported }),
        None => Ok(weights.folded().expect("the norm is supported")),
    }
}

/// Quantises trained weights with the help of some of a data set's images, which `device` evaluates.
///
/// # Errors
/// [`QuantizeError`].
pub fn quantize(
    device: &Device,
    weights: &Weights,
    images: &Arc<dyn Dataset>,
    options: &Options,
) -> Result<QuantizedWeights, QuantizeError> {
    let folded = folded(weights)?;
    let some = calibration(images, options.images)?;
    // Quantisation-aware training has found the ranges.
    let trained: Vec<f32> =
        weights.network.layers.iter().filter_map(|layer| range(weights, layer.kind)).collect();
    let (ends, calibration) = if trained.is_empty() {
        let (batch, source, count) = (BATCH.min(some.len()), [some.height(), some.width()], some.len());
        let mut session = device.inference(&folded, batch, source, Mode::Evaluate)?;
        let ends = calibrate::calibrate(&mut session, &Loader::evaluate(some, batch)?, options.calibrator)?;
        (ends, format!("{:?} over {count} images of {}", options.calibrator, images.name()))
    } else {
        (trained, "ranges from training".to_owned())
    };
    Ok(QuantizedWeights {
        quantized: network(&folded, &ends, options.signed)?,
        path: folded.path().to_owned(),
        info: folded.info,
        calibration,
    })
}

/// The end of the range of a layer of quantisation-aware training.
fn range(weights: &Weights, kind: LayerKind) -> Option<f32> {
    let LayerKind::FakeQuantize { range } = kind else { return None };
    weights.values(range).first().copied()
}

/// The calibration images of a data set: at most so many.
///
/// # Errors
/// [`QuantizeError::NoImages`].
pub fn calibration(images: &Arc<dyn Dataset>, count: usize) -> Result<Arc<dyn Dataset>, QuantizeError> {
    match images.len().min(count) {
        0 => Err(QuantizeError::NoImages),
        count => Ok(Arc::new(View::spread(Arc::clone(images), count))),
    }
}

/// The quantised network of folded weights, whose activations end at `ends`.
fn network(folded: &Weights, ends: &[f32], signed: bool) -> Result<QuantizedNetwork, QuantizeError> {
    let (info, network) = (&folded.info, &folded.network);
    // The range of all bytes: no image is clipped.
    let normalized = |byte: f64| {
        let channels = info.mean.iter().zip(&info.std);
        channels.map(move |(&mean, &std)| (byte - f64::from(mean)) / f64::from(std))
    };
    let [low, high] = [normalized(0.0).fold(0.0, f64::min), normalized(1.0).fold(0.0, f64::max)];
    let input = activation(low, high, signed);
    let weighted = network.layers.iter().enumerate().filter_map(|(at, layer)| match layer.kind {
        LayerKind::Conv(parameters) | LayerKind::Linear(parameters) => Some((at, parameters)),
        _ => None,
    });
    let mut layers: Vec<QuantizedLayer> = Vec::new();
    for (index, (at, parameters)) in weighted.enumerate() {
        let output = match ends.get(index) {
            Some(&end) if !end.is_finite() => {
                let layer = network.layers[at].name.clone();
                return Err(QuantizeError::NotFinite { layer, value: end });
            }
            Some(&end) => Some(activation(0.0, end.into(), signed)),
            None => None,
        };
        let before = layers.last().and_then(|before| before.output).unwrap_or(input);
        layers.push(layer(folded, at, parameters, before.scale, output));
    }
    Ok(QuantizedNetwork { network: network.clone(), input, layers, signed })
}

/// What the bytes of values from `low` (at most 0) to `high` (at least 0) stand for.
fn activation(low: f64, high: f64, signed: bool) -> Quantization {
    // An activation that is always 0 has any scale.
    let scale = |range: f64, steps: f64| {
        if range > 0.0 { ((range / steps) as f32).max(f32::MIN_POSITIVE) } else { 1.0 }
    };
    if signed {
        return Quantization { scale: scale(high.max(-low), 127.0), zero: 128 };
    }
    let scale = scale(high - low, 255.0);
    Quantization { scale, zero: (-low / f64::from(scale)).round_ties_even().clamp(0.0, 255.0) as u8 }
}

/// A quantised layer whose input has this scale.
fn layer(
    folded: &Weights,
    at: usize,
    WeightBias { weight, bias }: WeightBias,
    input: f32,
    output: Option<Quantization>,
) -> QuantizedLayer {
    let (weights, biases) = (folded.values(weight), folded.values(bias));
    let each = weights.len() / biases.len();
    let mut quantised =
        QuantizedLayer { layer: at, weight: Vec::new(), weight_scale: Vec::new(), bias: Vec::new(), output };
    for (weights, &bias) in weights.chunks_exact(each).zip(&biases) {
        let scale = weight_scale(weights, bias, input);
        let byte = |&weight: &f32| {
            (f64::from(weight) / f64::from(scale)).round_ties_even().clamp(-127.0, 127.0) as i8
        };
        quantised.weight.extend(weights.iter().map(byte));
        quantised.weight_scale.push(scale);
        quantised.bias.push((f64::from(bias) / f64::from(input * scale)).round_ties_even() as i32);
    }
    quantised
}

/// The scale of an output's weights: the largest is 127, unless they are so small that the bias would not fit 31 bits.
fn weight_scale(weights: &[f32], bias: f32, input: f32) -> f32 {
    let largest = weights.iter().fold(0.0, |largest: f64, &weight| largest.max(f64::from(weight).abs()));
    let of_bias = f64::from(bias).abs() / f64::from(input) / f64::from(1 << 30);
    match (2.0 * largest / 254.0).max(of_bias) {
        0.0 => 1.0,
        scale => (scale as f32).max(f32::MIN_POSITIVE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_have_an_exact_zero() {
        let relu = activation(0.0, 5.1, false);
        assert_eq!((relu.zero, relu.byte(5.1), relu.byte(0.0)), (0, 255, 0));
        let image = activation(-0.424, 2.822, false);
        assert_eq!((image.zero, image.byte(-0.424), image.byte(2.822)), (33, 0, 255));
        let signed = activation(-0.424, 2.822, true);
        assert_eq!((signed.zero, signed.byte(2.822), signed.byte(0.0)), (128, 255, 128));
        assert_eq!(activation(0.0, 0.0, false), Quantization { scale: 1.0, zero: 0 });
    }

    #[test]
    fn weights_span_the_signed_bytes_and_biases_fit() {
        assert_eq!(weight_scale(&[0.5, -12.7], 1.0, 0.1), (12.7f64 * 2.0 / 254.0) as f32);
        // Dead channels keep their bias.
        for (weights, bias) in [(vec![0.0; 3], 3.0), (vec![1e-20; 3], -0.25), (vec![0.0; 3], 0.0)] {
            let scale = weight_scale(&weights, bias, 0.01);
            let units = f64::from(bias) / f64::from(0.01f32 * scale);
            assert!(units.abs() <= f64::from(1u32 << 31), "{units}");
            assert!(
                (units.round() * f64::from(0.01f32 * scale) - f64::from(bias)).abs()
                    <= 1e-6 * f64::from(bias).abs()
            );
        }
    }
}
