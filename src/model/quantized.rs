//! Networks on 8-bit integers.

use super::{ActivationKind, Layer, LayerKind, Network, Norm};
use crate::ops::{Requantize, padded, padded_outputs, weight_at};

/// The real numbers that bytes stand for: `scale * (byte - zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The byte of 0. Signed bytes are stored with 128 added, so that theirs is 128.
    pub zero: u8,
}

impl Quantization {
    /// The byte of a number, as ONNX's QuantizeLinear: `saturate(rne(x / scale) + zero)`.
    pub fn byte(self, x: f32) -> u8 {
        ((x / self.scale).round_ties_even() + f32::from(self.zero)).clamp(0.0, 255.0) as u8
    }

    /// The number of a byte.
    pub fn value(self, byte: u8) -> f32 {
        self.scale * (f32::from(byte) - f32::from(self.zero))
    }
}

/// A convolution or a linear layer on 8-bit integers, with the batch norm before its ReLU folded in.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedLayer {
    /// The layer, by its index in [`Network::layers`].
    pub layer: usize,
    /// The signed bytes in torchvision's order, `[K, C, R, S]` or `[out, in]`, without -128.
    pub weight: Vec<i8>,
    /// The real weight of 1, for each output.
    pub weight_scale: Vec<f32>,
    /// The bias of each output, in units of the input's scale times its weights' scale.
    pub bias: Vec<i32>,
    /// What the layer's output bytes stand for after the ReLU; `None` for the last layer, whose output are logits.
    pub output: Option<Quantization>,
}

/// A VGG on 8-bit integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    /// The network, without batch norms.
    pub network: Network,
    /// What the bytes of the network's input stand for, after normalisation.
    pub input: Quantization,
    /// Its convolutions and linear layers, first to last.
    pub layers: Vec<QuantizedLayer>,
    /// Whether other programs are to see the activations as signed bytes.
    pub signed: bool,
}

/// What a device needs of a quantised layer, in its order and with its padding.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceLayer {
    /// As [`weight_at`] says.
    pub weight: Vec<i8>,
    /// The sum of each output's weights.
    pub weight_sum: Vec<i32>,
    /// The biases.
    pub bias: Vec<i32>,
    /// The factors of the sums.
    pub scale: Vec<f32>,
}

impl QuantizedNetwork {
    /// What a network has that has no exact integer form here, and what can be quantised instead.
    pub fn unsupported(network: &Network) -> Option<(String, &'static str)> {
        let config = &network.config;
        if config.activation != ActivationKind::Relu {
            return Some((format!("the activation {}", config.activation.word()), "networks with ReLU"));
        }
        if !matches!(config.norm(), Norm::Batch | Norm::None) {
            return Some((format!("norm {}", config.norm()), "networks with batch norm or no norm"));
        }
        let resizes = |layer: &&Layer| layer.kind == LayerKind::AvgPool && layer.input != layer.output;
        network.layers.iter().find(resizes).map(|layer| {
            (
                format!("average pooling from {} to {}", layer.input, layer.output),
                "networks without average pooling, or whose average pooling changes nothing, as torchvision's at 224 px",
            )
        })
    }

    /// What a layer's input bytes stand for, by its index in [`QuantizedNetwork::layers`].
    pub fn input_of(&self, index: usize) -> Quantization {
        let before = index.checked_sub(1).and_then(|before| self.layers[before].output);
        before.unwrap_or(self.input)
    }

    /// How a layer's sums become bytes; `None` for logits.
    pub fn requantize(&self, index: usize) -> Option<Requantize> {
        self.layers[index].output.map(|output| Requantize { zero: output.zero, low: output.zero })
    }

    /// The unit of a layer's sums for each output: `f32(input scale * weight scale)`.
    pub fn units(&self, index: usize) -> impl Iterator<Item = f32> {
        let input = self.input_of(index).scale;
        self.layers[index].weight_scale.iter().map(move |&weight| input * weight)
    }

    /// The byte of the network's input for each byte of an image, `[C, 256]`, by the images' normalisation.
    pub fn table(&self, mean: &[f32], std: &[f32]) -> Vec<u8> {
        let channel = |(&mean, &std): (&f32, &f32)| {
            (0..=255u8).map(move |byte| self.input.byte((f32::from(byte) / 255.0 - mean) / std))
        };
        mean.iter().zip(std).flat_map(channel).collect()
    }

    /// What a device needs of a layer.
    pub fn device_layer(&self, index: usize) -> DeviceLayer {
        let layer = &self.layers[index];
        let Geometry { outputs, channels, taps } = self.geometry(index);
        let inputs = taps * padded(channels);
        let all = padded_outputs(outputs);
        let mut device = DeviceLayer {
            weight: vec![0; all * inputs],
            weight_sum: vec![0; all],
            bias: vec![0; all],
            scale: vec![0.0; all],
        };
        device.bias[..outputs].copy_from_slice(&layer.bias);
        for (output, weights) in layer.weight.chunks_exact(channels * taps).enumerate() {
            for (channel, weights) in weights.chunks_exact(taps).enumerate() {
                for (tap, &weight) in weights.iter().enumerate() {
                    device.weight[weight_at(inputs, output, tap * padded(channels) + channel)] = weight;
                }
            }
            device.weight_sum[output] = weights.iter().map(|&weight| i32::from(weight)).sum();
        }
        for (scale, unit) in device.scale.iter_mut().zip(self.units(index)) {
            *scale = layer.output.map_or(unit, |output| unit / output.scale);
        }
        device
    }

    /// The extents of a layer's weights.
    pub fn geometry(&self, index: usize) -> Geometry {
        let at = self.layers[index].layer;
        let layer = &self.network.layers[at];
        let input = layer.input.dims();
        let outputs = layer.output.dims()[layer.output.dims().len() - 1];
        match (layer.kind, input) {
            (LayerKind::Conv(_), &[.., channels]) => Geometry { outputs, channels, taps: 9 },
            // On disk flattened images are [C, H, W].
            (_, &[h, w, channels]) => Geometry { outputs, channels, taps: h * w },
            _ => Geometry { outputs, channels: layer.input.elements(), taps: 1 },
        }
    }
}

/// The extents `[outputs, channels, taps]` of a layer's weights on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Output channels or features.
    pub outputs: usize,
    /// Input channels or features.
    pub channels: usize,
    /// Weights for each of both: 9 of a convolution, the pixels of a flattened image, else 1.
    pub taps: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_for_numbers() {
        let unsigned = Quantization { scale: 0.5, zero: 0 };
        assert_eq!([-1.0, 0.25, 0.75, 1.0, 127.5, 1e9].map(|x| unsigned.byte(x)), [0, 0, 2, 2, 255, 255]);
        let signed = Quantization { zero: 128, ..unsigned };
        assert_eq!([-1e9, -0.25, 0.5, 63.0].map(|x| signed.byte(x)), [0, 128, 129, 254]);
        assert_eq!((signed.value(126), unsigned.value(3)), (-1.0, 1.5));
    }
}
