//! Tiled rows for [`crate::ops::ConvForward`] and its gradients: implicit GEMM. Batch norm and ReLU are applied, and gone
//! back through, where tiles load; the statistics of the output, and the sums of the input's gradient, come out of the tiles.

use super::{
    Conv, ConvForward, ConvGradInput, ConvGradWeight, FORWARD_KEEP, GRAD_INPUT_KEEP, GRAD_WEIGHT_KEEP,
    NEIGHBOUR, shape,
};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row,
        matmul::{Matmul, Side, Tile, tiled_rows},
        parts::Elem,
    },
    shader::{Fragment, Source, fragment},
};

const FORWARD_LOADS: Fragment = fragment!("conv/forward_tiled.wgsl");
const GRAD_INPUT_LOADS: Fragment = fragment!("conv/grad_input_tiled.wgsl");
const GRAD_WEIGHT_LOADS: Fragment = fragment!("conv/grad_weight_tiled.wgsl");
pub(super) const INPUT_PLAIN: Fragment = fragment!("shared/input_plain.wgsl");
const INPUT_NORMALIZED: Fragment = fragment!("shared/input_normalized.wgsl");
const GRADIENT_PLAIN: Fragment = fragment!("shared/gradient_plain.wgsl");
const GRADIENT_THROUGH: Fragment = fragment!("shared/gradient_through.wgsl");

pub(super) const FORWARD: &[Row<ConvForward>] = tiled_rows!(forward_extents, forward);
pub(super) const GRAD_INPUT: &[Row<ConvGradInput>] = tiled_rows!(grad_input_extents, grad_input);
pub(super) const GRAD_WEIGHT: &[Row<ConvGradWeight>] = tiled_rows!(grad_weight_extents, grad_weight);

/// `[m, n, k]` of the product.
fn forward_extents(ConvForward { conv, .. }: &ConvForward) -> [usize; 3] {
    [conv.pixels(), conv.k, 9 * conv.c]
}

fn grad_input_extents(ConvGradInput { conv, .. }: &ConvGradInput) -> [usize; 3] {
    [conv.pixels(), conv.c, 9 * conv.k]
}

fn grad_weight_extents(ConvGradWeight { conv, .. }: &ConvGradWeight) -> [usize; 3] {
    [9 * conv.c, conv.k, conv.pixels()]
}

fn product(extents: [usize; 3], storage: DType, tile: Tile, caps: &Caps, [a, b]: [Side; 2]) -> Matmul {
    let (splits, elem) = (tile.splits(caps, extents), Elem::of(extents[1]));
    Matmul { extents, tile, splits, a, b, elem, storage }
}

fn input(normalized: bool) -> Fragment {
    if normalized { INPUT_NORMALIZED } else { INPUT_PLAIN }
}

pub(super) fn gradient(through: Option<f32>) -> Fragment {
    if through.is_some() { GRADIENT_THROUGH } else { GRADIENT_PLAIN }
}

/// The constants of the shaders that read an input or a gradient.
fn reads(conv: &Conv, through: Option<f32>, storage: DType, source: Source) -> Source {
    let (input, grad) = (Elem::of(conv.c), Elem::of(conv.k));
    let source = grad.named(storage, "grad", input.named(storage, "input", shape(conv, source)));
    source
        .constant("INPUT_C", conv.c / input.lanes())
        .constant("GRAD_C", conv.k / grad.lanes())
        .float("GRAD_AT_ZERO", through.unwrap_or(0.0))
}

fn forward(op: &ConvForward, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let a = Side { elem: Elem::of(conv.c), along_k: true };
    let b = Side { elem: Elem::of(conv.k), along_k: false };
    let product = product(forward_extents(op), storage, tile, caps, [a, b]);
    let loads = [NEIGHBOUR, input(op.normalized), FORWARD_LOADS];
    let finish = |source| reads(conv, None, storage, b.elem.named(storage, "weight", source));
    product.kernel_with(op.into(), &loads, FORWARD_KEEP, finish)
}

fn grad_input(op: &ConvGradInput, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let side = Side { elem: Elem::of(conv.k), along_k: true };
    let loads = [NEIGHBOUR, gradient(op.through), GRAD_INPUT_LOADS];
    let product = product(grad_input_extents(op), storage, tile, caps, [side, side]);
    let finish = |source| reads(conv, op.through, storage, side.elem.named(storage, "weight", source));
    product.kernel_with(op.into(), &loads, GRAD_INPUT_KEEP, finish)
}

fn grad_weight(op: &ConvGradWeight, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let a = Side { elem: Elem::of(conv.c), along_k: false };
    let b = Side { elem: Elem::of(conv.k), along_k: false };
    let loads = [NEIGHBOUR, input(op.normalized), gradient(op.through), GRAD_WEIGHT_LOADS];
    product(grad_weight_extents(op), storage, tile, caps, [a, b]).kernel(&loads, GRAD_WEIGHT_KEEP, |source| {
        reads(conv, op.through, storage, source).flag("ACCUMULATE", op.accumulate)
    })
}
