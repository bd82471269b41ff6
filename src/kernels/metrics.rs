//! The row for [`crate::ops::Metrics`].

use super::{
    Dispatch, Kernel, Variant,
    parts::{CONTROL, REDUCE, source, unpack},
    speed,
};
use crate::ops::Op;

const ACCUMULATE: &str = include_str!("../../shaders/metrics/accumulate.wgsl");

pub(super) const VARIANTS: &[Variant] = &[Variant {
    op: "metrics.accumulate",
    name: "workgroup",
    speed: speed::general,
    supports: |op, _| matches!(op, Op::Metrics(_)),
    build: |op, _| {
        let metrics = unpack!(op, Metrics);
        let source = source(&[CONTROL, REDUCE, ACCUMULATE])
            .constant("N", metrics.n)
            .constant("CLASSES", metrics.classes);
        Kernel::new(vec![Dispatch::new("", source, 1)])
    },
}];
