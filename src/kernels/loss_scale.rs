//! Rows for the scaling of the loss: [`crate::ops::ScaleGradient`], [`crate::ops::FiniteCheck`] and
//! [`crate::ops::LossScaleUpdate`].

use super::{
    Dispatch, Kernel, Variant,
    adam::complement,
    parts::{Elem, LOSS_SCALE, single, source, unpack},
    speed,
};
use crate::{
    ops::{LossScale, Op},
    shader::Source,
};

const APPLY: &str = include_str!("../../shaders/loss_scale/apply.wgsl");
const CHECK: &str = include_str!("../../shaders/loss_scale/check.wgsl");
const UPDATE: &str = include_str!("../../shaders/loss_scale/update.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "loss_scale.apply",
        name: "scalar",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::ScaleGradient(_)),
        build: |op, _| single(source(&[LOSS_SCALE, APPLY]), unpack!(op, ScaleGradient).len),
    },
    Variant {
        op: "loss_scale.check",
        name: "vec4",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::FiniteCheck(check) if check.len.is_multiple_of(4)),
        build: |op, _| check(op, Elem::Vec4),
    },
    Variant {
        op: "loss_scale.check",
        name: "scalar",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::FiniteCheck(_)),
        build: |op, _| check(op, Elem::Scalar),
    },
    Variant {
        op: "loss_scale.update",
        name: "one",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::LossScaleUpdate(_)),
        build: |op, _| {
            let op = unpack!(op, LossScaleUpdate);
            let [least, most] = LossScale::RANGE;
            let source = Source::new([LOSS_SCALE, UPDATE])
                .float("BETA1", op.beta1)
                .float("BETA2", op.beta2)
                .float("ONE_MINUS_BETA1", complement(op.beta1))
                .float("ONE_MINUS_BETA2", complement(op.beta2))
                .float("GROWTH_INTERVAL", op.growth_interval as f32)
                .float("LEAST", least)
                .float("MOST", most);
            Kernel::new(vec![Dispatch::new("", source, 1)])
        },
    },
];

fn check(op: &Op, elem: Elem) -> Kernel {
    single(elem.alias(source(&[CHECK])), unpack!(op, FiniteCheck).len / elem.lanes())
}
