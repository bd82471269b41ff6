//! Rows for [`crate::ops::Linear`] and its gradients.

use super::{
    Caps, Dispatch, Kernel, Variant, adam, cooperative,
    lanes::Lanes,
    parts::{single, source, stored, unpack},
    speed,
    statistics::Statistics,
};
use crate::{
    dtype::DType,
    ops::{Linear, LinearGradInput, LinearGradWeight, LinearUpdate, Op},
    shader::Source,
};

const FORWARD_LANES: &str = include_str!("../../shaders/linear/forward_lanes.wgsl");
const GRAD_INPUT_LANES: &str = include_str!("../../shaders/linear/grad_input_lanes.wgsl");
const GRAD_WEIGHT_LANES: &str = include_str!("../../shaders/linear/grad_weight_lanes.wgsl");
const FORWARD_COOPERATIVE: &str = include_str!("../../shaders/linear/forward_cooperative.wgsl");
const GRAD_INPUT_COOPERATIVE: &str = include_str!("../../shaders/linear/grad_input_cooperative.wgsl");
const GRAD_WEIGHT_COOPERATIVE: &str = include_str!("../../shaders/linear/grad_weight_cooperative.wgsl");
pub(super) const FORWARD_KEEP: &str = include_str!("../../shaders/linear/forward_keep.wgsl");
pub(super) const GRAD_INPUT_KEEP: &str = include_str!("../../shaders/linear/grad_input_keep.wgsl");
pub(super) const GRAD_WEIGHT_KEEP: &str = include_str!("../../shaders/linear/grad_weight_keep.wgsl");
pub(super) const UPDATE_KEEP: &str = include_str!("../../shaders/linear/update_keep.wgsl");
const UPDATE_LANES_KEEP: &str = include_str!("../../shaders/linear/update_lanes_keep.wgsl");
const FORWARD_BLOCKED: &str = include_str!("../../shaders/linear/forward_blocked.wgsl");
const GRAD_INPUT_BLOCKED: &str = include_str!("../../shaders/linear/grad_input_blocked.wgsl");
const GRAD_WEIGHT_BLOCKED: &str = include_str!("../../shaders/linear/grad_weight_blocked.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "linear.forward",
        name: "cooperative",
        speed: speed::on_matrix_units,
        supports: |op, caps| {
            cooperative::fits(op, caps) && matches!(op.plain(), Op::Linear(linear) if fours(linear))
        },
        build: forward_cooperative,
    },
    Variant {
        op: "linear.forward",
        name: "lanes",
        speed: speed::on_software,
        supports: |op, caps| {
            let fours = |l: &Linear| l.first.is_multiple_of(4) && l.total.is_multiple_of(4);
            matches!(stored(op, caps), Some(Op::Linear(linear)) if Lanes::fit(caps, linear.outputs) && fours(linear))
        },
        build: |op, _| {
            let storage = op.storage();
            let linear = unpack!(op, Linear);
            let lanes = Lanes::of(linear.n, linear.outputs, linear.inputs, &[]);
            only(lanes.rows("", shape(linear, lanes.rows_source(storage, &[FORWARD_LANES]))))
        },
    },
    Variant {
        op: "linear.forward",
        name: "blocked",
        speed: speed::on_software,
        supports: |op, _| matches!(op, Op::Linear(linear) if linear.inputs.is_multiple_of(4)),
        build: |op, _| {
            let linear = unpack!(op, Linear);
            single(
                shape(linear, source(&[FORWARD_BLOCKED])),
                linear.outputs.div_ceil(4) * linear.n.div_ceil(8),
            )
        },
    },
    Variant {
        op: "linear.grad_input",
        name: "cooperative",
        speed: speed::on_matrix_units,
        supports: |op, caps| {
            cooperative::fits(op, caps)
                && matches!(op.plain(), Op::LinearGradInput(LinearGradInput(linear)) if fours(linear))
        },
        build: grad_input_cooperative,
    },
    Variant {
        op: "linear.grad_input",
        name: "lanes",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::LinearGradInput(LinearGradInput(l))) if Lanes::fit(caps, l.inputs)),
        build: |op, _| {
            let storage = op.storage();
            let op = unpack!(op, LinearGradInput);
            let LinearGradInput(linear) = op;
            let strides = [linear.first, linear.total];
            let lanes = Lanes::of(linear.n, linear.inputs, linear.outputs, &strides);
            let source = shape(linear, lanes.rows_source(storage, &[GRAD_INPUT_LANES]))
                .flag("ACCUMULATE", op.accumulate());
            only(lanes.rows("", source))
        },
    },
    Variant {
        op: "linear.grad_input",
        name: "blocked",
        speed: speed::on_software,
        supports: |op, _| {
            let fours =
                |l: &Linear| [l.inputs, l.outputs, l.first, l.total].iter().all(|v| v.is_multiple_of(4));
            matches!(op, Op::LinearGradInput(LinearGradInput(linear)) if fours(linear))
        },
        build: |op, _| {
            let op = unpack!(op, LinearGradInput);
            let LinearGradInput(linear) = op;
            let source = shape(linear, source(&[GRAD_INPUT_BLOCKED])).flag("ACCUMULATE", op.accumulate());
            single(source, linear.inputs / 4 * linear.n.div_ceil(8))
        },
    },
    Variant {
        op: "linear.grad_weight",
        name: "cooperative",
        speed: speed::on_matrix_units,
        supports: |op, caps| {
            cooperative::fits(op, caps)
                && matches!(op.plain(), Op::LinearGradWeight(LinearGradWeight(linear)) if fours(linear))
        },
        build: grad_weight_cooperative,
    },
    Variant {
        op: "linear.grad_weight",
        name: "lanes",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::LinearGradWeight(LinearGradWeight(l))) if Lanes::fit(caps, l.inputs)),
        build: |op, _| {
            let storage = op.storage();
            let LinearGradWeight(linear) = unpack!(op, LinearGradWeight);
            let files = &[GRAD_WEIGHT_KEEP, GRAD_WEIGHT_LANES];
            outer_lanes(linear, outer(linear), storage, files, |source| source)
        },
    },
    Variant {
        op: "linear.grad_weight",
        name: "blocked",
        speed: speed::on_software,
        supports: |op, _| {
            let fits = |l: &Linear| {
                l.outputs.is_multiple_of(8)
                    && [l.inputs, l.first, l.total].iter().all(|v| v.is_multiple_of(4))
            };
            matches!(op, Op::LinearGradWeight(LinearGradWeight(linear)) if fits(linear))
        },
        build: |op, _| {
            let LinearGradWeight(linear) = unpack!(op, LinearGradWeight);
            single(shape(linear, source(&[GRAD_WEIGHT_BLOCKED])), linear.inputs / 4 * (linear.outputs / 8))
        },
    },
    Variant {
        op: "linear.update",
        name: "lanes",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::LinearUpdate(op)) if Lanes::fit(caps, op.linear.inputs)),
        build: |op, _| {
            let LinearUpdate { linear, adam } = unpack!(op, LinearUpdate);
            let files = [adam::step(adam), vec![UPDATE_LANES_KEEP, GRAD_WEIGHT_LANES]].concat();
            outer_lanes(linear, outer(linear).low(), op.storage(), &files, |source| {
                adam::constants(adam, source)
            })
        },
    },
];

fn outer(linear: &Linear) -> Lanes {
    Lanes::of(1, linear.inputs, linear.outputs, &[linear.first, linear.total])
}

/// The gradient of the weights in the registers of a subgroup.
fn outer_lanes(
    linear: &Linear,
    lanes: Lanes,
    storage: DType,
    files: &[&'static str],
    finish: impl Fn(Source) -> Source,
) -> Kernel {
    let source = finish(shape(linear, lanes.outer_source(storage, files)));
    only(Dispatch::new("", source, lanes.outer_blocks() as u64))
}

fn shape(linear: &Linear, source: Source) -> Source {
    let source =
        source.constant("IMAGES", linear.n).constant("IN", linear.inputs).constant("OUT", linear.outputs);
    slice(linear, source)
}

fn only(dispatch: Dispatch) -> Kernel {
    Kernel::new(vec![dispatch])
}

pub(super) fn slice(linear: &Linear, source: Source) -> Source {
    source.constant("FIRST", linear.first).constant("TOTAL", linear.total)
}

/// Whether features can be moved in fours.
fn fours(linear: &Linear) -> bool {
    [linear.inputs, linear.outputs, linear.first, linear.total].iter().all(|v| v.is_multiple_of(4))
}

/// A product on matrix units, whose matrices are loaded as they are.
fn on_matrix_units(
    caps: &Caps,
    product: cooperative::Product,
    [file, keep]: [&'static str; 2],
    finish: impl Fn(Source) -> Source,
) -> Kernel {
    let loads = [cooperative::A_ALONE, cooperative::B_ALONE, file];
    cooperative::kernel(caps, product, Statistics::None, &loads, keep, finish)
}

fn forward_cooperative(op: &Op, caps: &Caps) -> Kernel {
    let linear = unpack!(op, Linear);
    let (m, n, k) = (linear.n, linear.outputs, linear.inputs);
    let splits = cooperative::splits(caps, m, n, k);
    let product = cooperative::Product { m, n, k, splits, a_along_k: true, b_along_k: true };
    on_matrix_units(caps, product, [FORWARD_COOPERATIVE, FORWARD_KEEP], |source| slice(linear, source))
}

fn grad_input_cooperative(op: &Op, caps: &Caps) -> Kernel {
    let op = unpack!(op, LinearGradInput);
    let LinearGradInput(linear) = op;
    let (m, n, k) = (linear.n, linear.inputs, linear.outputs);
    let splits = cooperative::splits(caps, m, n, k);
    let product = cooperative::Product { m, n, k, splits, a_along_k: true, b_along_k: false };
    let finish = |source| slice(linear, source).flag("ACCUMULATE", op.accumulate());
    on_matrix_units(caps, product, [GRAD_INPUT_COOPERATIVE, GRAD_INPUT_KEEP], finish)
}

fn grad_weight_cooperative(op: &Op, caps: &Caps) -> Kernel {
    let LinearGradWeight(linear) = unpack!(op, LinearGradWeight);
    let (m, n, k) = (linear.outputs, linear.inputs, linear.n);
    let product = cooperative::Product { m, n, k, splits: 1, a_along_k: false, b_along_k: false };
    let finish = |source| slice(linear, source);
    on_matrix_units(caps, product, [GRAD_WEIGHT_COOPERATIVE, GRAD_WEIGHT_KEEP], finish)
}
