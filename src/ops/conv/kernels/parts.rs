//! What several rows of a convolution share.

use crate::{
    dtype::DType,
    kernels::{Dispatch, Kernel, matmul::Split, parts::Elem, statistics::Statistics},
    ops::{Conv, ConvGradWeight},
    shader::{Fragment, Source, fragment},
};

pub(super) const NEIGHBOUR: Fragment = fragment!("conv/neighbour.wgsl");
pub(super) const GRAD_WEIGHT_PARTIAL: Fragment = fragment!("conv/grad_weight_partial.wgsl");
pub(super) const FORWARD_STORE: Fragment = fragment!("conv/forward_store.wgsl");
pub(super) const GRAD_INPUT_STORE: Fragment = fragment!("conv/grad_input_store.wgsl");
pub(super) const GRAD_WEIGHT_STORE: Fragment = fragment!("conv/grad_weight_store.wgsl");

pub(super) fn shape(conv: &Conv, source: Source) -> Source {
    source
        .constant("IMAGES", conv.n)
        .constant("H", conv.h)
        .constant("W", conv.w)
        .constant("IN", conv.c)
        .constant("OUT", conv.k)
}

/// The first dispatch writes each split's weights to the workspace; the second adds them in order.
pub(super) fn split_grad_weight(op: &ConvGradWeight, splits: usize, partials: Dispatch) -> Kernel {
    let extents = [9 * op.conv.c, op.conv.k];
    Split { extents, splits, elem: Elem::Vec4, storage: DType::F32 }.kernel(
        partials,
        Statistics::None,
        GRAD_WEIGHT_STORE,
        |source| source.flag("ACCUMULATE", op.accumulate),
    )
}
