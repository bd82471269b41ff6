//! Rows for [`crate::ops::GradBias`].

use super::{
    Caps, Kernel, MadeFor, Variant,
    parts::{Chunks, Elem, dispatch, source, unpack},
};
use crate::ops::Op;

const PARTIALS: &str = include_str!("../../shaders/bias/grad_partials.wgsl");
const MERGE: [&str; 2] = [
    include_str!("../../shaders/bias/grad_merge.wgsl"),
    include_str!("../../shaders/bias/grad_merge_serial.wgsl"),
];

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "bias.grad",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::GradBias(bias) if bias.channels % 4 == 0),
        build: |op, caps| grad(op, caps, Elem::Vec4),
    },
    Variant {
        op: "bias.grad",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::GradBias(_)),
        build: |op, caps| grad(op, caps, Elem::Scalar),
    },
];

fn grad(op: &Op, caps: &Caps, elem: Elem) -> Kernel {
    let bias = unpack!(op, GradBias);
    let chunks = Chunks::of(bias.rows);
    let vectors = bias.channels / elem.lanes();
    let partials =
        chunks.constants(elem.alias(source(&[PARTIALS])).constant("ROWS", bias.rows).constant("C", vectors));
    let merge =
        chunks.merge(caps, elem, bias.channels, MERGE, |source| source.flag("ACCUMULATE", bias.accumulate));
    Kernel {
        dispatches: vec![dispatch("partials", partials, vectors * chunks.count), merge],
        workspace_bytes: (4 * chunks.count * bias.channels) as u64,
    }
}
