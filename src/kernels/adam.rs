//! Rows for [`crate::ops::Adam`].

use super::{
    Kernel, Variant,
    parts::{CONTROL, Elem, scaling, single, source, unpack},
    speed,
};
use crate::{
    ops::{Adam, Op},
    shader::Source,
};

const STEP: &str = include_str!("../../shaders/adam/step.wgsl");
const UPDATE: &str = include_str!("../../shaders/adam/update.wgsl");

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
];

/// `1 - decay`, taken in f64: in f32 it would lose the last digits of a decay near 1.
pub(super) fn complement(decay: f32) -> f32 {
    (1.0 - f64::from(decay)) as f32
}

/// The files in front of one that takes steps.
pub(super) fn step(adam: &Adam) -> Vec<&'static str> {
    [&[CONTROL], scaling(adam.scaled), &[STEP]].concat()
}

/// The constants of a step.
pub(super) fn constants(adam: &Adam, source: Source) -> Source {
    let [within, apart] = adam.decays();
    source
        .float("BETA1", adam.beta1)
        .float("BETA2", adam.beta2)
        .float("ONE_MINUS_BETA1", complement(adam.beta1))
        .float("ONE_MINUS_BETA2", complement(adam.beta2))
        .float("EPS", adam.eps)
        .float("DECAY_WITHIN", within)
        .float("DECAY_APART", apart)
}

fn update(op: &Op, elem: Elem) -> Kernel {
    let adam = unpack!(op, Adam);
    let files = [step(adam), vec![UPDATE]].concat();
    single(constants(adam, elem.alias(source(&files))), adam.len / elem.lanes())
}
