//! The row for [`crate::ops::Metrics`].

use super::Metrics;
use crate::{
    kernels::{
        Kernel, Row, Rows, Stores,
        parts::{CONTROL, REDUCE, WORKGROUP, only, workgroups},
        speed,
    },
    shader::{Fragment, Source, fragment},
};

const ACCUMULATE: Fragment = fragment!("metrics/accumulate.wgsl");

impl Rows for Metrics {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "workgroup",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |metrics, _, _| accumulate(metrics),
    }]];
}

fn accumulate(metrics: &Metrics) -> Kernel {
    let source = Source::new([CONTROL, REDUCE, ACCUMULATE])
        .constant("N", metrics.n)
        .constant("CLASSES", metrics.classes);
    only(workgroups("", source, WORKGROUP, 1))
}
