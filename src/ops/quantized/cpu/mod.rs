//! Quantised layers for the CPU device. The results are exact: the same bits for any instruction set and number of threads.

mod dot;
mod pack;
mod pixels;
mod products;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

use self::{
    dot::{Dot, Portable},
    pack::Source,
    products::{Layer, Results},
};
use super::{
    QuantizeImages, QuantizedConv, QuantizedConvOperands, QuantizedLinear, QuantizedLinearOperands,
    QuantizedMaxPool, reference,
};
use crate::{
    cpu::{Lanes, Scalar, Scratch, Sizes, Twin, instructions},
    ops::{Conv, Slices},
};

impl Twin for QuantizeImages {
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes { words: if S::FAST { self.output[1] } else { 0 }, ..Sizes::default() }
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            pixels::images(self, operands, &scratch.words)
        } else {
            reference::images(self, operands)
        }
    }
}

impl Twin for QuantizedConv {
    fn scratch<S: Scalar>(&self) -> Sizes {
        scratch::<S>(self.conv, 9)
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            let (layer, results) = conv(self, operands);
            choose(instructions::name(), Compute(&layer, results, &scratch.words));
        } else {
            reference::conv(self, operands);
        }
    }
}

impl Twin for QuantizedLinear {
    fn scratch<S: Scalar>(&self) -> Sizes {
        scratch::<S>(Conv { n: self.n, h: 1, w: 1, c: self.inputs, k: self.outputs }, 1)
    }

    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>) {
        if S::FAST {
            let (layer, results) = linear(self, operands);
            choose(instructions::name(), Compute(&layer, results, &scratch.words));
        } else {
            reference::linear(self, operands);
        }
    }
}

impl Twin for QuantizedMaxPool {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        if S::FAST { pixels::max_pool(&self.0, operands) } else { reference::max_pool(self, operands) }
    }
}

/// What is done with the products of the instruction set in use.
trait Choice: Sized {
    type Output;

    fn with<D: Dot>(self, dot: D) -> Self::Output;

    /// The products of an instruction set with which some convolutions are Winograd's.
    #[cfg(target_arch = "x86_64")]
    fn with_winograd<D: Dot>(self, dot: D, products: winograd::Products) -> Self::Output;
}

/// The fastest products of the instruction set that [`crate::cpu::instruction_set`] names.
fn choose<C: Choice>(set: &str, choice: C) -> C::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if set == "avx512"
            && let Some(dot) = x86::Avx512::detect()
        {
            return choice.with_winograd(dot, winograd::Products::Vnni(dot));
        }
        if ["avx512", "avx2"].contains(&set) {
            if let Some(dot) = x86::AvxVnni::detect() {
                return choice.with(dot);
            }
            if let Some(dot) = x86::Avx2::detect() {
                return choice.with_winograd(dot, winograd::Products::Madd(dot));
            }
        }
    }
    let _ = set;
    choice.with(Portable)
}

/// The scratch memory of a layer, as a convolution with a number of taps.
fn scratch<S: Scalar>(conv: Conv, taps: usize) -> Sizes {
    let words = if S::FAST { choose(instructions::name(), Words(conv, taps)) } else { 0 };
    Sizes { words, ..Sizes::default() }
}

struct Words(Conv, usize);

impl Choice for Words {
    type Output = usize;

    fn with<D: Dot>(self, _: D) -> usize {
        products::words::<D>([self.0.pixels(), self.0.c, self.1])
    }

    #[cfg(target_arch = "x86_64")]
    fn with_winograd<D: Dot>(self, dot: D, products: winograd::Products) -> usize {
        let Self(conv, taps) = self;
        if products.suit(&conv, taps) { winograd::words(&conv) } else { self.with(dot) }
    }
}

struct Compute<'a, S>(&'a Layer<'a, S>, Results<'a, S>, &'a Lanes<u64>);

impl<S: Scalar> Choice for Compute<'_, S> {
    type Output = ();

    fn with<D: Dot>(self, dot: D) {
        products::compute(dot, self.0, self.1, self.2);
    }

    #[cfg(target_arch = "x86_64")]
    fn with_winograd<D: Dot>(self, dot: D, products: winograd::Products) {
        let Self(layer, results, lanes) = self;
        if products.suit(&layer.conv(), layer.source.taps) {
            winograd::compute(products, layer, results, lanes);
        } else {
            products::compute(dot, layer, results, lanes);
        }
    }
}

fn conv<'a, S>(
    op: &QuantizedConv,
    operands: QuantizedConvOperands<Slices<'a, S>>,
) -> (Layer<'a, S>, Results<'a, S>) {
    let QuantizedConvOperands { input, weight, weight_sum, bias, scale, output } = operands;
    let Conv { n, h, w, c, k } = op.conv;
    let source = Source { input, n, h, w, c, taps: 9, zero: op.zero };
    let layer = Layer { source, outputs: k, weight, weight_sum, bias, scale };
    (layer, Results::Bytes(output, op.requantize))
}

fn linear<'a, S>(
    op: &QuantizedLinear,
    operands: QuantizedLinearOperands<Slices<'a, S>>,
) -> (Layer<'a, S>, Results<'a, S>) {
    let QuantizedLinearOperands { input, weight, weight_sum, bias, scale, output, logits } = operands;
    let source = Source { input, n: op.n, h: 1, w: 1, c: op.inputs, taps: 1, zero: op.zero };
    let layer = Layer { source, outputs: op.outputs, weight, weight_sum, bias, scale };
    let results = match (output, op.requantize) {
        (Some(output), Some(requantize)) => Results::Bytes(output, requantize),
        _ => Results::Logits(logits.unwrap_or_default()),
    };
    (layer, results)
}
