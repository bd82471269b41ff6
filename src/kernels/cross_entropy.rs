//! Rows for [`crate::ops::CrossEntropy`] and [`crate::ops::CrossEntropyGrad`].

use super::{
    Dispatch, Kernel, Variant,
    parts::{CONTROL, REDUCE, single, source, unpack},
    speed,
};
use crate::ops::Op;

const FORWARD: &str = include_str!("../../shaders/cross_entropy/forward.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/cross_entropy/grad_input.wgsl");

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "cross_entropy.forward",
        name: "row",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::CrossEntropy(_)),
        build: |op, _| {
            let loss = unpack!(op, CrossEntropy);
            let source = source(&[REDUCE, FORWARD]).constant("N", loss.n).constant("CLASSES", loss.classes);
            let source = source.float("LABEL_SMOOTHING", loss.label_smoothing);
            Kernel::new(vec![Dispatch::new("", source, loss.n as u64)])
        },
    },
    Variant {
        op: "cross_entropy.grad_input",
        name: "element",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::CrossEntropyGrad(_)),
        build: |op, _| {
            let loss = unpack!(op, CrossEntropyGrad);
            let smoothing = f64::from(loss.label_smoothing);
            let others = smoothing / loss.classes as f64;
            let source = source(&[CONTROL, GRAD_INPUT])
                .constant("N", loss.n)
                .constant("CLASSES", loss.classes)
                .float("TARGET", (1.0 - smoothing + others) as f32)
                .float("TARGET_OTHERS", others as f32);
            single(source, loss.n * loss.classes)
        },
    },
];
