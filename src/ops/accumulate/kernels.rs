//! Rows for [`Accumulate`].

use super::Accumulate;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{CONTROL, Elem, any_length, only},
    },
    shader::{Fragment, Source, fragment},
};

const ADD: Fragment = fragment!("accumulate/add.wgsl");

impl Rows for Accumulate {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |accumulate| accumulate.len, add)];
}

fn add(accumulate: &Accumulate, _: DType, elem: Elem) -> Kernel {
    let source = elem.alias(Source::new([CONTROL, ADD]));
    only(any_length("", source, accumulate.len / elem.lanes()))
}
