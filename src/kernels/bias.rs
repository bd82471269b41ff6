//! Rows for [`crate::ops::GradBias`].

use super::{
    Dispatch, Kernel, MadeFor, Variant,
    parts::{Chunks, Elem, REDUCE, dispatch, source, unpack},
};
use crate::ops::Op;

const PARTIALS: &str = include_str!("../../shaders/bias/grad_partials.wgsl");
const MERGE: &str = include_str!("../../shaders/bias/grad_merge.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "bias.grad",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::GradBias(bias) if bias.channels % 4 == 0),
        build: |op, _| grad(op, Elem::Vec4),
    },
    Variant {
        op: "bias.grad",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::GradBias(_)),
        build: |op, _| grad(op, Elem::Scalar),
    },
];

fn grad(op: &Op, elem: Elem) -> Kernel {
    let bias = unpack!(op, GradBias);
    let chunks = Chunks::of(bias.rows);
    let vectors = bias.channels / elem.lanes();
    let partials =
        chunks.constants(elem.alias(source(&[PARTIALS])).constant("ROWS", bias.rows).constant("C", vectors));
    let merge = chunks
        .constants(source(&[REDUCE, MERGE]).constant("C", bias.channels))
        .flag("ACCUMULATE", bias.accumulate);
    Kernel {
        dispatches: vec![
            dispatch("partials", partials, vectors * chunks.count),
            Dispatch { label: "merge", source: merge, workgroups: bias.channels as u64 },
        ],
        workspace_bytes: (4 * chunks.count * bias.channels) as u64,
    }
}
