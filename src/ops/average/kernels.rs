//! Rows for [`crate::ops::Average`].

use super::Average;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{CONTROL, Elem, complement, single, source},
    },
    shader::{Fragment, fragment},
};

const UPDATE: Fragment = fragment!("average/update.wgsl");

impl Rows for Average {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |average| average.len, update)];
}

fn update(average: &Average, _: DType, elem: Elem) -> Kernel {
    let source = elem
        .alias(source(&[CONTROL, UPDATE]))
        .float("DECAY", average.decay)
        .float("ONE_MINUS_DECAY", complement(average.decay));
    single(source, average.len / elem.lanes())
}
