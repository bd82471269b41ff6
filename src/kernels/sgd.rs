//! Rows for [`crate::ops::Sgd`].

use super::{
    Kernel, Variant,
    parts::{CONTROL, Elem, scaling, single, source, unpack},
    speed,
};
use crate::ops::Op;

const UPDATE: &str = include_str!("../../shaders/sgd/update.wgsl");
const UPDATE_MOMENTUM: &str = include_str!("../../shaders/sgd/update_momentum.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "sgd.update",
        name: "vec4",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::Sgd(sgd) if sgd.len % 4 == 0),
        build: |op, _| update(op, Elem::Vec4),
    },
    Variant {
        op: "sgd.update",
        name: "scalar",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::Sgd(_)),
        build: |op, _| update(op, Elem::Scalar),
    },
];

fn update(op: &Op, elem: Elem) -> Kernel {
    let sgd = unpack!(op, Sgd);
    let file = if sgd.has_velocity() { UPDATE_MOMENTUM } else { UPDATE };
    let files = [&[CONTROL], scaling(sgd.scaled), &[file]].concat();
    let source = elem
        .alias(source(&files))
        .float("MOMENTUM", sgd.momentum)
        .flag("NESTEROV", sgd.nesterov)
        .float("WEIGHT_DECAY", sgd.weight_decay);
    single(source, sgd.len / elem.lanes())
}
