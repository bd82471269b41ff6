//! Quantised layers by definition: the reference for the CPU device and the GPU.

use rayon::prelude::*;

use super::{
    QuantizeImages, QuantizeImagesOperands, QuantizedConv, QuantizedConvOperands, QuantizedLinear,
    QuantizedLinearOperands, QuantizedMaxPool, QuantizedMaxPoolOperands, padded, weight_at,
};
use crate::{
    cpu::Scalar,
    ops::{Conv, MaxPool, Slices},
};

/// A scale as the device has it: `S` holds f32 values.
pub(super) fn f32_of<S: Scalar>(value: S) -> f32 {
    value.f64() as f32
}

/// `bias` and the products of `byte - zero` and signed weights. The sum wraps as hardware does.
fn sum(bias: u32, zero: u8, terms: impl Iterator<Item = (u8, u8)>) -> i32 {
    let product = |(x, w)| (i32::from(x) - i32::from(zero)) * i32::from(w as i8);
    terms.map(product).fold(bias as i32, i32::wrapping_add)
}

pub(super) fn images<S: Scalar>(op: &QuantizeImages, operands: QuantizeImagesOperands<Slices<'_, S>>) {
    let QuantizeImagesOperands { images, table, output } = operands;
    let ([h, w], [oh, ow], c) = (op.source, op.output, op.channels);
    output.par_chunks_mut(padded(c)).enumerate().for_each(|(pixel, output)| {
        let (n, y, x) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
        let [top, down] = QuantizeImages::position(y, h, oh);
        let [left, right] = QuantizeImages::position(x, w, ow);
        output.fill(0);
        for (channel, output) in output[..c].iter_mut().enumerate() {
            let byte = |y: usize, x: usize| {
                let (y, x) = (y.min(h - 1), x.min(w - 1));
                usize::from(images[((n * h + y) * w + x) * c + channel])
            };
            let row = |y: usize| (2048 - right) * byte(y, left) + right * byte(y, left + 1);
            let value = ((2048 - down) * row(top) + down * row(top + 1) + (1 << 21)) >> 22;
            *output = table[channel * 256 + value];
        }
    });
}

pub(super) fn conv<S: Scalar>(op: &QuantizedConv, operands: QuantizedConvOperands<Slices<'_, S>>) {
    let QuantizedConvOperands { input, weight, weight_sum: _, bias, scale, output } = operands;
    let Conv { h, w, c, k, .. } = op.conv;
    output.par_chunks_mut(k).enumerate().for_each(|(pixel, output)| {
        let (n, y, x) = (pixel / (h * w), pixel / w % h, pixel % w);
        for (k, output) in output.iter_mut().enumerate() {
            let term = |at: usize| {
                let (r, s, channel) = (at / (3 * c), at / c % 3, at % c);
                let (y, x) = (y + r, x + s);
                let inside = (1..=h).contains(&y) && (1..=w).contains(&x);
                let byte = if inside { input[((n * h + y - 1) * w + x - 1) * c + channel] } else { op.zero };
                (byte, weight[weight_at(9 * c, k, at)])
            };
            *output = op.requantize.apply(sum(bias[k], op.zero, (0..9 * c).map(term)), f32_of(scale[k]));
        }
    });
}

pub(super) fn linear<S: Scalar>(op: &QuantizedLinear, operands: QuantizedLinearOperands<Slices<'_, S>>) {
    let QuantizedLinearOperands { input, weight, weight_sum: _, bias, scale, output, logits } = operands;
    let sum = |n: usize, o: usize| {
        let input = &input[n * op.inputs..][..op.inputs];
        sum(bias[o], op.zero, input.iter().enumerate().map(|(i, &x)| (x, weight[weight_at(op.inputs, o, i)])))
    };
    if let (Some(output), Some(requantize)) = (output, op.requantize) {
        for (at, output) in output.iter_mut().enumerate() {
            let (n, o) = (at / op.outputs, at % op.outputs);
            *output = requantize.apply(sum(n, o), f32_of(scale[o]));
        }
    }
    if let Some(logits) = logits {
        for (at, logit) in logits.iter_mut().enumerate() {
            let (n, o) = (at / op.outputs, at % op.outputs);
            *logit = S::of((sum(n, o) as f32 * f32_of(scale[o])).into());
        }
    }
}

pub(super) fn max_pool<S: Scalar>(
    QuantizedMaxPool(pool): &QuantizedMaxPool,
    operands: QuantizedMaxPoolOperands<Slices<'_, S>>,
) {
    let QuantizedMaxPoolOperands { input, output } = operands;
    let MaxPool { h, w, c, kernel, stride, .. } = *pool;
    let [p, q] = pool.output_size();
    for (at, output) in output.iter_mut().enumerate() {
        let (n, y, x, channel) = (at / (p * q * c), at / (q * c) % p, at / c % q, at % c);
        let tap = |tap: usize| {
            let (y, x) = (y * stride[0] + tap / kernel, x * stride[1] + tap % kernel);
            input[((n * h + y) * w + x) * c + channel]
        };
        *output = (0..kernel * kernel).map(tap).max().expect("a window of at least one pixel");
    }
}
