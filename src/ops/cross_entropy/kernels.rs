//! Rows for [`crate::ops::CrossEntropy`] and [`crate::ops::CrossEntropyGrad`].

use super::{CrossEntropy, CrossEntropyGrad};
use crate::{
    kernels::{
        Kernel, Row, Rows, Stores,
        parts::{CONTROL, REDUCE, WORKGROUP, only, single, workgroups},
        speed,
    },
    ops::Mix,
    shader::{Fragment, Source, fragment},
};

const FORWARD: Fragment = fragment!("cross_entropy/forward.wgsl");
const GRAD_INPUT: Fragment = fragment!("cross_entropy/grad_input.wgsl");
const TARGET_OWN: Fragment = fragment!("cross_entropy/target_own.wgsl");
const TARGET_MIXED: Fragment = fragment!("cross_entropy/target_mixed.wgsl");

/// The fragments of a kernel that reads targets.
fn source(first: Fragment, mixed: bool, kernel: Fragment) -> Source {
    if mixed {
        Source::new([first, TARGET_MIXED, kernel]).constant("MIX", Mix::LEN)
    } else {
        Source::new([first, TARGET_OWN, kernel])
    }
}

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
    let source = source(REDUCE, loss.mixed, FORWARD)
        .constant("N", loss.n)
        .constant("CLASSES", loss.classes)
        .float("LABEL_SMOOTHING", loss.label_smoothing)
        .float("LOGIT_SCALE", loss.logit_scale);
    only(workgroups("", source, WORKGROUP, loss.n))
}

fn grad_input(loss: &CrossEntropyGrad) -> Kernel {
    let smoothing = f64::from(loss.label_smoothing);
    let others = smoothing / loss.classes as f64;
    let source = source(CONTROL, loss.mixed, GRAD_INPUT)
        .constant("CLASSES", loss.classes)
        .constant("N", loss.n)
        .float("LOGIT_SCALE", loss.logit_scale)
        .float("TARGET", (1.0 - smoothing + others) as f32)
        .float("TARGET_OTHERS", others as f32);
    single(source, loss.n * loss.classes)
}
