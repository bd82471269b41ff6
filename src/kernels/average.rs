//! Rows for [`crate::ops::Average`].

use super::{
    Kernel, Variant,
    adam::complement,
    parts::{CONTROL, Elem, single, source, unpack},
    speed,
};
use crate::ops::Op;

const UPDATE: &str = include_str!("../../shaders/average/update.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "average.update",
        name: "vec4",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::Average(average) if average.len % 4 == 0),
        build: |op, _| update(op, Elem::Vec4),
    },
    Variant {
        op: "average.update",
        name: "scalar",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::Average(_)),
        build: |op, _| update(op, Elem::Scalar),
    },
];

fn update(op: &Op, elem: Elem) -> Kernel {
    let average = unpack!(op, Average);
    let source = elem
        .alias(source(&[CONTROL, UPDATE]))
        .float("DECAY", average.decay)
        .float("ONE_MINUS_DECAY", complement(average.decay));
    single(source, average.len / elem.lanes())
}
