//! The row for [`crate::ops::Dropout`].

use super::Dropout;
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row, Rows, Stores, needs,
        parts::{CONTROL, Elem, PHILOX, single},
        speed,
    },
    rng,
    shader::{Fragment, Source, fragment},
};

const APPLY: Fragment = fragment!("dropout/apply.wgsl");

impl Rows for Dropout {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "philox",
        stores: Stores::Both,
        requires: &[needs("slice offset divisible by 4", |dropout, _| dropout.offset.is_multiple_of(4))],
        speed: speed::general,
        build: apply,
    }]];
}

fn apply(dropout: &Dropout, storage: DType, _: &Caps) -> Kernel {
    let source = Elem::Scalar
        .over(storage, Source::new([CONTROL, PHILOX, APPLY]))
        .constant("LEN", dropout.len)
        .constant("FIRST_BLOCK", dropout.offset / 4)
        .constant("STREAM", rng::stream::DROPOUT as usize)
        .constant("LAYER", dropout.layer as usize)
        .constant("THRESHOLD", dropout.threshold() as usize)
        .float("SCALE", dropout.scale());
    single(source, dropout.len.div_ceil(4))
}
