//! Rows for [`crate::ops::MaxPoolForward`] and [`crate::ops::MaxPoolGrad`].

use super::{
    Caps, Kernel, Variant,
    batch_norm::{RELU_SLOPE, grad_statistics_merge, slope},
    parts::{Chunks, Elem, Merge, WORKSPACE, dispatch, read, single, source, stored, unpack},
    speed,
};
use crate::{
    dtype::DType,
    ops::{GradStatistics, MaxPool, MaxPoolGrad, Op},
    shader::Source,
};

const CHOOSE: &str = include_str!("../../shaders/max_pool/choose.wgsl");
const FORWARD: &str = include_str!("../../shaders/max_pool/forward.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/max_pool/grad_input.wgsl");
const GRAD_INPUT_STATISTICS: &str = include_str!("../../shaders/max_pool/grad_input_statistics.wgsl");

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
        supports: |op, caps| gradient(op, caps).is_some_and(|op| op.pool.c % 4 == 0),
        build: |op, _| grad_input(op, Elem::Vec4, Merge::Tree),
    },
    Variant {
        op: "max_pool.grad_input",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| gradient(op, caps).is_some(),
        build: |op, _| grad_input(op, Elem::Scalar, Merge::Tree),
    },
    Variant {
        op: "max_pool.grad_input",
        name: "vec4_serial",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::MaxPoolGrad(op)) if op.statistics.is_some() && op.pool.c % 4 == 0),
        build: |op, _| grad_input(op, Elem::Vec4, Merge::Serial),
    },
    Variant {
        op: "max_pool.grad_input",
        name: "scalar_serial",
        speed: speed::on_software,
        supports: |op, caps| gradient(op, caps).is_some_and(|op| op.statistics.is_some()),
        build: |op, _| grad_input(op, Elem::Scalar, Merge::Serial),
    },
];

/// A gradient, unless it asks for statistics where a pixel may belong to several windows.
fn gradient<'a>(op: &'a Op, caps: &Caps) -> Option<&'a MaxPoolGrad> {
    let Some(Op::MaxPoolGrad(op)) = stored(op, caps) else { return None };
    (op.statistics.is_none() || op.normalized && op.pool.disjoint()).then_some(op)
}

fn pooling(pool: &MaxPool, files: &[&'static str], elem: Elem, storage: DType) -> Source {
    let [p, q] = pool.output_size();
    elem.over(storage, source(files))
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
    let source = pooling(&op.pool, &[read(op.normalized), CHOOSE, FORWARD], elem, storage);
    single(source, op.pool.n * p * q * op.pool.c / elem.lanes())
}

fn grad_input(op: &Op, elem: Elem, how: Merge) -> Kernel {
    let (storage, op) = (op.storage(), unpack!(op, MaxPoolGrad));
    if let Some(statistics) = op.statistics {
        return grad_input_statistics(op, statistics, storage, elem, how);
    }
    let MaxPool { n, h, w, c, .. } = op.pool;
    let source = pooling(&op.pool, &[read(op.normalized), CHOOSE, GRAD_INPUT], elem, storage);
    single(source, n * h * w * c / elem.lanes())
}

fn grad_input_statistics(
    op: &MaxPoolGrad,
    statistics: GradStatistics,
    storage: DType,
    elem: Elem,
    how: Merge,
) -> Kernel {
    let MaxPool { n, h, w, c, kernel, .. } = op.pool;
    let [down, across] = [h, w].map(|side| side.div_ceil(kernel));
    let (tiles, vectors) = (n * down * across, c / elem.lanes());
    let chunks = Chunks::of(tiles);
    let files = [read(op.normalized), RELU_SLOPE, CHOOSE, GRAD_INPUT_STATISTICS];
    let partials = slope(Some(statistics.at_zero), pooling(&op.pool, &files, elem, storage))
        .constant("DOWN", down)
        .constant("ACROSS", across)
        .constant("TILES", tiles);
    let merge = grad_statistics_merge(c, statistics.accumulate, chunks, elem, how);
    Kernel::new(vec![dispatch("partials", chunks.constants(partials), vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * 2 * chunks.count * c)
}
