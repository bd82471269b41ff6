//! Tiled rows for [`crate::ops::ConvForward`] and its gradients: implicit GEMM. Batch norm and ReLU are applied, and gone
//! back through, where tiles load; the statistics of the output, and the sums of the input's gradient, come out of the tiles.

use super::{
    Caps, Kernel, Variant,
    conv::{self, NEIGHBOUR},
    matmul::{Matmul, Side, Tile, tiled_rows},
    parts::{Elem, unpack},
};
use crate::{
    dtype::DType,
    ops::{Conv, Op},
    shader::Source,
};

const FORWARD: &str = include_str!("../../shaders/conv/forward_tiled.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/conv/grad_input_tiled.wgsl");
const GRAD_WEIGHT: &str = include_str!("../../shaders/conv/grad_weight_tiled.wgsl");
pub(super) const INPUT_PLAIN: &str = include_str!("../../shaders/shared/input_plain.wgsl");
const INPUT_NORMALIZED: &str = include_str!("../../shaders/shared/input_normalized.wgsl");
const GRADIENT_PLAIN: &str = include_str!("../../shaders/shared/gradient_plain.wgsl");
const GRADIENT_THROUGH: &str = include_str!("../../shaders/shared/gradient_through.wgsl");

pub(super) const FORWARD_VARIANTS: &[Variant] = tiled_rows!("conv.forward", extents, forward);
pub(super) const GRAD_INPUT_VARIANTS: &[Variant] = tiled_rows!("conv.grad_input", extents, grad_input);
pub(super) const GRAD_WEIGHT_VARIANTS: &[Variant] = tiled_rows!("conv.grad_weight", extents, grad_weight);

/// `[m, n, k]` of the product.
fn extents(op: &Op) -> Option<[usize; 3]> {
    match op {
        Op::ConvForward(op) => Some([op.conv.pixels(), op.conv.k, 9 * op.conv.c]),
        Op::ConvGradInput(op) => Some([op.conv.pixels(), op.conv.c, 9 * op.conv.k]),
        Op::ConvGradWeight(op) => Some([9 * op.conv.c, op.conv.k, op.conv.pixels()]),
        _ => None,
    }
}

fn product(op: &Op, tile: Tile, caps: &Caps, a: Side, b: Side) -> Matmul {
    let extents = extents(op.plain()).expect("a row for convolutions");
    let (splits, elem) = (tile.splits(caps, extents), Elem::of(extents[1]));
    Matmul { extents, tile, splits, a, b, elem, storage: op.storage() }
}

fn input(normalized: bool) -> &'static str {
    if normalized { INPUT_NORMALIZED } else { INPUT_PLAIN }
}

pub(super) fn gradient(through: Option<f32>) -> &'static str {
    if through.is_some() { GRADIENT_THROUGH } else { GRADIENT_PLAIN }
}

/// The constants of the shaders that read an input or a gradient.
fn reads(conv: &Conv, through: Option<f32>, storage: DType, source: Source) -> Source {
    let (input, grad) = (Elem::of(conv.c), Elem::of(conv.k));
    let source = grad.named(storage, "grad", input.named(storage, "input", conv::shape(conv, source)));
    source
        .constant("INPUT_C", conv.c / input.lanes())
        .constant("GRAD_C", conv.k / grad.lanes())
        .float("GRAD_AT_ZERO", through.unwrap_or(0.0))
}

fn forward(op: &Op, tile: Tile, caps: &Caps) -> Kernel {
    let convolution = unpack!(op, ConvForward);
    let (conv, storage) = (&convolution.conv, op.storage());
    let a = Side { elem: Elem::of(conv.c), along_k: true };
    let b = Side { elem: Elem::of(conv.k), along_k: false };
    let product = product(op, tile, caps, a, b);
    let loads = [NEIGHBOUR, input(convolution.normalized), FORWARD];
    let finish = |source| reads(conv, None, storage, b.elem.named(storage, "weight", source));
    product.kernel_with(convolution.into(), &loads, conv::FORWARD_KEEP, finish)
}

fn grad_input(op: &Op, tile: Tile, caps: &Caps) -> Kernel {
    let gradients = unpack!(op, ConvGradInput);
    let (conv, storage) = (&gradients.conv, op.storage());
    let side = Side { elem: Elem::of(conv.k), along_k: true };
    let loads = [NEIGHBOUR, gradient(gradients.through), GRAD_INPUT];
    let product = product(op, tile, caps, side, side);
    let finish = |source| reads(conv, gradients.through, storage, side.elem.named(storage, "weight", source));
    product.kernel_with(gradients.into(), &loads, conv::GRAD_INPUT_KEEP, finish)
}

fn grad_weight(op: &Op, tile: Tile, caps: &Caps) -> Kernel {
    let gradients = unpack!(op, ConvGradWeight);
    let (conv, storage) = (&gradients.conv, op.storage());
    let a = Side { elem: Elem::of(conv.c), along_k: false };
    let b = Side { elem: Elem::of(conv.k), along_k: false };
    let loads = [NEIGHBOUR, input(gradients.normalized), gradient(gradients.through), GRAD_WEIGHT];
    product(op, tile, caps, a, b).kernel(&loads, conv::GRAD_WEIGHT_KEEP, |source| {
        reads(conv, gradients.through, storage, source).flag("ACCUMULATE", gradients.accumulate)
    })
}
