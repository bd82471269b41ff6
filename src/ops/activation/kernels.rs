//! Rows for [`crate::ops::Activate`] and [`crate::ops::ActivateGrad`], and the fragments that other kernels apply activations
//! with.

use super::{Activate, ActivateGrad, Activation};
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{Elem, single},
    },
    shader::{Fragment, Source, fragment},
};

const FORWARD: Fragment = fragment!("activation/forward.wgsl");
const GRAD_INPUT: Fragment = fragment!("activation/grad_input.wgsl");
const NONE: Fragment = fragment!("activation/none.wgsl");
const RELU: Fragment = fragment!("activation/relu.wgsl");
const LEAKY_RELU: Fragment = fragment!("activation/leaky_relu.wgsl");
const GELU: Fragment = fragment!("activation/gelu.wgsl");
const SILU: Fragment = fragment!("activation/silu.wgsl");
const CELU: Fragment = fragment!("activation/celu.wgsl");

/// The fragment that defines `activate` and `activate_grad`.
pub(crate) fn file(activation: Option<Activation>) -> Fragment {
    match activation {
        None => NONE,
        Some(Activation::Relu { .. }) => RELU,
        Some(Activation::LeakyRelu { .. }) => LEAKY_RELU,
        Some(Activation::Gelu) => GELU,
        Some(Activation::Silu) => SILU,
        Some(Activation::Celu { .. }) => CELU,
    }
}

/// Defines `name` as the slope, or CELU's alpha, that the fragment needs, if it needs one.
pub(crate) fn slope(activation: Option<Activation>, name: &str, source: Source) -> Source {
    match activation {
        Some(Activation::Relu { at_zero }) => source.float(name, at_zero),
        Some(Activation::LeakyRelu { negative_slope }) => source.float(name, negative_slope),
        Some(Activation::Celu { alpha }) => source.float(name, alpha),
        Some(Activation::Gelu | Activation::Silu) | None => source,
    }
}

impl Rows for Activate {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |op| op.len, forward)];
}

impl Rows for ActivateGrad {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |op| op.len, grad_input)];
}

fn forward(op: &Activate, storage: DType, elem: Elem) -> Kernel {
    elementwise(FORWARD, op.activation, op.len / elem.lanes(), storage, elem)
}

fn grad_input(op: &ActivateGrad, storage: DType, elem: Elem) -> Kernel {
    elementwise(GRAD_INPUT, op.activation, op.len / elem.lanes(), storage, elem)
}

fn elementwise(kernel: Fragment, activation: Activation, len: usize, storage: DType, elem: Elem) -> Kernel {
    let source = elem.over(storage, Source::new([file(Some(activation)), kernel]));
    single(slope(Some(activation), "SLOPE", source), len)
}
