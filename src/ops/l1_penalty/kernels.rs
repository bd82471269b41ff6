//! Rows for [`L1Penalty`].

use super::L1Penalty;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{Elem, any_length, only, scaling},
    },
    shader::{Fragment, Source, fragment},
};

const APPLY: Fragment = fragment!("l1_penalty/apply.wgsl");

impl Rows for L1Penalty {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |penalty| penalty.len, apply)];
}

fn apply(penalty: &L1Penalty, _: DType, elem: Elem) -> Kernel {
    let files = [scaling(penalty.scaled), &[APPLY]].concat();
    let source = elem.alias(Source::new(files)).float("STRENGTH", penalty.strength);
    only(any_length("", source, penalty.len / elem.lanes()))
}
