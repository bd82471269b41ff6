//! Rows for the operations of batch normalisation.

use super::{
    Dispatch, Kernel, Variant,
    parts::{Chunks, Elem, MOMENTS, Merge, REDUCE, WORKSPACE, dispatch, single, source, stored, unpack},
    speed,
};
use crate::{
    dtype::DType,
    ops::{BatchNormGradInput, BatchNormGradStatistics, BatchNormNormalize, BatchNormStatistics, Op},
    shader::Source,
};

const STATISTICS_PARTIALS: &str = include_str!("../../shaders/batch_norm/statistics_partials.wgsl");
const STATISTICS_MERGE: ([&str; 2], &str) = (
    [MOMENTS, include_str!("../../shaders/batch_norm/statistics_merge.wgsl")],
    include_str!("../../shaders/batch_norm/statistics_merge_serial.wgsl"),
);
const RUNNING: &str = include_str!("../../shaders/batch_norm/running.wgsl");
const AFFINE: &str = include_str!("../../shaders/batch_norm/affine.wgsl");
pub(super) const RELU_SLOPE: &str = include_str!("../../shaders/shared/relu_slope.wgsl");
const NORMALIZE: &str = include_str!("../../shaders/batch_norm/normalize.wgsl");
const GRAD_PARTIALS: &str = include_str!("../../shaders/batch_norm/grad_statistics_partials.wgsl");
const GRAD_MERGE: ([&str; 2], &str) = (
    [REDUCE, include_str!("../../shaders/batch_norm/grad_statistics_merge.wgsl")],
    include_str!("../../shaders/batch_norm/grad_statistics_merge_serial.wgsl"),
);
const GRAD_AFFINE: &str = include_str!("../../shaders/batch_norm/grad_affine.wgsl");
const GRAD_BIAS: &str = include_str!("../../shaders/batch_norm/grad_bias.wgsl");
const GRAD_INPUT: &str = include_str!("../../shaders/batch_norm/grad_input.wgsl");

/// Rows that one invocation of the elementwise kernels works, so that the channel's values are loaded once.
const CHUNK: usize = 8;

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "batch_norm.statistics",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormStatistics(norm)) if norm.channels.is_multiple_of(4)),
        build: |op, _| statistics(unpack!(op, BatchNormStatistics), op.storage(), Elem::Vec4, Merge::Tree),
    },
    Variant {
        op: "batch_norm.statistics",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormStatistics(_))),
        build: |op, _| statistics(unpack!(op, BatchNormStatistics), op.storage(), Elem::Scalar, Merge::Tree),
    },
    Variant {
        op: "batch_norm.statistics",
        name: "vec4_serial",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormStatistics(norm)) if norm.channels.is_multiple_of(4)),
        build: |op, _| statistics(unpack!(op, BatchNormStatistics), op.storage(), Elem::Vec4, Merge::Serial),
    },
    Variant {
        op: "batch_norm.statistics",
        name: "scalar_serial",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormStatistics(_))),
        build: |op, _| {
            statistics(unpack!(op, BatchNormStatistics), op.storage(), Elem::Scalar, Merge::Serial)
        },
    },
    Variant {
        op: "batch_norm.running",
        name: "channel",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::BatchNormRunning(_)),
        build: |op, _| {
            let norm = unpack!(op, BatchNormRunning);
            let source = source(&[RUNNING])
                .float("MOMENTUM", norm.momentum)
                .float("VARIANCE_FACTOR", norm.variance_factor() as f32);
            single(source, norm.channels)
        },
    },
    Variant {
        op: "batch_norm.affine",
        name: "channel",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::BatchNormAffine(_)),
        build: |op, _| {
            let norm = unpack!(op, BatchNormAffine);
            single(source(&[AFFINE]).float("EPS", norm.eps), norm.channels)
        },
    },
    Variant {
        op: "batch_norm.normalize",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormNormalize(norm)) if norm.channels.is_multiple_of(4)),
        build: |op, _| normalize(unpack!(op, BatchNormNormalize), op.storage(), Elem::Vec4),
    },
    Variant {
        op: "batch_norm.normalize",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormNormalize(_))),
        build: |op, _| normalize(unpack!(op, BatchNormNormalize), op.storage(), Elem::Scalar),
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormGradStatistics(norm)) if norm.channels.is_multiple_of(4)),
        build: |op, _| {
            grad_statistics(unpack!(op, BatchNormGradStatistics), op.storage(), Elem::Vec4, Merge::Tree)
        },
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormGradStatistics(_))),
        build: |op, _| {
            grad_statistics(unpack!(op, BatchNormGradStatistics), op.storage(), Elem::Scalar, Merge::Tree)
        },
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "vec4_serial",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormGradStatistics(norm)) if norm.channels.is_multiple_of(4)),
        build: |op, _| {
            grad_statistics(unpack!(op, BatchNormGradStatistics), op.storage(), Elem::Vec4, Merge::Serial)
        },
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "scalar_serial",
        speed: speed::on_software,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormGradStatistics(_))),
        build: |op, _| {
            grad_statistics(unpack!(op, BatchNormGradStatistics), op.storage(), Elem::Scalar, Merge::Serial)
        },
    },
    Variant {
        op: "batch_norm.grad_affine",
        name: "channel",
        speed: speed::general,
        supports: |op, _| matches!(op, Op::BatchNormGradAffine(_)),
        build: |op, _| {
            let norm = unpack!(op, BatchNormGradAffine);
            let vectors = source(&[GRAD_AFFINE]).float("TOTAL_ROWS", norm.total_rows as f32);
            let kernel = single(vectors, norm.channels);
            if norm.bias {
                let zero = dispatch("bias", source(&[GRAD_BIAS]), norm.channels);
                kernel.then(Kernel::new(vec![zero]))
            } else {
                kernel
            }
        },
    },
    Variant {
        op: "batch_norm.grad_input",
        name: "vec4",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormGradInput(norm)) if norm.channels.is_multiple_of(4)),
        build: |op, _| grad_input(unpack!(op, BatchNormGradInput), op.storage(), Elem::Vec4),
    },
    Variant {
        op: "batch_norm.grad_input",
        name: "scalar",
        speed: speed::general,
        supports: |op, caps| matches!(stored(op, caps), Some(Op::BatchNormGradInput(_))),
        build: |op, _| grad_input(unpack!(op, BatchNormGradInput), op.storage(), Elem::Scalar),
    },
];

/// A row for the statistics, as dispatches of other kernels.
pub(super) fn statistics(norm: &BatchNormStatistics, storage: DType, elem: Elem, how: Merge) -> Kernel {
    let chunks = Chunks::of(norm.rows);
    let vectors = norm.channels / elem.lanes();
    let partials =
        elem.over(storage, source(&[STATISTICS_PARTIALS])).constant("C", vectors).constant("ROWS", norm.rows);
    let merge = statistics_merge(norm, chunks, elem, how);
    Kernel::new(vec![dispatch("partials", chunks.constants(partials), vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * 2 * chunks.count * norm.channels)
}

/// The dispatch that merges the (mean, M2) of chunks.
pub(super) fn statistics_merge(
    norm: &BatchNormStatistics,
    chunks: Chunks,
    elem: Elem,
    how: Merge,
) -> Dispatch {
    chunks.merge(how, elem, norm.channels, STATISTICS_MERGE, |source| {
        source.constant("ROWS", norm.rows).constant("ROWS_BEFORE", norm.rows_before)
    })
}

/// A source with a file that knows the ReLU behind the normalisation.
fn relu_slope(relu: Option<f32>, file: &'static str) -> Source {
    slope(relu, source(&[RELU_SLOPE, file]))
}

/// Tells a source with [`RELU_SLOPE`] about that ReLU.
pub(super) fn slope(relu: Option<f32>, source: Source) -> Source {
    source.flag("RELU", relu.is_some()).float("AT_ZERO", relu.unwrap_or(0.0))
}

/// A row for the normalisation, as dispatches of other kernels.
pub(super) fn normalize(norm: &BatchNormNormalize, storage: DType, elem: Elem) -> Kernel {
    let vectors = norm.channels / elem.lanes();
    let source = elem
        .over(storage, source(&[NORMALIZE]))
        .constant("ROWS", norm.rows)
        .constant("C", vectors)
        .constant("CHUNK", CHUNK)
        .flag("RELU", norm.relu);
    single(source, vectors * norm.rows.div_ceil(CHUNK))
}

/// A row for the gradients of gamma and beta, as dispatches of other kernels.
pub(super) fn grad_statistics(
    norm: &BatchNormGradStatistics,
    storage: DType,
    elem: Elem,
    how: Merge,
) -> Kernel {
    let chunks = Chunks::of(norm.rows);
    let vectors = norm.channels / elem.lanes();
    let partials = elem
        .over(storage, relu_slope(norm.relu, GRAD_PARTIALS))
        .constant("C", vectors)
        .constant("ROWS", norm.rows);
    let merge = grad_statistics_merge(norm.channels, norm.accumulate, chunks, elem, how);
    Kernel::new(vec![dispatch("partials", chunks.constants(partials), vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * 2 * chunks.count * norm.channels)
}

/// The dispatch that adds up the sums of chunks.
pub(super) fn grad_statistics_merge(
    channels: usize,
    accumulate: bool,
    chunks: Chunks,
    elem: Elem,
    how: Merge,
) -> Dispatch {
    chunks.merge(how, elem, channels, GRAD_MERGE, |source| source.flag("ACCUMULATE", accumulate))
}

/// A row for the gradient of the input, as dispatches of other kernels.
pub(super) fn grad_input(norm: &BatchNormGradInput, storage: DType, elem: Elem) -> Kernel {
    let vectors = norm.channels / elem.lanes();
    let source = elem
        .over(storage, relu_slope(norm.relu, GRAD_INPUT))
        .constant("ROWS", norm.rows)
        .constant("C", vectors)
        .constant("CHUNK", CHUNK);
    single(source, vectors * norm.rows.div_ceil(CHUNK))
}
