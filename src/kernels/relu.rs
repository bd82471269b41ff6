//! Rows for [`crate::ops::Relu`] and [`crate::ops::ReluGrad`].

use super::{
    Kernel, Variant,
    parts::{Elem, single, source, stored, unpack},
    speed,
};
use crate::ops::Op;

const FORWARD: &str = include_str!("../../shaders/relu/forward.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/relu/grad_input.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "relu.forward",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::Relu(relu)) if relu.len % 4 == 0),
        build: |op, _| forward(op, Elem::Vec4),
    },
    Variant {
        op: "relu.forward",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::Relu(_))),
        build: |op, _| forward(op, Elem::Scalar),
    },
    Variant {
        op: "relu.grad_input",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::ReluGrad(relu)) if relu.len % 4 == 0),
        build: |op, _| grad_input(op, Elem::Vec4),
    },
    Variant {
        op: "relu.grad_input",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::ReluGrad(_))),
        build: |op, _| grad_input(op, Elem::Scalar),
    },
];

fn forward(op: &Op, elem: Elem) -> Kernel {
    let relu = unpack!(op, Relu);
    let len = relu.len / elem.lanes();
    single(elem.over(op.storage(), source(&[FORWARD])).constant("LEN", len), len)
}

fn grad_input(op: &Op, elem: Elem) -> Kernel {
    let relu = unpack!(op, ReluGrad);
    let len = relu.len / elem.lanes();
    let source = elem.over(op.storage(), source(&[GRAD_INPUT])).constant("LEN", len);
    single(source.float("AT_ZERO", relu.at_zero), len)
}
