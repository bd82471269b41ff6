//! The row for [`crate::ops::Metrics`].

use super::Metrics;
use crate::{
    kernels::{
        Dispatch, Kernel, Row, Rows, Stores,
        parts::{CONTROL, REDUCE, source},
        speed,
    },
    shader::{Fragment, fragment},
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
    let source =
        source(&[CONTROL, REDUCE, ACCUMULATE]).constant("N", metrics.n).constant("CLASSES", metrics.classes);
    Kernel::new(vec![Dispatch::new("", source, 1)])
}
