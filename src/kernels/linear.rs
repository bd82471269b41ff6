//! Rows for [`crate::ops::Linear`] and its gradients.

use super::{
    Dispatch, Kernel, MadeFor, Variant,
    matmul::Matmul,
    parts::{single, source, unpack},
};
use crate::{
    ops::{Linear, LinearGradInput, LinearGradWeight, Op},
    shader::Source,
};

const FORWARD_TILED: &str = include_str!("../../shaders/linear/forward_tiled.wgsl");
const FORWARD_BLOCKED: &str = include_str!("../../shaders/linear/forward_blocked.wgsl");
const GRAD_INPUT_TILED: &str = include_str!("../../shaders/linear/grad_input_tiled.wgsl");
const GRAD_INPUT_BLOCKED: &str = include_str!("../../shaders/linear/grad_input_blocked.wgsl");
const GRAD_WEIGHT_TILED: &str = include_str!("../../shaders/linear/grad_weight_tiled.wgsl");
const GRAD_WEIGHT_BLOCKED: &str = include_str!("../../shaders/linear/grad_weight_blocked.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "linear.forward",
        name: "tiled",
        made_for: MadeFor::Any,
        supports: |op, caps| matches!(op, Op::Linear(_)) && Matmul::fits(caps),
        build: |op, _| {
            let linear = unpack!(op, Linear);
            let (m, n, k) = (linear.n, linear.outputs, linear.inputs);
            let product = Matmul { m, n, k, splits: 1, a_along_k: true, b_along_k: true };
            tiled(linear, product, FORWARD_TILED, false)
        },
    },
    Variant {
        op: "linear.forward",
        name: "blocked",
        made_for: MadeFor::Software,
        supports: |op, _| matches!(op, Op::Linear(linear) if linear.inputs % 4 == 0),
        build: |op, _| {
            let linear = unpack!(op, Linear);
            single(
                shape(linear, source(&[FORWARD_BLOCKED])),
                linear.outputs.div_ceil(4) * linear.n.div_ceil(8),
            )
        },
    },
    Variant {
        op: "linear.grad_input",
        name: "tiled",
        made_for: MadeFor::Any,
        supports: |op, caps| matches!(op, Op::LinearGradInput(_)) && Matmul::fits(caps),
        build: |op, _| {
            let op = unpack!(op, LinearGradInput);
            let LinearGradInput(linear) = op;
            let (m, n, k) = (linear.n, linear.inputs, linear.outputs);
            let product = Matmul { m, n, k, splits: 1, a_along_k: true, b_along_k: false };
            tiled(linear, product, GRAD_INPUT_TILED, op.accumulate())
        },
    },
    Variant {
        op: "linear.grad_input",
        name: "blocked",
        made_for: MadeFor::Software,
        supports: |op, _| {
            let fours = |l: &Linear| [l.inputs, l.outputs, l.first, l.total].iter().all(|v| v % 4 == 0);
            matches!(op, Op::LinearGradInput(LinearGradInput(linear)) if fours(linear))
        },
        build: |op, _| {
            let op = unpack!(op, LinearGradInput);
            let LinearGradInput(linear) = op;
            let source = shape(linear, source(&[GRAD_INPUT_BLOCKED])).flag("ACCUMULATE", op.accumulate());
            single(source, linear.inputs / 4 * linear.n.div_ceil(8))
        },
    },
    Variant {
        op: "linear.grad_weight",
        name: "tiled",
        made_for: MadeFor::Any,
        supports: |op, caps| matches!(op, Op::LinearGradWeight(_)) && Matmul::fits(caps),
        build: |op, _| {
            let LinearGradWeight(linear) = unpack!(op, LinearGradWeight);
            let (m, n, k) = (linear.outputs, linear.inputs, linear.n);
            let product = Matmul { m, n, k, splits: 1, a_along_k: false, b_along_k: false };
            tiled(linear, product, GRAD_WEIGHT_TILED, false)
        },
    },
    Variant {
        op: "linear.grad_weight",
        name: "blocked",
        made_for: MadeFor::Software,
        supports: |op, _| {
            let fits = |l: &Linear| {
                l.outputs.is_multiple_of(8) && [l.inputs, l.first, l.total].iter().all(|v| v % 4 == 0)
            };
            matches!(op, Op::LinearGradWeight(LinearGradWeight(linear)) if fits(linear))
        },
        build: |op, _| {
            let LinearGradWeight(linear) = unpack!(op, LinearGradWeight);
            single(shape(linear, source(&[GRAD_WEIGHT_BLOCKED])), linear.inputs / 4 * (linear.outputs / 8))
        },
    },
];

fn shape(linear: &Linear, source: Source) -> Source {
    source
        .constant("IMAGES", linear.n)
        .constant("IN", linear.inputs)
        .constant("OUT", linear.outputs)
        .constant("FIRST", linear.first)
        .constant("TOTAL", linear.total)
}

fn tiled(linear: &Linear, product: Matmul, loads: &'static str, accumulate: bool) -> Kernel {
    let dispatch = product.tiled("", loads);
    let source = dispatch
        .source
        .constant("FIRST", linear.first)
        .constant("TOTAL", linear.total)
        .flag("ACCUMULATE", accumulate);
    Kernel { dispatches: vec![Dispatch { source, ..dispatch }], workspace_bytes: 0 }
}
