//! Quantised layers for the CPU device.

use super::{QuantizeImages, QuantizedConv, QuantizedLinear, QuantizedMaxPool, reference};
use crate::{
    cpu::{Scalar, Scratch, Twin},
    ops::Slices,
};

impl Twin for QuantizeImages {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        reference::images(self, operands);
    }
}

impl Twin for QuantizedConv {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        reference::conv(self, operands);
    }
}

impl Twin for QuantizedLinear {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        reference::linear(self, operands);
    }
}

impl Twin for QuantizedMaxPool {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        reference::max_pool(self, operands);
    }
}
