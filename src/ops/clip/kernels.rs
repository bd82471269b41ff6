//! Rows for clipping: [`crate::ops::SquareSum`] and [`crate::ops::ClipGradient`].

use super::{ClipGradient, SquareSum};
use crate::{
    dtype::DType,
    kernels::{
        Dispatch, Kernel, Row, Rows, Stores, elementwise_rows,
        parts::{Chunks, Elem, Merge, REDUCE, WORKGROUP, WORKSPACE, any_length, only, scaling, workgroups},
        speed,
    },
    ops::bias::kernels as bias,
    shader::{Fragment, Source, fragment},
};

const SQUARE_SUM: Fragment = fragment!("clip/square_sum_partials.wgsl");
const APPLY: Fragment = fragment!("clip/apply.wgsl");

/// The minimum number of values that an invocation adds, if there are that many.
const LEAST: usize = 16;
/// The maximum number of workgroups: enough for a large GPU, few enough to merge quickly.
const MOST: usize = 1024;

impl Rows for SquareSum {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "tree",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |sum, _, _| square_sum(sum),
    }]];
}

impl Rows for ClipGradient {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |clip| clip.len, apply)];
}

fn square_sum(sum: &SquareSum) -> Kernel {
    let count = sum.len.div_ceil(LEAST * WORKGROUP).min(MOST);
    let partials = Source::new([REDUCE, SQUARE_SUM]).constant("CHUNKS", count);
    let chunks = Chunks { rows: sum.len.div_ceil(count), count };
    let merge =
        chunks.merge(Merge::Tree, Elem::Scalar, 1, &bias::MERGE, |s| s.flag("ACCUMULATE", sum.accumulate));
    let merge = Dispatch { rebind: &[("grad_bias", "squares")], ..merge };
    Kernel::new(vec![workgroups("partials", partials, WORKGROUP, count), merge])
        .workspace(WORKSPACE, 4 * count)
}

fn apply(clip: &ClipGradient, _: DType, elem: Elem) -> Kernel {
    let files = [scaling(clip.scaled), &[APPLY]].concat();
    let source = elem
        .alias(Source::new(files))
        .float("MAX_NORM", clip.max_norm)
        .float("EPS", ClipGradient::EPS as f32);
    only(any_length("", source, clip.len / elem.lanes()))
}
