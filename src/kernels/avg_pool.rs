//! Rows for [`crate::ops::AvgPool`] and [`crate::ops::AvgPoolGrad`].

use super::{
    Kernel, Variant,
    parts::{Elem, single, source, stored, unpack},
    speed,
};
use crate::{
    dtype::DType,
    ops::{AvgPool, Op},
    shader::Source,
};

const WINDOW: &str = include_str!("../../shaders/avg_pool/window.wgsl");
const FORWARD: &str = include_str!("../../shaders/avg_pool/forward.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/avg_pool/grad_input.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "avg_pool.forward",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::AvgPool(op)) if op.c % 4 == 0),
        build: |op, _| forward(op, Elem::Vec4),
    },
    Variant {
        op: "avg_pool.forward",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::AvgPool(_))),
        build: |op, _| forward(op, Elem::Scalar),
    },
    Variant {
        op: "avg_pool.grad_input",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::AvgPoolGrad(op)) if op.0.c % 4 == 0),
        build: |op, _| grad_input(op, Elem::Vec4),
    },
    Variant {
        op: "avg_pool.grad_input",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::AvgPoolGrad(_))),
        build: |op, _| grad_input(op, Elem::Scalar),
    },
];

fn pooling(pool: &AvgPool, file: &'static str, elem: Elem, storage: DType) -> Source {
    let [p, q] = pool.output;
    elem.over(storage, source(&[WINDOW, file]))
        .constant("N", pool.n)
        .constant("H", pool.h)
        .constant("W", pool.w)
        .constant("C", pool.c / elem.lanes())
        .constant("P", p)
        .constant("Q", q)
}

fn forward(op: &Op, elem: Elem) -> Kernel {
    let (storage, pool) = (op.storage(), unpack!(op, AvgPool));
    let [p, q] = pool.output;
    single(pooling(pool, FORWARD, elem, storage), pool.n * p * q * pool.c / elem.lanes())
}

fn grad_input(op: &Op, elem: Elem) -> Kernel {
    let (storage, pool) = (op.storage(), &unpack!(op, AvgPoolGrad).0);
    single(pooling(pool, GRAD_INPUT, elem, storage), pool.n * pool.h * pool.w * pool.c / elem.lanes())
}
