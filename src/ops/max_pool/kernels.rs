//! Rows for [`crate::ops::MaxPoolForward`] and [`crate::ops::MaxPoolGrad`].

use super::{MaxPool, MaxPoolForward, MaxPoolGrad};
use crate::{
    dtype::DType,
    kernels::{
        Kernel, Requirement, Row, Rows, Stores, elementwise_rows, needs,
        parts::{Chunks, Elem, Merge, WORKSPACE, each, single},
        prologue::Prologue,
        speed,
    },
    ops::{
        BatchNormNormalize, GradStatistics, activation_kernels as activation,
        batch_norm::kernels::grad_statistics_merge,
    },
    shader::{Fragment, Source, fragment},
};

const CHOOSE: Fragment = fragment!("max_pool/choose.wgsl");
const FORWARD: Fragment = fragment!("max_pool/forward.wgsl");
const GRAD_INPUT: Fragment = fragment!("max_pool/grad_input.wgsl");
const GRAD_INPUT_STATISTICS: Fragment = fragment!("max_pool/grad_input_statistics.wgsl");

impl Rows for MaxPoolForward {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |op| op.pool.c, forward)];
}

impl Rows for MaxPoolGrad {
    const ROWS: &[&[Row<Self>]] = &[&[
        Row {
            name: "vec4",
            stores: Stores::Both,
            requires: &[CAN, FOURS],
            speed: speed::general,
            build: |op, storage, _| grad_input(op, storage, Elem::Vec4, Merge::Tree),
        },
        Row {
            name: "scalar",
            stores: Stores::Both,
            requires: &[CAN],
            speed: speed::general,
            build: |op, storage, _| grad_input(op, storage, Elem::Scalar, Merge::Tree),
        },
        Row {
            name: "vec4_serial",
            stores: Stores::Both,
            requires: &[CAN, SUMS, FOURS],
            speed: speed::on_software,
            build: |op, storage, _| grad_input(op, storage, Elem::Vec4, Merge::Serial),
        },
        Row {
            name: "scalar_serial",
            stores: Stores::Both,
            requires: &[CAN, SUMS],
            speed: speed::on_software,
            build: |op, storage, _| grad_input(op, storage, Elem::Scalar, Merge::Serial),
        },
    ]];
}

/// Any gradient, except one with sums over overlapping windows.
const CAN: Requirement<MaxPoolGrad> = needs("disjoint windows, if there are sums", |op, _| {
    op.statistics.is_none() || op.normalized.is_some() && !op.by_image && op.pool.disjoint()
});
const SUMS: Requirement<MaxPoolGrad> = needs("sums for a batch norm", |op, _| op.statistics.is_some());
const FOURS: Requirement<MaxPoolGrad> = needs("channels divisible by 4", |op, _| op.pool.c.is_multiple_of(4));

fn pooling(
    pool: &MaxPool,
    normalize: Option<BatchNormNormalize>,
    files: &[Fragment],
    elem: Elem,
    storage: DType,
) -> Source {
    let [p, q] = pool.output_size();
    let input = Prologue::input(pool.c, normalize).read_as(elem);
    let source = Source::new([&*input.files(), &[CHOOSE], files].concat());
    input
        .constants(storage, elem.over(storage, source))
        .constant("H", pool.h)
        .constant("W", pool.w)
        .constant("C", pool.c / elem.lanes())
        .constant("P", p)
        .constant("Q", q)
        .constant("KERNEL", pool.kernel)
        .constant("STRIDE_H", pool.stride[0])
        .constant("STRIDE_W", pool.stride[1])
}

fn forward(op: &MaxPoolForward, storage: DType, elem: Elem) -> Kernel {
    let [p, q] = op.pool.output_size();
    let source = pooling(&op.pool, op.pool.normalize(op.normalized, op.by_image), &[FORWARD], elem, storage);
    single(source, op.pool.n * p * q * op.pool.c / elem.lanes())
}

fn grad_input(op: &MaxPoolGrad, storage: DType, elem: Elem, how: Merge) -> Kernel {
    if let Some(statistics) = op.statistics {
        return grad_input_statistics(op, statistics, storage, elem, how);
    }
    let MaxPool { n, h, w, c, .. } = op.pool;
    let source =
        pooling(&op.pool, op.pool.normalize(op.normalized, op.by_image), &[GRAD_INPUT], elem, storage);
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
    let chunks = match how {
        Merge::Tree => Chunks::of_vectors(tiles, vectors),
        Merge::Serial => Chunks::of(tiles),
    };
    let activation = Some(statistics.activation);
    let files = [activation::file(activation), GRAD_INPUT_STATISTICS];
    let source = pooling(&op.pool, op.pool.normalize(op.normalized, op.by_image), &files, elem, storage);
    let partials = activation::slope(activation, "SLOPE", source)
        .constant("DOWN", down)
        .constant("ACROSS", across)
        .constant("TILES", tiles);
    let merge = grad_statistics_merge(c, statistics.accumulate, chunks, elem, how);
    Kernel::new(vec![each("partials", chunks.constants(partials), vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * 2 * chunks.count * c)
}
