//! Rows for [`Lion`].

use super::Lion;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{CONTROL, Elem, any_length, complement, only, scaling, updated},
    },
    shader::{Fragment, Source, fragment},
};

const UPDATE: Fragment = fragment!("lion/update.wgsl");

impl Rows for Lion {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(F32, |lion| lion.len, update)];
}

fn update(lion: &Lion, _: DType, elem: Elem) -> Kernel {
    let files = [&[CONTROL], scaling(lion.scaled), &[updated(lion.sparse), UPDATE]].concat();
    let source = elem
        .alias(Source::new(files))
        .float("BETA1", lion.beta1)
        .float("BETA2", lion.beta2)
        .float("ONE_MINUS_BETA1", complement(lion.beta1))
        .float("ONE_MINUS_BETA2", complement(lion.beta2))
        .float("WEIGHT_DECAY", lion.weight_decay);
    only(any_length("", source, lion.len / elem.lanes()))
}
