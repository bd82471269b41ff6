//! Rows for [`crate::ops::Cast`].

use super::{
    Caps, Kernel, Variant,
    parts::{Elem, single, source, unpack},
    speed,
};
use crate::{dtype::DType, ops::Op};

const CONVERT: &str = include_str!("../../shaders/cast/convert.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "cast.convert",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| supports(op, caps, Elem::Vec4),
        build: |op, _| convert(op, Elem::Vec4),
    },
    Variant {
        op: "cast.convert",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| supports(op, caps, Elem::Scalar),
        build: |op, _| convert(op, Elem::Scalar),
    },
];

fn supports(op: &Op, caps: &Caps, elem: Elem) -> bool {
    matches!(op, Op::Cast(cast) if caps.f16 && cast.len.is_multiple_of(elem.lanes()))
}

fn convert(op: &Op, elem: Elem) -> Kernel {
    let cast = unpack!(op, Cast);
    let name = |dtype| match (dtype == DType::F16, elem) {
        (true, Elem::Scalar) => "f16",
        (true, Elem::Vec4) => "vec4<f16>",
        (false, Elem::Scalar) => "f32",
        (false, Elem::Vec4) => "vec4<f32>",
    };
    let len = cast.len / elem.lanes();
    let source = source(&[CONVERT])
        .enable("f16")
        .alias("source", name(cast.from))
        .alias("stored", name(cast.to))
        .constant("LEN", len);
    single(source, len)
}
