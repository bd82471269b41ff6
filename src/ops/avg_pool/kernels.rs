//! Rows for [`crate::ops::AvgPool`] and [`crate::ops::AvgPoolGrad`].

use super::{AvgPool, AvgPoolGrad};
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Row, Rows, elementwise_rows,
        parts::{Elem, single},
    },
    shader::{Fragment, Source, fragment},
};

const WINDOW: Fragment = fragment!("avg_pool/window.wgsl");
const FORWARD: Fragment = fragment!("avg_pool/forward.wgsl");
const GRAD_INPUT: Fragment = fragment!("avg_pool/grad_input.wgsl");

impl Rows for AvgPool {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |pool| pool.c, forward)];
}

impl Rows for AvgPoolGrad {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |pool| pool.0.c, grad_input)];
}

fn pooling(pool: &AvgPool, file: Fragment, elem: Elem, storage: DType) -> Source {
    let [p, q] = pool.output;
    elem.over(storage, Source::new([WINDOW, file]))
        .constant("H", pool.h)
        .constant("W", pool.w)
        .constant("C", pool.c / elem.lanes())
        .constant("P", p)
        .constant("Q", q)
}

fn forward(pool: &AvgPool, storage: DType, elem: Elem) -> Kernel {
    let [p, q] = pool.output;
    single(pooling(pool, FORWARD, elem, storage), pool.n * p * q * pool.c / elem.lanes())
}

fn grad_input(AvgPoolGrad(pool): &AvgPoolGrad, storage: DType, elem: Elem) -> Kernel {
    single(pooling(pool, GRAD_INPUT, elem, storage), pool.n * pool.h * pool.w * pool.c / elem.lanes())
}
