//! Rows for [`crate::ops::Adam`] and [`crate::ops::ScaledAdam`].

use super::{
    Kernel, Variant,
    parts::{CONTROL, Elem, LOSS_SCALE, single, source, unpack},
    speed,
};
use crate::ops::{Adam, Op};

const UPDATE: &str = include_str!("../../shaders/adam/update.wgsl");
const SCALED_UPDATE: &str = include_str!("../../shaders/adam/scaled_update.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "adam.update",
        name: "vec4",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::Adam(adam) if adam.len % 4 == 0),
        build: |op, _| update(op, Elem::Vec4),
    },
    Variant {
        op: "adam.update",
        name: "scalar",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::Adam(_)),
        build: |op, _| update(op, Elem::Scalar),
    },
    Variant {
        op: "adam.scaled_update",
        name: "vec4",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::ScaledAdam(adam) if adam.0.len % 4 == 0),
        build: |op, _| scaled_update(op, Elem::Vec4),
    },
    Variant {
        op: "adam.scaled_update",
        name: "scalar",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::ScaledAdam(_)),
        build: |op, _| scaled_update(op, Elem::Scalar),
    },
];

fn update(op: &Op, elem: Elem) -> Kernel {
    kernel(unpack!(op, Adam), &[CONTROL, UPDATE], elem)
}

fn scaled_update(op: &Op, elem: Elem) -> Kernel {
    kernel(&unpack!(op, ScaledAdam).0, &[CONTROL, LOSS_SCALE, SCALED_UPDATE], elem)
}

/// `1 - beta`, taken in f64: in f32 it would lose the last digits of a beta near 1.
pub(super) fn complement(beta: f32) -> f32 {
    (1.0 - f64::from(beta)) as f32
}

fn kernel(adam: &Adam, files: &[&'static str], elem: Elem) -> Kernel {
    let source = elem
        .alias(source(files))
        .float("BETA1", adam.beta1)
        .float("BETA2", adam.beta2)
        .float("ONE_MINUS_BETA1", complement(adam.beta1))
        .float("ONE_MINUS_BETA2", complement(adam.beta2))
        .float("EPS", adam.eps)
        .float("WEIGHT_DECAY", adam.weight_decay);
    single(source, adam.len / elem.lanes())
}
