//! Rows for [`crate::ops::CrossEntropy`] and [`crate::ops::CrossEntropyGrad`].

use super::{CrossEntropy, CrossEntropyGrad};
use crate::{
    kernels::{
        Kernel, Row, Rows, Stores,
        parts::{CONTROL, REDUCE, WORKGROUP, only, single, workgroups},
        speed,
    },
    shader::{Fragment, Source, fragment},
};

const FORWARD: Fragment = fragment!("cross_entropy/forward.wgsl");
const GRAD_INPUT: Fragment = fragment!("cross_entropy/grad_input.wgsl");

impl Rows for CrossEntropy {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "row",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |loss, _, _| forward(loss),
    }]];
}

impl Rows for CrossEntropyGrad {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "element",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |loss, _, _| grad_input(loss),
    }]];
}

fn forward(loss: &CrossEntropy) -> Kernel {
    let source = Source::new([REDUCE, FORWARD])
        .constant("CLASSES", loss.classes)
        .float("LABEL_SMOOTHING", loss.label_smoothing);
    only(workgroups("", source, WORKGROUP, loss.n))
}

fn grad_input(loss: &CrossEntropyGrad) -> Kernel {
    let smoothing = f64::from(loss.label_smoothing);
    let others = smoothing / loss.classes as f64;
    let source = Source::new([CONTROL, GRAD_INPUT])
        .constant("CLASSES", loss.classes)
        .float("TARGET", (1.0 - smoothing + others) as f32)
        .float("TARGET_OTHERS", others as f32);
    single(source, loss.n * loss.classes)
}
