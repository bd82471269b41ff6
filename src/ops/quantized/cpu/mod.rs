//! Quantised layers for the CPU device. The results are exact: the same bits for any instruction set and number of threads.

mod dot;
mod pack;
mod pixels;
mod products;
#[cfg(test)]
mod tests;

use self::{
    dot::{Choice, Dot, choose},
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
        Sizes { words: self.output[1], ..Sizes::default() }
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
        let Conv { n, h, w, c, .. } = self.conv;
        choose(instructions::name(), Words([n, h, w, c, 9]))
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
        choose(instructions::name(), Words([self.n, 1, 1, self.inputs, 1]))
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

/// The scratch memory of a layer with inputs `[n, h, w, c]` and a number of taps.
struct Words([usize; 5]);

impl Choice for Words {
    type Output = Sizes;

    fn with<D: Dot>(self, _: D) -> Sizes {
        let [n, h, w, c, taps] = self.0;
        Sizes { words: products::words::<D>([n * h * w, c, taps]), ..Sizes::default() }
    }
}

struct Compute<'a, S>(&'a Layer<'a, S>, Results<'a, S>, &'a Lanes<u64>);

impl<S: Scalar> Choice for Compute<'_, S> {
    type Output = ();

    fn with<D: Dot>(self, dot: D) {
        products::compute(dot, self.0, self.1, self.2);
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
