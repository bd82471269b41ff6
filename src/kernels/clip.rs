//! Rows for clipping: [`crate::ops::SquareSum`] and [`crate::ops::ClipGradient`].

use super::{
    Dispatch, Kernel, Variant, bias,
    parts::{Chunks, Elem, Merge, REDUCE, WORKGROUP, WORKSPACE, scaling, single, source, unpack},
    speed,
};
use crate::ops::{ClipGradient, Op};

const SQUARE_SUM: &str = include_str!("../../shaders/clip/square_sum_partials.wgsl");
const APPLY: &str = include_str!("../../shaders/clip/apply.wgsl");

/// Values that an invocation adds at least, where there are so many.
const LEAST: usize = 16;
/// Workgroups at most: enough for a large GPU, few enough to merge quickly.
const MOST: usize = 1024;

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "clip.square_sum",
        name: "tree",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::SquareSum(_)),
        build: |op, _| square_sum(op),
    },
    Variant {
        op: "clip.apply",
        name: "vec4",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::ClipGradient(clip) if clip.len % 4 == 0),
        build: |op, _| apply(op, Elem::Vec4),
    },
    Variant {
        op: "clip.apply",
        name: "scalar",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::ClipGradient(_)),
        build: |op, _| apply(op, Elem::Scalar),
    },
];

fn square_sum(op: &Op) -> Kernel {
    let sum = unpack!(op, SquareSum);
    let count = sum.len.div_ceil(LEAST * WORKGROUP).min(MOST);
    let partials = source(&[REDUCE, SQUARE_SUM]).constant("CHUNKS", count);
    let chunks = Chunks { rows: sum.len.div_ceil(count), count };
    let merge =
        chunks.merge(Merge::Tree, Elem::Scalar, 1, bias::MERGE, |s| s.flag("ACCUMULATE", sum.accumulate));
    let merge = Dispatch { rebind: &[("grad_bias", "squares")], ..merge };
    Kernel::new(vec![Dispatch::new("partials", partials, count as u64), merge])
        .workspace(WORKSPACE, 4 * count)
}

fn apply(op: &Op, elem: Elem) -> Kernel {
    let clip = unpack!(op, ClipGradient);
    let files = [scaling(clip.scaled), &[APPLY]].concat();
    let source =
        elem.alias(source(&files)).float("MAX_NORM", clip.max_norm).float("EPS", ClipGradient::EPS as f32);
    single(source, clip.len / elem.lanes())
}
