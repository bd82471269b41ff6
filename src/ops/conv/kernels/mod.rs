//! Rows for [`crate::ops::ConvForward`] and its gradients.

mod direct;
mod parts;
mod tiled;
mod winograd;

use parts::{
    FORWARD_STORE, GRAD_INPUT_STORE, GRAD_WEIGHT_PARTIAL, GRAD_WEIGHT_STORE, shape, split_grad_weight,
};

use super::{Conv, ConvForward, ConvGradInput, ConvGradWeight};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Dispatch, Kernel, Row, Rows, cooperative,
        lanes::Lanes,
        matmul::Matmul,
        needs,
        parts::{Elem, Merge, each, only, single, subgroups},
        product_rows,
        prologue::Prologue,
        statistics::Statistics,
    },
    ops::{Activation, BatchNormGradInput, BatchNormNormalize, batch_norm::kernels as batch_norm},
    shader::{Fragment, Source, fragment},
};

const FORWARD_BLOCKED: Fragment = fragment!("conv/forward_blocked.wgsl");
const GRAD_INPUT_BLOCKED: Fragment = fragment!("conv/grad_input_blocked.wgsl");
const GRAD_WEIGHT_BLOCKED: Fragment = fragment!("conv/grad_weight_blocked.wgsl");
const FORWARD_LANES: Fragment = fragment!("conv/forward_lanes.wgsl");
const GRAD_INPUT_LANES: Fragment = fragment!("conv/grad_input_lanes.wgsl");
const GRAD_WEIGHT_LANES: Fragment = fragment!("conv/grad_weight_lanes.wgsl");
const LANES_STORE: Fragment = fragment!("conv/lanes_store.wgsl");
const TAPS: Fragment = fragment!("conv/taps_cooperative.wgsl");
const FORWARD_COOPERATIVE: Fragment = fragment!("conv/forward_cooperative.wgsl");
const GRAD_INPUT_COOPERATIVE: Fragment = fragment!("conv/grad_input_cooperative.wgsl");
const GRAD_WEIGHT_COOPERATIVE: Fragment = fragment!("conv/grad_weight_cooperative.wgsl");

impl Rows for ConvForward {
    const ROWS: &[&[Row<Self>]] = &[
        tiled::FORWARD,
        product_rows!(
            [
                needs("channels divisible by 8", |op, _| eights(&op.conv)),
                needs("workgroup memory for the norm", |op, caps| cooperative::has_room(
                    caps,
                    forward_vectors(op)
                ))
            ],
            |op, _, caps| forward_cooperative(op, caps),
            [needs("subgroups of 8, output channels divisible by 16", |op, caps| Lanes::fit(
                caps, op.conv.k
            ))],
            |op, storage, _| forward_lanes(op, storage),
            [needs("input channels divisible by 4, output channels divisible by 8", |op, _| {
                op.conv.c.is_multiple_of(4) && op.conv.k.is_multiple_of(8)
            })],
            |op, _, _| forward_blocked(op),
        ),
        direct::FORWARD,
        winograd::FORWARD,
    ];
}

impl Rows for ConvGradInput {
    const ROWS: &[&[Row<Self>]] = &[
        tiled::GRAD_INPUT,
        product_rows!(
            [
                needs("channels divisible by 8", |op, _| eights(&op.conv)),
                needs("workgroup memory for the norm", |op, caps| cooperative::has_room(
                    caps,
                    grad_input_vectors(op)
                ))
            ],
            |op, _, caps| grad_input_cooperative(op, caps),
            [needs("subgroups of 8, input channels divisible by 16", |op, caps| Lanes::fit(caps, op.conv.c))],
            |op, storage, _| grad_input_lanes(op, storage),
            [needs("input channels divisible by 8, output channels divisible by 4", |op, _| {
                op.conv.k.is_multiple_of(4) && op.conv.c.is_multiple_of(8)
            })],
            |op, _, _| grad_input_blocked(op),
        ),
        winograd::GRAD_INPUT,
    ];
}

impl Rows for ConvGradWeight {
    const ROWS: &[&[Row<Self>]] = &[
        tiled::GRAD_WEIGHT,
        product_rows!(
            [needs("channels divisible by 8", |op, _| eights(&op.conv))],
            |op, _, caps| grad_weight_cooperative(op, caps),
            [needs("subgroups of 8, output channels divisible by 16", |op, caps| Lanes::fit(
                caps, op.conv.k
            ))],
            grad_weight_lanes,
            [needs("channels divisible by 8", |op, _| {
                op.conv.c.is_multiple_of(8) && op.conv.k.is_multiple_of(8)
            })],
            |op, _, caps| grad_weight_blocked(op, caps),
        ),
        direct::GRAD_WEIGHT,
        winograd::GRAD_WEIGHT,
    ];
}

fn forward_lanes(op: &ConvForward, storage: DType) -> Kernel {
    let conv = &op.conv;
    let (lanes, statistics) = (Lanes::of(conv.pixels(), conv.k, conv.c, &[]), Statistics::from(op));
    let kernel = lanes_rows(conv, lanes, statistics, storage, [FORWARD_STORE, FORWARD_LANES]);
    let kernel = activated(op.normalize(), storage, kernel);
    statistics.merged(kernel, [conv.pixels(), conv.k], lanes.chunks(), Merge::Serial)
}

fn forward_blocked(op: &ConvForward) -> Kernel {
    let conv = &op.conv;
    let source = shape(conv, Source::new([FORWARD_BLOCKED]));
    let kernel = single(source, conv.k / 8 * conv.pixels().div_ceil(4));
    let kernel = activated(op.normalize(), DType::F32, kernel);
    Statistics::from(op).after(kernel, [conv.pixels(), conv.k], Merge::Serial, DType::F32)
}

fn grad_input_lanes(op: &ConvGradInput, storage: DType) -> Kernel {
    let conv = &op.conv;
    let (lanes, statistics) = (Lanes::of(conv.pixels(), conv.c, conv.k, &[]), Statistics::from(op));
    let kernel = lanes_rows(conv, lanes, statistics, storage, [GRAD_INPUT_STORE, GRAD_INPUT_LANES]);
    let kernel = read_back((None, op.through), conv, storage, kernel);
    statistics.merged(kernel, [conv.pixels(), conv.c], lanes.chunks(), Merge::Serial)
}

fn grad_input_blocked(op: &ConvGradInput) -> Kernel {
    let conv = &op.conv;
    let source = shape(conv, Source::new([GRAD_INPUT_BLOCKED]));
    let kernel = single(source, conv.c / 8 * conv.pixels().div_ceil(4));
    let kernel = read_back((None, op.through), conv, DType::F32, kernel);
    Statistics::from(op).after(kernel, [conv.pixels(), conv.c], Merge::Serial, DType::F32)
}

fn grad_weight_blocked(op: &ConvGradWeight, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let blocks = 9 * (conv.c / 8) * (conv.k / 8);
    // The split is over rows of pixels; the pieces of work are invocations, not workgroups.
    let splits = Matmul::splits(caps, blocks.div_ceil(8), 4 * 9 * conv.c * conv.k, conv.n * conv.h, 1);
    let source = shape(conv, Source::new([GRAD_WEIGHT_BLOCKED])).constant("SPLITS", splits);
    let kernel = split_grad_weight(op, splits, each("partials", source, blocks * splits));
    read_back((op.normalize(), op.through), conv, DType::F32, kernel)
}

/// A kernel that reads a plain `input`, after a dispatch that applies batch norm and the activation.
fn activated(normalize: Option<BatchNormNormalize>, storage: DType, mut kernel: Kernel) -> Kernel {
    let Some(op) = normalize else { return kernel };
    let mut first = batch_norm::normalize(&op, storage, Elem::of(op.channels))
        .workspace("activated", storage.bytes() * op.rows * op.channels);
    first.dispatches[0].label = "activate";
    first.dispatches[0].rebind = &[("output", "activated")];
    for dispatch in &mut kernel.dispatches {
        dispatch.rebind = &[("input", "activated")];
    }
    first.then(kernel)
}

/// A kernel that reads a plain `input` and a plain `grad_output`, after dispatches that compute them: batch norm and the
/// activation of the input, and their backward pass for the gradient.
fn read_back(
    (normalize, through): (Option<BatchNormNormalize>, Option<Activation>),
    conv: &Conv,
    storage: DType,
    kernel: Kernel,
) -> Kernel {
    let mut kernel = activated(normalize, storage, kernel);
    if through.is_none() {
        return kernel;
    }
    let op = BatchNormGradInput { rows: conv.pixels(), channels: conv.k, activation: through };
    let mut first = batch_norm::grad_input(&op, storage, Elem::of(conv.k))
        .workspace("gradient", storage.bytes() * op.rows * op.channels);
    first.dispatches[0].label = "gradient";
    first.dispatches[0].rebind = &[("input", "output"), ("grad_input", "gradient")];
    // The dispatch of `activated` comes first.
    for dispatch in &mut kernel.dispatches[usize::from(normalize.is_some())..] {
        dispatch.rebind = match normalize {
            Some(_) => &[("input", "activated"), ("grad_output", "gradient")],
            None => &[("grad_output", "gradient")],
        };
    }
    first.then(kernel)
}

/// A product in the registers of subgroups: a subgroup's rows are a chunk.
fn lanes_rows(
    conv: &Conv,
    lanes: Lanes,
    statistics: Statistics,
    storage: DType,
    [store, file]: [Fragment; 2],
) -> Kernel {
    let files = [&[store], &*statistics.files(), &[LANES_STORE, file]].concat();
    let source = lanes.rows_source(storage, &files);
    let source = source.constant("COLUMNS", lanes.row_vectors());
    only(lanes.rows("", statistics.constants(shape(conv, source)), 1))
}

/// Splits only if the device needs more pieces of work; without splits the results go directly to the operands.
fn grad_weight_lanes(op: &ConvGradWeight, storage: DType, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let lanes = Lanes::of(1, conv.k, conv.c, &[]);
    let blocks = 9 * lanes.outer_blocks();
    let splits = lanes.splits(caps, blocks, 4 * 9 * conv.c * conv.k, conv.pixels());
    let store = if splits > 1 { GRAD_WEIGHT_PARTIAL } else { GRAD_WEIGHT_STORE };
    let source = shape(conv, lanes.outer_source(storage, &[store, GRAD_WEIGHT_LANES]))
        .constant("SPLITS", splits)
        .flag("ACCUMULATE", op.accumulate);
    let dispatch = subgroups("partials", source, blocks * splits);
    let kernel = if splits > 1 {
        split_grad_weight(op, splits, dispatch)
    } else {
        only(Dispatch { label: "", ..dispatch })
    };
    read_back((op.normalize(), op.through), conv, storage, kernel)
}

/// Whether all channels are multiples of 8.
fn eights(conv: &Conv) -> bool {
    conv.c.is_multiple_of(8) && conv.k.is_multiple_of(8)
}

/// The f32 of workgroup memory for the vectors of a prologue.
fn forward_vectors(op: &ConvForward) -> usize {
    op.conv.c * Prologue::input(op.conv.c, op.normalize()).cooperative_vectors()
}

fn grad_input_vectors(op: &ConvGradInput) -> usize {
    op.conv.k * Prologue::grad(op.conv.k, op.through).cooperative_vectors()
}

fn forward_cooperative(op: &ConvForward, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let (m, n, k) = (conv.pixels(), conv.k, 9 * conv.c);
    let (splits, vectors) = (cooperative::splits(caps, 1, [m, n, k]), forward_vectors(op));
    let product = cooperative::Product { m, n, k, splits, a_along_k: true, b_along_k: false, vectors };
    let input = Prologue::input(conv.c, op.normalize());
    let loads = [&[TAPS], &*input.cooperative_files(), &[cooperative::B_ALONE, FORWARD_COOPERATIVE]].concat();
    let finish = |source| input.constants(DType::F16, shape(conv, source)).constant("INPUT_BASE", 0);
    cooperative::kernel(caps, product, op.into(), &loads, FORWARD_STORE, finish)
}

fn grad_input_cooperative(op: &ConvGradInput, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let (m, n, k) = (conv.pixels(), conv.c, 9 * conv.k);
    let (splits, vectors) = (cooperative::splits(caps, 1, [m, n, k]), grad_input_vectors(op));
    let product = cooperative::Product { m, n, k, splits, a_along_k: true, b_along_k: true, vectors };
    let grad = Prologue::grad(conv.k, op.through);
    let loads =
        [&[TAPS], &*grad.cooperative_files(), &[cooperative::B_ALONE, GRAD_INPUT_COOPERATIVE]].concat();
    let finish = |source| grad.constants(DType::F16, shape(conv, source)).constant("GRAD_BASE", 0);
    cooperative::kernel(caps, product, op.into(), &loads, GRAD_INPUT_STORE, finish)
}

fn grad_weight_cooperative(op: &ConvGradWeight, caps: &Caps) -> Kernel {
    let conv = &op.conv;
    let (m, n, k) = (9 * conv.c, conv.k, conv.pixels());
    let splits = cooperative::splits(caps, 1, [m, n, k]);
    let (input, grad) = (Prologue::input(conv.c, op.normalize()), Prologue::grad(conv.k, op.through));
    // The vectors of a tile's rows, then those of its columns.
    let of_rows = cooperative::tile(caps) * input.cooperative_vectors();
    let vectors = of_rows + cooperative::tile(caps) * grad.cooperative_vectors();
    let product = cooperative::Product { m, n, k, splits, a_along_k: false, b_along_k: false, vectors };
    let files = [input.cooperative_files(), grad.cooperative_files()].concat();
    let loads = [&[TAPS], &*files, &[GRAD_WEIGHT_COOPERATIVE]].concat();
    let finish = |source: Source| {
        let source = shape(conv, source).flag("ACCUMULATE", op.accumulate);
        let source = source.constant("INPUT_BASE", 0).constant("GRAD_BASE", of_rows);
        grad.constants(DType::F16, input.constants(DType::F16, source))
    };
    cooperative::kernel(caps, product, Statistics::None, &loads, GRAD_WEIGHT_STORE, finish)
}
