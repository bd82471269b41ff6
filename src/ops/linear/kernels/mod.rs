//! Rows for [`crate::ops::Linear`] and its gradients.

mod parts;
mod tiled;

use parts::{FORWARD_STORE, GRAD_INPUT_STORE, GRAD_WEIGHT_STORE, slice};

use super::{Linear, LinearGradInput, LinearGradWeight, LinearUpdate};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row, Rows, Stores, cooperative,
        lanes::Lanes,
        needs,
        parts::{only, single, subgroups},
        product_rows, speed,
        statistics::Statistics,
    },
    ops::adam::kernels as adam,
    shader::{Fragment, Source, fragment},
};

const FORWARD_LANES: Fragment = fragment!("linear/forward_lanes.wgsl");
const GRAD_INPUT_LANES: Fragment = fragment!("linear/grad_input_lanes.wgsl");
const GRAD_WEIGHT_LANES: Fragment = fragment!("linear/grad_weight_lanes.wgsl");
const FORWARD_COOPERATIVE: Fragment = fragment!("linear/forward_cooperative.wgsl");
const GRAD_INPUT_COOPERATIVE: Fragment = fragment!("linear/grad_input_cooperative.wgsl");
const GRAD_WEIGHT_COOPERATIVE: Fragment = fragment!("linear/grad_weight_cooperative.wgsl");
const UPDATE_LANES_STORE: Fragment = fragment!("linear/update_lanes_store.wgsl");
const FORWARD_BLOCKED: Fragment = fragment!("linear/forward_blocked.wgsl");
const GRAD_INPUT_BLOCKED: Fragment = fragment!("linear/grad_input_blocked.wgsl");
const GRAD_WEIGHT_BLOCKED: Fragment = fragment!("linear/grad_weight_blocked.wgsl");

impl Rows for Linear {
    const ROWS: &[&[Row<Self>]] = &[
        tiled::FORWARD,
        product_rows!(
            [needs("features divisible by 8", |linear, _| eights(linear))],
            |linear, _, caps| forward_cooperative(linear, caps),
            [
                needs("subgroups of 8, output features divisible by 16", |linear, caps| {
                    Lanes::fit(caps, linear.outputs)
                }),
                needs("slice offset and total divisible by 4", |linear, _| all_fours([
                    linear.first,
                    linear.total
                ]))
            ],
            |linear, storage, _| forward_lanes(linear, storage),
            [needs("input features divisible by 4", |linear, _| linear.inputs.is_multiple_of(4))],
            |linear, _, _| forward_blocked(linear),
        ),
    ];
}

impl Rows for LinearGradInput {
    const ROWS: &[&[Row<Self>]] = &[
        tiled::GRAD_INPUT,
        product_rows!(
            [needs("features divisible by 8", |op, _| eights(&op.0))],
            |op, _, caps| grad_input_cooperative(op, caps),
            [needs("subgroups of 8, input features divisible by 16", |op, caps| Lanes::fit(
                caps,
                op.0.inputs
            ))],
            |op, storage, _| grad_input_lanes(op, storage),
            [needs("features divisible by 4", |op, _| fours(&op.0))],
            |op, _, _| grad_input_blocked(op),
        ),
    ];
}

impl Rows for LinearGradWeight {
    const ROWS: &[&[Row<Self>]] = &[
        tiled::GRAD_WEIGHT,
        product_rows!(
            [needs("features divisible by 8", |op, _| eights(&op.0))],
            |op, _, caps| grad_weight_cooperative(op, caps),
            [needs("subgroups of 8, input features divisible by 16", |op, caps| Lanes::fit(
                caps,
                op.0.inputs
            ))],
            |op, storage, _| grad_weight_lanes(op, storage),
            [needs("output features divisible by 8, others by 4", |op, _| {
                op.0.outputs.is_multiple_of(8) && all_fours([op.0.inputs, op.0.first, op.0.total])
            })],
            |op, _, _| grad_weight_blocked(op),
        ),
    ];
}

impl Rows for LinearUpdate {
    const ROWS: &[&[Row<Self>]] = &[
        tiled::UPDATE,
        &[Row {
            name: "lanes",
            stores: Stores::Both,
            requires: &[needs("subgroups of 8, input features divisible by 16", |op, caps| {
                Lanes::fit(caps, op.linear.inputs)
            })],
            speed: speed::on_software,
            build: |op, storage, _| update_lanes(op, storage),
        }],
    ];
}

fn forward_lanes(linear: &Linear, storage: DType) -> Kernel {
    let lanes = Lanes::of(linear.n, linear.outputs, linear.inputs, &[]);
    only(lanes.rows("", shape(linear, lanes.rows_source(storage, &[FORWARD_LANES])), 1))
}

fn forward_blocked(linear: &Linear) -> Kernel {
    let blocks = linear.outputs.div_ceil(4) * linear.n.div_ceil(8);
    single(shape(linear, Source::new([FORWARD_BLOCKED])), blocks)
}

fn grad_input_lanes(op: &LinearGradInput, storage: DType) -> Kernel {
    let LinearGradInput(linear) = op;
    let lanes = Lanes::of(linear.n, linear.inputs, linear.outputs, &[linear.first, linear.total]);
    let source =
        shape(linear, lanes.rows_source(storage, &[GRAD_INPUT_LANES])).flag("ACCUMULATE", op.accumulate());
    only(lanes.rows("", source, 1))
}

fn grad_input_blocked(op: &LinearGradInput) -> Kernel {
    let LinearGradInput(linear) = op;
    let source = shape(linear, Source::new([GRAD_INPUT_BLOCKED])).flag("ACCUMULATE", op.accumulate());
    single(source, linear.inputs / 4 * linear.n.div_ceil(8))
}

fn grad_weight_lanes(LinearGradWeight(linear): &LinearGradWeight, storage: DType) -> Kernel {
    let files = &[GRAD_WEIGHT_STORE, GRAD_WEIGHT_LANES];
    outer_lanes(linear, outer(linear), storage, files, |source| source)
}

fn grad_weight_blocked(LinearGradWeight(linear): &LinearGradWeight) -> Kernel {
    single(shape(linear, Source::new([GRAD_WEIGHT_BLOCKED])), linear.inputs / 4 * (linear.outputs / 8))
}

fn update_lanes(LinearUpdate { linear, adam }: &LinearUpdate, storage: DType) -> Kernel {
    let files = [adam::step(adam), vec![UPDATE_LANES_STORE, GRAD_WEIGHT_LANES]].concat();
    outer_lanes(linear, outer(linear).low(), storage, &files, |source| adam::constants(adam, source))
}

fn outer(linear: &Linear) -> Lanes {
    Lanes::of(1, linear.inputs, linear.outputs, &[linear.first, linear.total])
}

/// The gradient of the weights in the registers of a subgroup.
fn outer_lanes(
    linear: &Linear,
    lanes: Lanes,
    storage: DType,
    files: &[Fragment],
    finish: impl Fn(Source) -> Source,
) -> Kernel {
    let source = finish(shape(linear, lanes.outer_source(storage, files)));
    only(subgroups("", source, lanes.outer_blocks()))
}

fn shape(linear: &Linear, source: Source) -> Source {
    let source =
        source.constant("IMAGES", linear.n).constant("IN", linear.inputs).constant("OUT", linear.outputs);
    slice(linear, source)
}

fn all_fours<const N: usize>(extents: [usize; N]) -> bool {
    extents.iter().all(|extent| extent.is_multiple_of(4))
}

/// Whether all extents and the offset of features are multiples of 4.
fn fours(linear: &Linear) -> bool {
    all_fours([linear.inputs, linear.outputs, linear.first, linear.total])
}

/// Whether all extents and the offset of features are multiples of 8.
fn eights(linear: &Linear) -> bool {
    [linear.inputs, linear.outputs, linear.first, linear.total].iter().all(|extent| extent.is_multiple_of(8))
}

/// A product on matrix units, whose matrices are loaded without a prologue.
fn on_matrix_units(
    caps: &Caps,
    product: cooperative::Product,
    [file, store]: [Fragment; 2],
    finish: impl Fn(Source) -> Source,
) -> Kernel {
    let loads = [cooperative::A_ALONE, cooperative::B_ALONE, file];
    cooperative::kernel(caps, product, Statistics::None, &loads, store, finish)
}

fn forward_cooperative(linear: &Linear, caps: &Caps) -> Kernel {
    let (m, n, k) = (linear.n, linear.outputs, linear.inputs);
    let splits = cooperative::splits(caps, 1, [m, n, k]);
    let product = cooperative::Product { m, n, k, splits, a_along_k: true, b_along_k: true, vectors: 0 };
    on_matrix_units(caps, product, [FORWARD_COOPERATIVE, FORWARD_STORE], |source| slice(linear, source))
}

fn grad_input_cooperative(op: &LinearGradInput, caps: &Caps) -> Kernel {
    let LinearGradInput(linear) = op;
    let (m, n, k) = (linear.n, linear.inputs, linear.outputs);
    let splits = cooperative::splits(caps, 1, [m, n, k]);
    let product = cooperative::Product { m, n, k, splits, a_along_k: true, b_along_k: false, vectors: 0 };
    let finish = |source| slice(linear, source).flag("ACCUMULATE", op.accumulate());
    on_matrix_units(caps, product, [GRAD_INPUT_COOPERATIVE, GRAD_INPUT_STORE], finish)
}

fn grad_weight_cooperative(LinearGradWeight(linear): &LinearGradWeight, caps: &Caps) -> Kernel {
    let (m, n, k) = (linear.outputs, linear.inputs, linear.n);
    let product = cooperative::Product { m, n, k, splits: 1, a_along_k: false, b_along_k: false, vectors: 0 };
    let finish = |source| slice(linear, source);
    on_matrix_units(caps, product, [GRAD_WEIGHT_COOPERATIVE, GRAD_WEIGHT_STORE], finish)
}
