//! Rows for loss scaling: [`crate::ops::ScaleGradient`], [`crate::ops::FiniteCheck`] and
//! [`crate::ops::LossScaleUpdate`].

use super::{FiniteCheck, LossScale, LossScaleUpdate, ScaleGradient};
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, Stores, elementwise_rows,
        parts::{Elem, LOSS_SCALE, any_length, complement, only, single},
        speed,
    },
    shader::{Fragment, Source, fragment},
};

const APPLY: Fragment = fragment!("loss_scale/apply.wgsl");
const CHECK: Fragment = fragment!("loss_scale/check.wgsl");
const UPDATE: Fragment = fragment!("loss_scale/update.wgsl");

impl Rows for ScaleGradient {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "scalar",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |scale, _, _| only(any_length("", Source::new([LOSS_SCALE, APPLY]), scale.len)),
    }]];
}

impl Rows for FiniteCheck {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |check| check.len, check)];
}

impl Rows for LossScaleUpdate {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "one",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |op, _, _| update(op),
    }]];
}

fn update(op: &LossScaleUpdate) -> Kernel {
    let [least, most] = LossScale::RANGE;
    let source = Source::new([LOSS_SCALE, UPDATE])
        .float("BETA1", op.beta1)
        .float("BETA2", op.beta2)
        .float("ONE_MINUS_BETA1", complement(op.beta1))
        .float("ONE_MINUS_BETA2", complement(op.beta2))
        .float("GROWTH_INTERVAL", op.growth_interval as f32)
        .float("LEAST", least)
        .float("MOST", most);
    single(source, 1)
}

fn check(check: &FiniteCheck, _: DType, elem: Elem) -> Kernel {
    only(any_length("", elem.alias(Source::new([CHECK])), check.len / elem.lanes()))
}
