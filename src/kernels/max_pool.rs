//! Rows for [`crate::ops::MaxPoolForward`] and [`crate::ops::MaxPoolGrad`].

use super::{
    Kernel, Variant,
    parts::{Elem, read, single, source, stored, unpack},
    speed,
};
use crate::{
    dtype::DType,
    ops::{MaxPool, Op},
    shader::Source,
};

const CHOOSE: &str = include_str!("../../shaders/max_pool/choose.wgsl");
const FORWARD: &str = include_str!("../../shaders/max_pool/forward.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/max_pool/grad_input.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "max_pool.forward",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::MaxPoolForward(op)) if op.pool.c % 4 == 0),
        build: |op, _| forward(op, Elem::Vec4),
    },
    Variant {
        op: "max_pool.forward",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::MaxPoolForward(_))),
        build: |op, _| forward(op, Elem::Scalar),
    },
    Variant {
        op: "max_pool.grad_input",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::MaxPoolGrad(op)) if op.pool.c % 4 == 0),
        build: |op, _| grad_input(op, Elem::Vec4),
    },
    Variant {
        op: "max_pool.grad_input",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::MaxPoolGrad(_))),
        build: |op, _| grad_input(op, Elem::Scalar),
    },
];

fn pooling(pool: &MaxPool, normalized: bool, file: &'static str, elem: Elem, storage: DType) -> Source {
    let [p, q] = pool.output_size();
    elem.over(storage, source(&[read(normalized), CHOOSE, file]))
        .constant("N", pool.n)
        .constant("H", pool.h)
        .constant("W", pool.w)
        .constant("C", pool.c / elem.lanes())
        .constant("VECTORS", pool.c / elem.lanes())
        .constant("P", p)
        .constant("Q", q)
        .constant("KERNEL", pool.kernel)
        .constant("STRIDE_H", pool.stride[0])
        .constant("STRIDE_W", pool.stride[1])
}

fn forward(op: &Op, elem: Elem) -> Kernel {
    let (storage, op) = (op.storage(), unpack!(op, MaxPoolForward));
    let [p, q] = op.pool.output_size();
    let source = pooling(&op.pool, op.normalized, FORWARD, elem, storage);
    single(source, op.pool.n * p * q * op.pool.c / elem.lanes())
}

fn grad_input(op: &Op, elem: Elem) -> Kernel {
    let (storage, op) = (op.storage(), unpack!(op, MaxPoolGrad));
    let MaxPool { n, h, w, c, .. } = op.pool;
    single(pooling(&op.pool, op.normalized, GRAD_INPUT, elem, storage), n * h * w * c / elem.lanes())
}
