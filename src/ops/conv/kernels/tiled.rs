//! Tiled rows for [`crate::ops::ConvForward`] and its gradients: implicit GEMM. Batch norm and the activation are
//! applied, or differentiated, where tiles are loaded; the reductions of the results are part of the tiles' epilogue.

use super::{
    super::{ConvForward, ConvGradInput, ConvGradWeight},
    parts::{FORWARD_STORE, GRAD_INPUT_STORE, GRAD_WEIGHT_STORE, NEIGHBOUR, shape},
};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row,
        matmul::{LEAST_PART, Matmul, Side, Tile, tiled_rows},
        parts::Elem,
        prologue::Prologue,
    },
    shader::{Fragment, fragment},
};

const FORWARD_LOADS: Fragment = fragment!("conv/forward_tiled.wgsl");
const GRAD_INPUT_LOADS: Fragment = fragment!("conv/grad_input_tiled.wgsl");
const GRAD_WEIGHT_LOADS: Fragment = fragment!("conv/grad_weight_tiled.wgsl");

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
    let (splits, elem) = (tile.splits(caps, 1, extents, LEAST_PART), Elem::of(extents[1]));
    Matmul { extents, batches: 1, tile, splits, a, b, elem, storage }
}

fn forward(op: &ConvForward, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let (conv, input) = (&op.conv, Prologue::input(op.conv.c, op.normalize()));
    let a = Side { elem: Elem::of(conv.c), along_k: true };
    let b = Side { elem: Elem::of(conv.k), along_k: false };
    let product = product(forward_extents(op), storage, tile, caps, [a, b]);
    let loads = [&[NEIGHBOUR], &*input.files(), &[FORWARD_LOADS]].concat();
    let weight = |source| b.elem.named(storage, "weight", shape(conv, source));
    product.kernel_with(op.into(), &loads, FORWARD_STORE, |source| input.constants(storage, weight(source)))
}

fn grad_input(op: &ConvGradInput, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let (conv, grad) = (&op.conv, Prologue::grad(op.conv.k, op.through));
    let side = Side { elem: Elem::of(conv.k), along_k: true };
    let loads = [&[NEIGHBOUR], &*grad.files(), &[GRAD_INPUT_LOADS]].concat();
    let product = product(grad_input_extents(op), storage, tile, caps, [side, side]);
    let weight = |source| side.elem.named(storage, "weight", shape(conv, source));
    product.kernel_with(op.into(), &loads, GRAD_INPUT_STORE, |source| grad.constants(storage, weight(source)))
}

fn grad_weight(op: &ConvGradWeight, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let (input, grad) = (Prologue::input(conv.c, op.normalize()), Prologue::grad(conv.k, op.through));
    let a = Side { elem: Elem::of(conv.c), along_k: false };
    let b = Side { elem: Elem::of(conv.k), along_k: false };
    let loads = [&[NEIGHBOUR], &*input.files(), &*grad.files(), &[GRAD_WEIGHT_LOADS]].concat();
    product(grad_weight_extents(op), storage, tile, caps, [a, b]).kernel(
        &loads,
        GRAD_WEIGHT_STORE,
        |source| {
            let source = shape(conv, source).flag("ACCUMULATE", op.accumulate);
            grad.constants(storage, input.constants(storage, source))
        },
    )
}
