//! Direct rows for [`crate::ops::ConvForward`] and [`crate::ops::ConvGradWeight`] of the first layer: up to four input
//! channels, whose window stays in registers. The gradient of that layer's input is never needed.

use super::{
    super::{Conv, ConvForward, ConvGradWeight},
    parts::{GRAD_WEIGHT_PARTIAL, GRAD_WEIGHT_STORE, shape, split_grad_weight},
};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row, Stores,
        matmul::Matmul,
        needs,
        parts::{Chunks, Elem, Merge, each, only, workgroups},
        prologue::Prologue,
        statistics::Statistics,
    },
    shader::{Fragment, Source, fragment},
};

const WINDOW: Fragment = fragment!("conv/direct_window.wgsl");
const FORWARD_PIXELS: Fragment = fragment!("conv/forward_direct.wgsl");
const GRAD_WEIGHT_PIXELS: Fragment = fragment!("conv/grad_weight_direct.wgsl");

/// The maximum number of input channels: nine times as many weights, for four output channels each, stay in registers.
const MOST_CHANNELS: usize = 4;
/// Pixels per chunk: enough that filling the window and writing the moments are negligible.
const LONG: usize = 256;
/// The smallest number of pixels that is worth an invocation.
const SHORT: usize = 32;
/// Enough invocations to keep a large GPU busy, or a software adapter.
const ENOUGH: [usize; 2] = [1 << 16, 1 << 10];
/// Invocations along the channels, in `conv.grad_weight`.
const COLUMN_LANES: usize = 16;

pub(super) const FORWARD: &[Row<ConvForward>] = &[Row {
    name: "direct",
    stores: Stores::Both,
    requires: &[needs(
        "up to 4 input channels without batch norm, output channels divisible by 4",
        |op, _| fits(&op.conv) && op.normalized.is_none(),
    )],
    speed,
    build: forward,
}];

pub(super) const GRAD_WEIGHT: &[Row<ConvGradWeight>] = &[Row {
    name: "direct",
    stores: Stores::Both,
    requires: &[needs(
        "up to 4 input channels without batch norm, output channels divisible by 4",
        |op, _| fits(&op.conv) && op.normalized.is_none(),
    )],
    speed,
    build: grad_weight,
}];

fn fits(conv: &Conv) -> bool {
    conv.c <= MOST_CHANNELS && conv.k.is_multiple_of(4)
}

/// On llvmpipe 1.4 to 3.4 times (forward) and 1.3 to 3 times (backward) as fast as the `lanes` rows, which have 300 there; on
/// GPUs estimated from the arithmetic in the shaders' headers, not measured.
fn speed<O>(_: &O, _: &Caps) -> u32 {
    400
}

fn forward(op: &ConvForward, storage: DType, caps: &Caps) -> Kernel {
    let (conv, elem) = (&op.conv, Elem::Vec4);
    let (all, columns) = (conv.n * conv.h, conv.k / elem.lanes());
    let enough = ENOUGH[usize::from(caps.software())];
    let lines = (all * columns / enough).clamp(1, LONG.div_ceil(conv.w));
    let chunks = Chunks { rows: lines * conv.w, count: all.div_ceil(lines) };
    let statistics = Statistics::from(op);
    let input = Prologue::input(conv.c, None).read_as(Elem::Scalar);
    let files = [&*input.files(), &[WINDOW], &*statistics.files(), &[FORWARD_PIXELS]].concat();
    let source = Source::new(files).constant("LINES", lines);
    let source = elem.columns(conv.k, elem.over(storage, source));
    let source = input.constants(storage, shape(conv, source));
    let kernel = only(each("", source, columns * chunks.count));
    let how = if caps.software() { Merge::Serial } else { Merge::Tree };
    statistics.merged(kernel, [conv.pixels(), conv.k], chunks, how)
}

fn grad_weight(op: &ConvGradWeight, storage: DType, caps: &Caps) -> Kernel {
    let (conv, elem) = (&op.conv, Elem::Vec4);
    let (all, columns) = (conv.n * conv.h, conv.k / elem.lanes());
    let blocks = columns.div_ceil(COLUMN_LANES);
    // Barriers do not pay off on software adapters.
    let teams = if caps.software() { 1 } else { 16 };
    let least = teams * SHORT.div_ceil(conv.w);
    let splits = Matmul::splits(caps, blocks, 4 * 9 * conv.c * conv.k, all, least);
    let lines = all.div_ceil(splits * teams);
    let splits = all.div_ceil(lines * teams);
    let store = if splits > 1 { GRAD_WEIGHT_PARTIAL } else { GRAD_WEIGHT_STORE };
    let input = Prologue::input(conv.c, None).read_as(Elem::Scalar);
    let grad = Prologue::grad(conv.k, op.through);
    let files = [&[WINDOW], &*input.files(), &*grad.files(), &[store, GRAD_WEIGHT_PIXELS]].concat();
    let source = elem
        .columns(conv.k, elem.over(storage, Source::new(files)))
        .constant("COLUMN_LANES", COLUMN_LANES)
        .constant("TEAMS", teams)
        .constant("LINES", lines)
        .flag("ACCUMULATE", op.accumulate);
    let source = grad.constants(storage, input.constants(storage, shape(conv, source)));
    let label = if splits > 1 { "partials" } else { "" };
    let first = workgroups(label, source, teams * COLUMN_LANES, blocks * splits);
    if splits > 1 { split_grad_weight(op, splits, first) } else { only(first) }
}
