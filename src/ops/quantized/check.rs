//! How quantised layers are checked: every result is exact.

use super::{QuantizeImages, QuantizedConv, QuantizedLinear, QuantizedMaxPool, Requantize, WEIGHT_CHANNELS};
use crate::{
    ops::{Conv, MaxPool},
    verify::check::{Check, Inputs, Tolerances, halve, normal},
};

/// Unsigned after a ReLU, signed, signed after a ReLU, and one with a byte of 0 between.
const REQUANTIZE: [Requantize; 4] = [
    Requantize { zero: 0, low: 0 },
    Requantize { zero: 128, low: 0 },
    Requantize { zero: 128, low: 128 },
    Requantize { zero: 37, low: 0 },
];

/// All bytes, among them the extremes, from normal values.
fn bytes(name: &str, len: usize) -> Vec<u8> {
    let values = normal(name, len).into_iter().map(|v| (v * 100.0 + 128.0).clamp(0.0, 255.0) as u8);
    values.enumerate().map(|(at, v)| if at % 7 == 3 { [0, 255][at / 7 % 2] } else { v }).collect()
}

/// Signed weights in -127..=127.
fn weights(len: usize) -> Vec<u8> {
    bytes("weight", len).into_iter().map(|v| (v as i8).max(-127) as u8).collect()
}

/// The sum of the weights of each output, from weights `[outputs / 16, inputs / 4, 16, 4]`.
fn weight_sums(weights: &[u8], outputs: usize) -> Vec<u32> {
    let each = weights.len() / outputs * WEIGHT_CHANNELS;
    let sum = |output: usize| {
        let group = &weights[output / WEIGHT_CHANNELS * each..][..each];
        let own = group.as_chunks::<4>().0.iter().skip(output % WEIGHT_CHANNELS).step_by(WEIGHT_CHANNELS);
        own.flatten().map(|&w| i32::from(w as i8)).sum::<i32>() as u32
    };
    (0..outputs).map(sum).collect()
}

/// Biases of the size of a sum's deviation, and scales with which half of the results are in range. Every third scale is a power of
/// two, so that there are halves to round.
fn vectors(bias: &mut [u32], scale: &mut [f32], terms: usize) {
    let deviation = 100.0 * 80.0 * (terms as f32).sqrt();
    for (bias, value) in bias.iter_mut().zip(normal("bias", scale.len())) {
        *bias = (value * deviation) as i32 as u32;
    }
    for (at, (scale, value)) in scale.iter_mut().zip(normal("scale", bias.len())).enumerate() {
        let wanted = 100.0 / deviation * (1.0 + value.abs());
        *scale = if at % 3 == 0 { wanted.log2().floor().exp2() } else { wanted };
    }
}

impl Check for QuantizeImages {
    fn cases() -> Vec<Self> {
        let case = |n, source, output, channels| Self { n, source, output, channels };
        vec![
            case(3, [28, 28], [28, 28], 1),
            case(2, [28, 28], [61, 47], 1),
            case(1, [5, 9], [24, 24], 3),
            case(2, [33, 32], [17, 24], 3),
            case(1, [1, 1], [3, 2], 1),
            case(2, [7, 6], [5, 4], 4),
        ]
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.images = bytes("images", data.images.len());
        data.table = bytes("table", data.table.len());
    }

    fn tolerances(&self, _: &mut Tolerances<Self>) {}

    fn halved(&self) -> Option<Self> {
        Some(Self { n: halve(self.n)?, ..*self })
    }
}

impl Check for QuantizedConv {
    fn cases() -> Vec<Self> {
        let shapes = [
            [2, 28, 28, 4, 16],
            [1, 14, 14, 64, 64],
            [3, 7, 7, 32, 24],
            [5, 1, 1, 8, 4],
            [1, 2, 3, 4, 20],
            [2, 5, 9, 12, 36],
            [1, 16, 15, 20, 80],
            [4, 3, 3, 64, 128],
        ];
        let conv = |[n, h, w, c, k]: [usize; 5]| Conv { n, h, w, c, k };
        let each = |(at, shape): (usize, [usize; 5])| {
            [at, at + 1].map(|at| Self {
                conv: conv(shape),
                zero: REQUANTIZE[at % 4].zero,
                requantize: REQUANTIZE[(at + 1) % 4],
            })
        };
        shapes.into_iter().enumerate().flat_map(each).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = bytes("input", data.input.len());
        data.weight = weights(data.weight.len());
        data.weight_sum = weight_sums(&data.weight, data.bias.len());
        vectors(&mut data.bias, &mut data.scale, 9 * self.conv.c);
    }

    fn tolerances(&self, _: &mut Tolerances<Self>) {}

    fn halved(&self) -> Option<Self> {
        Some(Self { conv: Conv { n: halve(self.conv.n)?, ..self.conv }, ..*self })
    }
}

impl Check for QuantizedLinear {
    fn cases() -> Vec<Self> {
        // The last one has sums beyond the integers of f32.
        let shapes =
            [[1, 4, 4], [5, 8, 12], [3, 128, 64], [16, 512, 68], [33, 96, 32], [2, 2052, 8], [2, 25_088, 20]];
        let bytes = shapes.into_iter().enumerate().map(|(at, [n, inputs, outputs])| Self {
            n,
            inputs,
            outputs,
            zero: REQUANTIZE[(at + 1) % 4].zero,
            requantize: Some(REQUANTIZE[at % 4]),
        });
        let logits = [[1, 4, 2], [5, 8, 10], [17, 132, 37], [2, 25_088, 10]];
        let logits =
            logits.map(|[n, inputs, outputs]| Self { n, inputs, outputs, zero: n as u8, requantize: None });
        bytes.chain(logits).collect()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = bytes("input", data.input.len());
        data.weight = weights(data.weight.len());
        vectors(&mut data.bias, &mut data.scale, self.inputs);
        // All weights of one output at the end of the range: the largest sums.
        let positive = data.weight.chunks_exact_mut(64).map(|group| &mut group[8..12]);
        positive.for_each(|weights| weights.fill(127));
        data.weight_sum = weight_sums(&data.weight, data.bias.len());
    }

    fn tolerances(&self, _: &mut Tolerances<Self>) {}

    fn halved(&self) -> Option<Self> {
        Some(Self { n: halve(self.n)?, ..*self })
    }
}

impl Check for QuantizedMaxPool {
    fn cases() -> Vec<Self> {
        let pool = |n, h, w, c, kernel, stride| Self(MaxPool { n, h, w, c, kernel, stride });
        vec![
            pool(2, 28, 28, 16, 2, [2, 2]),
            pool(3, 7, 7, 12, 2, [2, 2]),
            pool(2, 3, 3, 8, 2, [1, 1]),
            pool(1, 2, 5, 4, 2, [1, 2]),
            pool(2, 9, 6, 20, 3, [2, 1]),
            pool(1, 8, 8, 4, 2, [3, 3]),
            pool(2, 14, 15, 68, 2, [2, 2]),
        ]
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.input = bytes("input", data.input.len());
    }

    fn tolerances(&self, _: &mut Tolerances<Self>) {}

    fn halved(&self) -> Option<Self> {
        Some(Self(MaxPool { n: halve(self.0.n)?, ..self.0 }))
    }
}
