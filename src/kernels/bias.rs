//! Rows for [`crate::ops::GradBias`].

use super::{
    Kernel, Variant,
    parts::{Chunks, Elem, Merge, REDUCE, WORKSPACE, dispatch, source, stored, unpack},
    speed,
};
use crate::ops::Op;

const PARTIALS: &str = include_str!("../../shaders/bias/grad_partials.wgsl");
/// A sum of chunks, in a tree and in order.
pub(super) const MERGE: ([&str; 2], &str) = (
    [REDUCE, include_str!("../../shaders/bias/grad_merge.wgsl")],
    include_str!("../../shaders/bias/grad_merge_serial.wgsl"),
);

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "bias.grad",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::GradBias(bias)) if bias.channels.is_multiple_of(4)),
        build: |op, _| grad(op, Elem::Vec4, Merge::Tree),
    },
    Variant {
        op: "bias.grad",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::GradBias(_))),
        build: |op, _| grad(op, Elem::Scalar, Merge::Tree),
    },
    Variant {
        op: "bias.grad",
        name: "vec4_serial",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::GradBias(bias)) if bias.channels.is_multiple_of(4)),
        build: |op, _| grad(op, Elem::Vec4, Merge::Serial),
    },
    Variant {
        op: "bias.grad",
        name: "scalar_serial",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::GradBias(_))),
        build: |op, _| grad(op, Elem::Scalar, Merge::Serial),
    },
];

fn grad(op: &Op, elem: Elem, how: Merge) -> Kernel {
    let bias = unpack!(op, GradBias);
    let chunks = Chunks::of(bias.rows);
    let vectors = bias.channels / elem.lanes();
    let partials = chunks.constants(
        elem.over(op.storage(), source(&[PARTIALS])).constant("ROWS", bias.rows).constant("C", vectors),
    );
    let merge =
        chunks.merge(how, elem, bias.channels, MERGE, |source| source.flag("ACCUMULATE", bias.accumulate));
    Kernel::new(vec![dispatch("partials", partials, vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * chunks.count * bias.channels)
}
