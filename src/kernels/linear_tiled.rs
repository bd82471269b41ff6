//! Tiled rows for [`crate::ops::Linear`] and its gradients.

use super::{
    Caps, Kernel, Variant, adam, linear,
    matmul::{Matmul, Side, Tile, tiled_rows},
    parts::{Elem, unpack},
};
use crate::{
    dtype::DType,
    ops::{Linear, LinearGradInput, LinearGradWeight, LinearUpdate, Op},
    shader::Source,
};

const FORWARD: &str = include_str!("../../shaders/linear/forward_tiled.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/linear/grad_input_tiled.wgsl");
const GRAD_WEIGHT: &str = include_str!("../../shaders/linear/grad_weight_tiled.wgsl");

pub(super) const FORWARD_VARIANTS: &[Variant] = tiled_rows!("linear.forward", extents, forward);
pub(super) const GRAD_INPUT_VARIANTS: &[Variant] = tiled_rows!("linear.grad_input", extents, grad_input);
pub(super) const GRAD_WEIGHT_VARIANTS: &[Variant] = tiled_rows!("linear.grad_weight", extents, grad_weight);
pub(super) const UPDATE_VARIANTS: &[Variant] = tiled_rows!("linear.update", extents, update);

/// `[m, n, k]` of the product.
fn extents(op: &Op) -> Option<[usize; 3]> {
    match op {
        Op::Linear(l) => Some([l.n, l.outputs, l.inputs]),
        Op::LinearGradInput(LinearGradInput(l)) => Some([l.n, l.inputs, l.outputs]),
        Op::LinearGradWeight(LinearGradWeight(l)) | Op::LinearUpdate(LinearUpdate { linear: l, .. }) => {
            Some([l.outputs, l.inputs, l.n])
        }
        _ => None,
    }
}

/// What may be loaded of a row of features: a slice of all of them, so that each of these must be a multiple of it.
fn features(linear: &Linear) -> Elem {
    let fours = [linear.outputs, linear.first, linear.total].iter().all(|v| v.is_multiple_of(4));
    if fours { Elem::Vec4 } else { Elem::Scalar }
}

fn forward(op: &Op, tile: Tile, caps: &Caps) -> Kernel {
    let storage = op.storage();
    let linear = unpack!(op, Linear);
    let side = Side { elem: Elem::of(linear.inputs), along_k: true };
    let extents = [linear.n, linear.outputs, linear.inputs];
    let splits = tile.splits(caps, extents);
    let product = Matmul { extents, tile, splits, a: side, b: side, elem: features(linear), storage };
    product.kernel(&[FORWARD], linear::FORWARD_KEEP, |source| {
        side.elem.named(storage, "weight", side.elem.named(storage, "input", linear::slice(linear, source)))
    })
}

fn grad_input(op: &Op, tile: Tile, caps: &Caps) -> Kernel {
    let storage = op.storage();
    let op = unpack!(op, LinearGradInput);
    let LinearGradInput(linear) = op;
    let a = Side { elem: features(linear), along_k: true };
    let b = Side { elem: Elem::of(linear.inputs), along_k: false };
    let extents = [linear.n, linear.inputs, linear.outputs];
    let splits = tile.splits(caps, extents);
    let product = Matmul { extents, tile, splits, a, b, elem: b.elem, storage };
    product.kernel(&[GRAD_INPUT], linear::GRAD_INPUT_KEEP, |source| {
        b.elem
            .named(storage, "weight", a.elem.named(storage, "grad", linear::slice(linear, source)))
            .flag("ACCUMULATE", op.accumulate())
    })
}

fn grad_weight(op: &Op, tile: Tile, _: &Caps) -> Kernel {
    let LinearGradWeight(linear) = unpack!(op, LinearGradWeight);
    outer(linear, op.storage(), tile).kernel(&[GRAD_WEIGHT], linear::GRAD_WEIGHT_KEEP, |source| {
        outer_constants(linear, op.storage(), source)
    })
}

fn update(op: &Op, tile: Tile, _: &Caps) -> Kernel {
    let LinearUpdate { linear, adam } = unpack!(op, LinearUpdate);
    let loads = [adam::step(adam), vec![GRAD_WEIGHT]].concat();
    outer(linear, op.storage(), tile).kernel(&loads, linear::UPDATE_KEEP, |source| {
        adam::constants(adam, outer_constants(linear, op.storage(), source))
    })
}

/// The product that the gradient of the weights is.
fn outer(linear: &Linear, storage: DType, tile: Tile) -> Matmul {
    let a = Side { elem: features(linear), along_k: false };
    let b = Side { elem: Elem::of(linear.inputs), along_k: false };
    let extents = [linear.outputs, linear.inputs, linear.n];
    Matmul { extents, tile, splits: 1, a, b, elem: b.elem, storage }
}

fn outer_constants(linear: &Linear, storage: DType, source: Source) -> Source {
    let source = features(linear).named(storage, "grad", linear::slice(linear, source));
    Elem::of(linear.inputs).named(storage, "input", source)
}
