//! Inference on 8-bit integers, in exact arithmetic: every device computes the same bits.
//!
//! An activation `x` is stored as a byte `q` with `x = scale (q - zero)`, a weight as a signed byte `w`. The sums of products are
//! int32, so that their order does not matter, and only [`Requantize`] and [`QuantizedLinear`]'s logits round.
//!
//! Channels are padded to multiples of 4 ([`padded`]), so that four of one pixel are a word. Weights of padding are 0.
//!
//! # Source
//! Jacob et al.: "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (2018);
//! onnx.ai: QLinearConv and QuantizeLinear, whose roundings these are.

mod check;
mod cpu;
mod kernels;
mod reference;

use super::{Conv, Each, Extent, F32, Family, MaxPool, Operation, Read, U8, U32, Write, operand::operands};

/// Output channels that are neighbours in a weight tensor: one register of the CPU's widest vectors.
pub const WEIGHT_CHANNELS: usize = 16;

/// The channels of an activation with its padding.
pub fn padded(channels: usize) -> usize {
    channels.next_multiple_of(4)
}

/// The output channels of weights, biases and scales with their padding.
pub fn padded_outputs(outputs: usize) -> usize {
    outputs.next_multiple_of(WEIGHT_CHANNELS)
}

/// The position in a weight tensor `[outputs / 16, inputs / 4, 16, 4]` of the weight of an output and an input; `inputs` is a multiple
/// of 4. A convolution's inputs are `[R, S, C]`.
pub fn weight_at(inputs: usize, output: usize, input: usize) -> usize {
    let group = output / WEIGHT_CHANNELS * (inputs / 4) + input / 4;
    (group * WEIGHT_CHANNELS + output % WEIGHT_CHANNELS) * 4 + input % 4
}

/// How an int32 sum becomes a byte: `rne(clamp(f32(sum) * scale, low - zero, 255 - zero)) + zero`, where `rne` rounds halves to even
/// and `scale` is that of the output channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Requantize {
    /// The byte of 0.
    pub zero: u8,
    /// The smallest byte of a result: `zero` applies a ReLU.
    pub low: u8,
}

impl Requantize {
    /// The smallest and the largest value before `zero` is added.
    pub fn bounds(self) -> [f32; 2] {
        let zero = f32::from(self.zero);
        [f32::from(self.low) - zero, 255.0 - zero]
    }

    /// The byte of a sum.
    pub fn apply(self, sum: i32, scale: f32) -> u8 {
        let [low, high] = self.bounds();
        ((sum as f32 * scale).max(low).min(high).round_ties_even() + f32::from(self.zero)) as u8
    }
}

/// Resizes a batch of images in fixed point and looks every byte up in its channel's table, which has the normalisation in it.
///
/// An output pixel lies as in [`super::PrepareImages`] without a transform. Its distance from the neighbours along each axis is rounded
/// to 1/2048 (halves up), and the weighted sum of four bytes to a byte (halves up).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuantizeImages {
    /// Images in the batch.
    pub n: usize,
    /// Height and width of the source.
    pub source: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Channels of the source.
    pub channels: usize,
}

operands! {
    /// The operands of [`QuantizeImages`]: the padding of `output` is 0.
    QuantizeImagesOperands { images: Read<U8>, table: Read<U8>, output: Write<U8> }
}

impl QuantizeImages {
    /// The position of output pixel `at` along an axis: the index of the neighbour before it, and 2048 times the distance from there.
    pub fn position(at: usize, source: usize, output: usize) -> [usize; 2] {
        let from = ((2 * at + 1) * source).saturating_sub(output).min(2 * output * (source - 1));
        [from / (2 * output), (from % (2 * output) * 2048 + output) / (2 * output)]
    }
}

impl Operation for QuantizeImages {
    const NAME: &'static str = "quantized.images";
    type Operands<F: Family> = QuantizeImagesOperands<F>;

    fn operands(&self) -> QuantizeImagesOperands<Each<Extent>> {
        let ([h, w], [oh, ow]) = (self.source, self.output);
        QuantizeImagesOperands {
            images: [self.n, h, w, self.channels].into(),
            table: [self.channels, 256].into(),
            output: [self.n, oh, ow, padded(self.channels)].into(),
        }
    }

    fn flops(&self) -> u64 {
        (self.n * self.output[0] * self.output[1] * self.channels * 8) as u64
    }
}

/// 3x3 convolution, padding 1, stride 1, and the requantisation of its sums:
/// `output = requantize(bias[k] + sum over r, s, c of (input[n, h + r - 1, w + s - 1, c] - zero) * weight[k, r, s, c])`.
///
/// Pixels outside the image add nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuantizedConv {
    /// The extents; channels are multiples of 4.
    pub conv: Conv,
    /// The byte of 0 of the input.
    pub zero: u8,
    /// The output's.
    pub requantize: Requantize,
}

operands! {
    /// The operands of [`QuantizedConv`]: `input` and `output` as [`super::ConvForward`]'s; `weight` as [`weight_at`] says; for each output,
    /// padded as the weights are, its `weight_sum` and `bias` (int32), and `scale`.
    QuantizedConvOperands {
        input: Read<U8>,
        weight: Read<U8>,
        weight_sum: Read<U32>,
        bias: Read<U32>,
        scale: Read<F32>,
        output: Write<U8>,
    }
}

impl Operation for QuantizedConv {
    const NAME: &'static str = "quantized.conv";
    type Operands<F: Family> = QuantizedConvOperands<F>;

    fn operands(&self) -> QuantizedConvOperands<Each<Extent>> {
        let Conv { n, h, w, c, k } = self.conv;
        let outputs = padded_outputs(k);
        QuantizedConvOperands {
            input: [n, h, w, c].into(),
            weight: [outputs / WEIGHT_CHANNELS, 9 * c / 4, WEIGHT_CHANNELS, 4].into(),
            weight_sum: [outputs].into(),
            bias: [outputs].into(),
            scale: [outputs].into(),
            output: [n, h, w, k].into(),
        }
    }

    fn flops(&self) -> u64 {
        2 * 9 * (self.conv.pixels() * self.conv.c * self.conv.k) as u64
    }
}

/// A fully connected layer: `sum = bias[o] + sum over i of (input[n, i] - zero) * weight[o, i]`, then requantised, or as logits
/// `f32(sum) * scale[o]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuantizedLinear {
    /// Images in the batch.
    pub n: usize,
    /// Input features, a multiple of 4.
    pub inputs: usize,
    /// Output features: a multiple of 4, or any number of logits.
    pub outputs: usize,
    /// The byte of 0 of the input.
    pub zero: u8,
    /// How the sums become bytes; `None` for logits.
    pub requantize: Option<Requantize>,
}

operands! {
    /// The operands of [`QuantizedLinear`]: either `output` or `logits`; the others as [`QuantizedConvOperands`].
    QuantizedLinearOperands {
        input: Read<U8>,
        weight: Read<U8>,
        weight_sum: Read<U32>,
        bias: Read<U32>,
        scale: Read<F32>,
        output: Option<Write<U8>>,
        logits: Option<Write<F32>>,
    }
}

impl Operation for QuantizedLinear {
    const NAME: &'static str = "quantized.linear";
    type Operands<F: Family> = QuantizedLinearOperands<F>;

    fn operands(&self) -> QuantizedLinearOperands<Each<Extent>> {
        let outputs = padded_outputs(self.outputs);
        let result: Extent = [self.n, self.outputs].into();
        QuantizedLinearOperands {
            input: [self.n, self.inputs].into(),
            weight: [outputs / WEIGHT_CHANNELS, self.inputs / 4, WEIGHT_CHANNELS, 4].into(),
            weight_sum: [outputs].into(),
            bias: [outputs].into(),
            scale: [outputs].into(),
            output: self.requantize.map(|_| result.clone()),
            logits: self.requantize.is_none().then_some(result),
        }
    }

    fn flops(&self) -> u64 {
        2 * (self.n * self.inputs * self.outputs) as u64
    }
}

/// [`MaxPool`] on bytes: the order of bytes is that of the values, whatever the scale and the byte of 0. Channels are a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuantizedMaxPool(pub MaxPool);

operands! {
    /// The operands of [`QuantizedMaxPool`].
    QuantizedMaxPoolOperands { input: Read<U8>, output: Write<U8> }
}

impl Operation for QuantizedMaxPool {
    const NAME: &'static str = "quantized.max_pool";
    type Operands<F: Family> = QuantizedMaxPoolOperands<F>;

    fn operands(&self) -> QuantizedMaxPoolOperands<Each<Extent>> {
        let MaxPool { n, h, w, c, .. } = self.0;
        let [p, q] = self.0.output_size();
        QuantizedMaxPoolOperands { input: [n, h, w, c].into(), output: [n, p, q, c].into() }
    }

    fn flops(&self) -> u64 {
        let ([p, q], MaxPool { n, c, kernel, .. }) = (self.0.output_size(), self.0);
        (n * p * q * c * kernel * kernel) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_become_bytes_as_in_onnx() {
        let unsigned = Requantize { zero: 0, low: 0 };
        let bytes = [-7, 0, 1, 2, 3, 5, 510, 511, i32::MAX, i32::MIN].map(|sum| unsigned.apply(sum, 0.5));
        assert_eq!(bytes, [0, 0, 0, 1, 2, 2, 255, 255, 255, 0], "halves go to the even neighbour");
        let signed = Requantize { zero: 128, low: 0 };
        assert_eq!(
            [-300, -3, -1, 0, 1, 3, 300].map(|sum| signed.apply(sum, 0.5)),
            [0, 126, 128, 128, 128, 130, 255]
        );
        let relu = Requantize { low: 128, ..signed };
        assert_eq!([-300, -3, 0, 3, 300].map(|sum| relu.apply(sum, 0.5)), [128, 128, 128, 130, 255]);
        assert_eq!(unsigned.apply(3, f32::NAN), 0, "a byte for any scale");
    }

    #[test]
    fn positions_are_those_of_image_preparation() {
        for (source, output) in [(28, 28), (28, 224), (5, 24), (33, 17), (1, 3), (4096, 224)] {
            for at in 0..output {
                let exact =
                    ((at as f64 + 0.5) * source as f64 / output as f64 - 0.5).clamp(0.0, source as f64 - 1.0);
                let [before, distance] = QuantizeImages::position(at, source, output);
                let found = before as f64 + distance as f64 / 2048.0;
                assert!(
                    (found - exact).abs() <= 0.5 / 2048.0 + 1e-12,
                    "{source} -> {output} at {at}: {found} {exact}"
                );
                assert!(before < source && distance <= 2048);
                assert!(distance == 0 || before + 1 < source, "a neighbour outside the image");
            }
        }
    }

    #[test]
    fn weights_have_a_place_each() {
        let (inputs, outputs) = (20, 32);
        let mut places: Vec<usize> =
            (0..outputs).flat_map(|o| (0..inputs).map(move |i| weight_at(inputs, o, i))).collect();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..inputs * outputs));
        assert_eq!(weight_at(inputs, 17, 6), ((5 + 1) * 16 + 1) * 4 + 2);
    }
}
