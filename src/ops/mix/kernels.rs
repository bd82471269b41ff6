//! The row for [`crate::ops::MixImages`].

use super::{Mix, MixImages};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Kernel, Row, Rows, Stores,
        parts::{Elem, single},
        speed,
    },
    shader::{Fragment, Source, fragment},
};

const IMAGES: Fragment = fragment!("mix/images.wgsl");

impl Rows for MixImages {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "pixel",
        stores: Stores::Both,
        requires: &[],
        speed: speed::general,
        build: images,
    }]];
}

fn images(mix: &MixImages, storage: DType, _: &Caps) -> Kernel {
    let source = Elem::Scalar
        .over(storage, Source::new([IMAGES]))
        .constant("N", mix.n)
        .constant("H", mix.size[0])
        .constant("W", mix.size[1])
        .constant("C", mix.channels)
        .constant("MIX", Mix::LEN);
    single(source, mix.n * mix.size[0] * mix.size[1])
}
