//! The row for [`crate::ops::PrepareImages`].

use super::PrepareImages;
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row, Rows, Stores,
        parts::{Elem, single},
        speed,
    },
    shader::{Fragment, Source, fragment},
};

const IMAGES: Fragment = fragment!("prepare/images.wgsl");

impl Rows for PrepareImages {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "pixel",
        stores: Stores::Both,
        requires: &[],
        speed: speed::general,
        build: images,
    }]];
}

fn images(prepare: &PrepareImages, storage: DType, _: &Caps) -> Kernel {
    let source = Elem::Scalar
        .over(storage, Source::new([IMAGES]))
        .constant("H", prepare.source[0])
        .constant("W", prepare.source[1])
        .constant("C", prepare.channels())
        .constant("OH", prepare.output[0])
        .constant("OW", prepare.output[1])
        .flag("REFLECT", prepare.reflect)
        .floats("MEAN", &prepare.mean)
        .floats("STD", &prepare.std);
    single(source, prepare.n * prepare.output[0] * prepare.output[1])
}
