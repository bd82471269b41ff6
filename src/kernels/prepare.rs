//! The row for [`crate::ops::PrepareImages`].

use super::{
    Variant,
    parts::{Elem, single, source, stored, unpack},
    speed,
};
use crate::ops::Op;

const IMAGES: &str = include_str!("../../shaders/prepare/images.wgsl");

pub(super) const VARIANTS: &[Variant] = &[Variant {
    op: "prepare.images",
    name: "pixel",
    speed: speed::general,
    supports: |op, caps| matches!(stored(op, caps), Some(Op::PrepareImages(_))),
    build: |op, _| {
        let prepare = unpack!(op, PrepareImages);
        let source = Elem::Scalar
            .over(op.storage(), source(&[IMAGES]))
            .constant("N", prepare.n)
            .constant("H", prepare.source[0])
            .constant("W", prepare.source[1])
            .constant("C", prepare.channels())
            .constant("OH", prepare.output[0])
            .constant("OW", prepare.output[1])
            .floats("MEAN", &prepare.mean)
            .floats("STD", &prepare.std);
        single(source, prepare.n * prepare.output[0] * prepare.output[1])
    },
}];
