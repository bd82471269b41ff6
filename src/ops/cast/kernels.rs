//! Rows for [`crate::ops::Cast`].

use super::Cast;
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Requirement, Row, Rows, Stores, needs,
        parts::{Elem, single},
        speed,
    },
    shader::{Fragment, Source, fragment},
};

const CONVERT: Fragment = fragment!("cast/convert.wgsl");

const F16: Requirement<Cast> = needs("16-bit floats", |_, caps| caps.f16);

impl Rows for Cast {
    const ROWS: &[&[Row<Self>]] = &[&[
        Row {
            name: "vec4",
            stores: Stores::F32,
            requires: &[F16, needs("length divisible by 4", |cast, _| cast.len.is_multiple_of(4))],
            speed: speed::general,
            build: |cast, _, _| convert(cast, Elem::Vec4),
        },
        Row {
            name: "scalar",
            stores: Stores::F32,
            requires: &[F16],
            speed: speed::general,
            build: |cast, _, _| convert(cast, Elem::Scalar),
        },
    ]];
}

fn convert(cast: &Cast, elem: Elem) -> Kernel {
    let name = |dtype| match (dtype == DType::F16, elem) {
        (true, Elem::Scalar) => "f16",
        (true, Elem::Vec4) => "vec4<f16>",
        (false, Elem::Scalar) => "f32",
        (false, Elem::Vec4) => "vec4<f32>",
    };
    let source =
        Source::new([CONVERT]).enable("f16").alias("source", name(cast.from)).alias("stored", name(cast.to));
    single(source, cast.len / elem.lanes())
}
