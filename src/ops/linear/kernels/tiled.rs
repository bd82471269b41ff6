//! Tiled rows for [`crate::ops::Linear`] and its gradients.

use super::{
    super::{Linear, LinearGradInput, LinearGradWeight, LinearUpdate},
    adam,
    parts::{FORWARD_STORE, GRAD_INPUT_STORE, GRAD_WEIGHT_STORE, UPDATE_STORE, slice},
};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row,
        matmul::{LEAST_PART, Matmul, Side, Tile, tiled_rows},
        parts::Elem,
    },
    shader::{Fragment, Source, fragment},
};

const FORWARD_LOADS: Fragment = fragment!("linear/forward_tiled.wgsl");
const GRAD_INPUT_LOADS: Fragment = fragment!("linear/grad_input_tiled.wgsl");
const GRAD_WEIGHT_LOADS: Fragment = fragment!("linear/grad_weight_tiled.wgsl");

pub(super) const FORWARD: &[Row<Linear>] = tiled_rows!(extents, forward);
pub(super) const GRAD_INPUT: &[Row<LinearGradInput>] = tiled_rows!(grad_input_extents, grad_input);
pub(super) const GRAD_WEIGHT: &[Row<LinearGradWeight>] =
    tiled_rows!(|op: &LinearGradWeight| outer_extents(&op.0), grad_weight);
pub(super) const UPDATE: &[Row<LinearUpdate>] =
    tiled_rows!(|op: &LinearUpdate| outer_extents(&op.linear), update);

/// `[m, n, k]` of the product.
fn extents(linear: &Linear) -> [usize; 3] {
    [linear.n, linear.outputs, linear.inputs]
}

fn grad_input_extents(LinearGradInput(linear): &LinearGradInput) -> [usize; 3] {
    [linear.n, linear.inputs, linear.outputs]
}

fn outer_extents(linear: &Linear) -> [usize; 3] {
    [linear.outputs, linear.inputs, linear.n]
}

/// The element for loading a row of features, which must divide the slice's extents and offset.
fn features(linear: &Linear) -> Elem {
    let fours = [linear.outputs, linear.first, linear.total].iter().all(|v| v.is_multiple_of(4));
    if fours { Elem::Vec4 } else { Elem::Scalar }
}

fn forward(linear: &Linear, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let side = Side { elem: Elem::of(linear.inputs), along_k: true };
    let extents = extents(linear);
    let splits = tile.splits(caps, 1, extents, LEAST_PART);
    let product =
        Matmul { extents, batches: 1, tile, splits, a: side, b: side, elem: features(linear), storage };
    product.kernel(&[FORWARD_LOADS], FORWARD_STORE, |source| {
        side.elem.named(storage, "weight", side.elem.named(storage, "input", slice(linear, source)))
    })
}

fn grad_input(op: &LinearGradInput, storage: DType, tile: Tile, caps: &Caps) -> Kernel {
    let LinearGradInput(linear) = op;
    let a = Side { elem: features(linear), along_k: true };
    let b = Side { elem: Elem::of(linear.inputs), along_k: false };
    let extents = grad_input_extents(op);
    let splits = tile.splits(caps, 1, extents, LEAST_PART);
    let product = Matmul { extents, batches: 1, tile, splits, a, b, elem: b.elem, storage };
    product.kernel(&[GRAD_INPUT_LOADS], GRAD_INPUT_STORE, |source| {
        b.elem
            .named(storage, "weight", a.elem.named(storage, "grad", slice(linear, source)))
            .flag("ACCUMULATE", op.accumulate())
    })
}

fn grad_weight(LinearGradWeight(linear): &LinearGradWeight, storage: DType, tile: Tile, _: &Caps) -> Kernel {
    outer(linear, storage, tile)
        .kernel(&[GRAD_WEIGHT_LOADS], GRAD_WEIGHT_STORE, |source| outer_constants(linear, storage, source))
}

fn update(LinearUpdate { linear, adam }: &LinearUpdate, storage: DType, tile: Tile, _: &Caps) -> Kernel {
    let loads = [adam::step(adam), vec![GRAD_WEIGHT_LOADS]].concat();
    outer(linear, storage, tile).kernel(&loads, UPDATE_STORE, |source| {
        adam::constants(adam, outer_constants(linear, storage, source))
    })
}

/// The product for the gradient of the weights.
fn outer(linear: &Linear, storage: DType, tile: Tile) -> Matmul {
    let a = Side { elem: features(linear), along_k: false };
    let b = Side { elem: Elem::of(linear.inputs), along_k: false };
    let extents = outer_extents(linear);
    Matmul { extents, batches: 1, tile, splits: 1, a, b, elem: b.elem, storage }
}

fn outer_constants(linear: &Linear, storage: DType, source: Source) -> Source {
    let source = features(linear).named(storage, "grad", slice(linear, source));
    Elem::of(linear.inputs).named(storage, "input", source)
}
