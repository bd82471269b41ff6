//! Rows for [`crate::ops::MaxPool`] and [`crate::ops::MaxPoolGrad`].

use super::{
    Kernel, MadeFor, Variant,
    parts::{Elem, single, source, unpack},
};
use crate::{
    ops::{MaxPool, MaxPoolGrad, Op},
    shader::Source,
};

const FORWARD: &str = include_str!("../../shaders/max_pool/forward.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/max_pool/grad_input.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "max_pool.forward",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::MaxPool(pool) if pool.c % 4 == 0),
        build: |op, _| forward(op, Elem::Vec4),
    },
    Variant {
        op: "max_pool.forward",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::MaxPool(_)),
        build: |op, _| forward(op, Elem::Scalar),
    },
    Variant {
        op: "max_pool.grad_input",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::MaxPoolGrad(MaxPoolGrad(pool)) if pool.c % 4 == 0),
        build: |op, _| grad_input(op, Elem::Vec4),
    },
    Variant {
        op: "max_pool.grad_input",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::MaxPoolGrad(_)),
        build: |op, _| grad_input(op, Elem::Scalar),
    },
];

fn shape(pool: &MaxPool, elem: Elem, source: Source) -> Source {
    let [p, q] = pool.output_size();
    elem.alias(source)
        .constant("N", pool.n)
        .constant("H", pool.h)
        .constant("W", pool.w)
        .constant("C", pool.c / elem.lanes())
        .constant("P", p)
        .constant("Q", q)
        .constant("KERNEL", pool.kernel)
        .constant("STRIDE_H", pool.stride[0])
        .constant("STRIDE_W", pool.stride[1])
}

fn forward(op: &Op, elem: Elem) -> Kernel {
    let pool = unpack!(op, MaxPool);
    let [p, q] = pool.output_size();
    single(shape(pool, elem, source(&[FORWARD])), pool.n * p * q * pool.c / elem.lanes())
}

fn grad_input(op: &Op, elem: Elem) -> Kernel {
    let MaxPoolGrad(pool) = unpack!(op, MaxPoolGrad);
    single(shape(pool, elem, source(&[GRAD_INPUT])), pool.n * pool.h * pool.w * pool.c / elem.lanes())
}
