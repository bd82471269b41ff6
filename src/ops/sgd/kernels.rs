//! Rows for [`crate::ops::Sgd`].

use super::Sgd;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{CONTROL, Elem, any_length, only, scaling, updated},
    },
    shader::{Fragment, Source, fragment},
};

const UPDATE: Fragment = fragment!("sgd/update.wgsl");
const UPDATE_MOMENTUM: Fragment = fragment!("sgd/update_momentum.wgsl");

impl Rows for Sgd {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |sgd| sgd.len, update)];
}

fn update(sgd: &Sgd, _: DType, elem: Elem) -> Kernel {
    let file = if sgd.has_velocity() { UPDATE_MOMENTUM } else { UPDATE };
    let files = [&[CONTROL], scaling(sgd.scaled), &[updated(sgd.sparse), file]].concat();
    let source = elem
        .alias(Source::new(files))
        .float("MOMENTUM", sgd.momentum)
        .flag("NESTEROV", sgd.nesterov)
        .float("WEIGHT_DECAY", sgd.weight_decay);
    only(any_length("", source, sgd.len / elem.lanes()))
}
