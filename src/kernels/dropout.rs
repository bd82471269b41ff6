//! The row for [`crate::ops::Dropout`].

use super::{
    Variant,
    parts::{CONTROL, Elem, PHILOX, single, source, stored, unpack},
    speed,
};
use crate::{ops::Op, rng};

const APPLY: &str = include_str!("../../shaders/dropout/apply.wgsl");

pub(super) const VARIANTS: &[Variant] = &[Variant {
    op: "dropout.apply",
    name: "philox",
    speed: speed::general,
    supports: |op, caps| matches!(stored(op, caps), Some(Op::Dropout(dropout)) if dropout.offset % 4 == 0),
    build: |op, _| {
        let dropout = unpack!(op, Dropout);
        let source = Elem::Scalar
            .over(op.storage(), source(&[CONTROL, PHILOX, APPLY]))
            .constant("LEN", dropout.len)
            .constant("FIRST_BLOCK", dropout.offset / 4)
            .constant("STREAM", rng::stream::DROPOUT as usize)
            .constant("LAYER", dropout.layer as usize)
            .constant("THRESHOLD", dropout.threshold() as usize)
            .float("SCALE", dropout.scale());
        single(source, dropout.len.div_ceil(4))
    },
}];
