//! Rows for [`crate::ops::Average`].

use super::Average;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{CONTROL, Elem, any_length, complement, only},
    },
    shader::{Fragment, Source, fragment},
};

const UPDATE: Fragment = fragment!("average/update.wgsl");

impl Rows for Average {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |average| average.len, update)];
}

fn update(average: &Average, _: DType, elem: Elem) -> Kernel {
    let source = elem
        .alias(Source::new([CONTROL, UPDATE]))
        .float("DECAY", average.decay)
        .float("ONE_MINUS_DECAY", complement(average.decay));
    only(any_length("", source, average.len / elem.lanes()))
}
