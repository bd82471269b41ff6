//! Rows for the operations of batch normalisation.

use super::{
    Kernel, MadeFor, Variant,
    parts::{Chunks, Elem, Merge, WORKSPACE, dispatch, single, source, unpack},
};
use crate::ops::Op;

const STATISTICS_PARTIALS: &str = include_str!("../../shaders/batch_norm/statistics_partials.wgsl");
const STATISTICS_MERGE: [&str; 2] = [
    include_str!("../../shaders/batch_norm/statistics_merge.wgsl"),
    include_str!("../../shaders/batch_norm/statistics_merge_serial.wgsl"),
];
const RUNNING: &str = include_str!("../../shaders/batch_norm/running.wgsl");
const NORMALIZE: &str = include_str!("../../shaders/batch_norm/normalize.wgsl");
const GRAD_PARTIALS: &str = include_str!("../../shaders/batch_norm/grad_statistics_partials.wgsl");
const GRAD_MERGE: [&str; 2] = [
    include_str!("../../shaders/batch_norm/grad_statistics_merge.wgsl"),
    include_str!("../../shaders/batch_norm/grad_statistics_merge_serial.wgsl"),
];
const GRAD_INPUT: &str = include_str!("../../shaders/batch_norm/grad_input.wgsl");

/// Rows that one invocation of the elementwise kernels works, so that the channel's values are loaded once.
const CHUNK: usize = 8;

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        op: "batch_norm.statistics",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormStatistics(norm) if norm.channels.is_multiple_of(4)),
        build: |op, _| statistics(op, Elem::Vec4, Merge::Tree),
    },
    Variant {
        op: "batch_norm.statistics",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormStatistics(_)),
        build: |op, _| statistics(op, Elem::Scalar, Merge::Tree),
    },
    Variant {
        op: "batch_norm.statistics",
        name: "vec4_serial",
        made_for: MadeFor::Software,
        supports: |op, _| matches!(op, Op::BatchNormStatistics(norm) if norm.channels.is_multiple_of(4)),
        build: |op, _| statistics(op, Elem::Vec4, Merge::Serial),
    },
    Variant {
        op: "batch_norm.statistics",
        name: "scalar_serial",
        made_for: MadeFor::Software,
        supports: |op, _| matches!(op, Op::BatchNormStatistics(_)),
        build: |op, _| statistics(op, Elem::Scalar, Merge::Serial),
    },
    Variant {
        op: "batch_norm.running",
        name: "channel",
        made_for: MadeFor::Any,
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
        op: "batch_norm.normalize",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormNormalize(norm) if norm.channels.is_multiple_of(4)),
        build: |op, _| normalize(op, Elem::Vec4),
    },
    Variant {
        op: "batch_norm.normalize",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormNormalize(_)),
        build: |op, _| normalize(op, Elem::Scalar),
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormGradStatistics(norm) if norm.channels.is_multiple_of(4)),
        build: |op, _| grad_statistics(op, Elem::Vec4, Merge::Tree),
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormGradStatistics(_)),
        build: |op, _| grad_statistics(op, Elem::Scalar, Merge::Tree),
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "vec4_serial",
        made_for: MadeFor::Software,
        supports: |op, _| matches!(op, Op::BatchNormGradStatistics(norm) if norm.channels.is_multiple_of(4)),
        build: |op, _| grad_statistics(op, Elem::Vec4, Merge::Serial),
    },
    Variant {
        op: "batch_norm.grad_statistics",
        name: "scalar_serial",
        made_for: MadeFor::Software,
        supports: |op, _| matches!(op, Op::BatchNormGradStatistics(_)),
        build: |op, _| grad_statistics(op, Elem::Scalar, Merge::Serial),
    },
    Variant {
        op: "batch_norm.grad_input",
        name: "vec4",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormGradInput(norm) if norm.channels.is_multiple_of(4)),
        build: |op, _| grad_input(op, Elem::Vec4),
    },
    Variant {
        op: "batch_norm.grad_input",
        name: "scalar",
        made_for: MadeFor::Any,
        supports: |op, _| matches!(op, Op::BatchNormGradInput(_)),
        build: |op, _| grad_input(op, Elem::Scalar),
    },
];

fn statistics(op: &Op, elem: Elem, how: Merge) -> Kernel {
    let norm = unpack!(op, BatchNormStatistics);
    let chunks = Chunks::of(norm.rows);
    let vectors = norm.channels / elem.lanes();
    let partials =
        elem.alias(source(&[STATISTICS_PARTIALS])).constant("C", vectors).constant("ROWS", norm.rows);
    let merge = chunks.merge(how, elem, norm.channels, STATISTICS_MERGE, |source| {
        source.constant("ROWS", norm.rows).constant("ROWS_BEFORE", norm.rows_before)
    });
    Kernel::new(vec![dispatch("partials", chunks.constants(partials), vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * 2 * chunks.count * norm.channels)
}

fn normalize(op: &Op, elem: Elem) -> Kernel {
    let norm = unpack!(op, BatchNormNormalize);
    let vectors = norm.channels / elem.lanes();
    let source = elem
        .alias(source(&[NORMALIZE]))
        .constant("ROWS", norm.rows)
        .constant("C", vectors)
        .constant("CHUNK", CHUNK)
        .float("EPS", norm.eps);
    single(source, vectors * norm.rows.div_ceil(CHUNK))
}

fn grad_statistics(op: &Op, elem: Elem, how: Merge) -> Kernel {
    let norm = unpack!(op, BatchNormGradStatistics);
    let chunks = Chunks::of(norm.rows);
    let vectors = norm.channels / elem.lanes();
    let partials = elem
        .alias(source(&[GRAD_PARTIALS]))
        .constant("C", vectors)
        .constant("ROWS", norm.rows)
        .float("EPS", norm.eps);
    let merge = chunks
        .merge(how, elem, norm.channels, GRAD_MERGE, |source| source.flag("ACCUMULATE", norm.accumulate));
    Kernel::new(vec![dispatch("partials", chunks.constants(partials), vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * 2 * chunks.count * norm.channels)
}

fn grad_input(op: &Op, elem: Elem) -> Kernel {
    let norm = unpack!(op, BatchNormGradInput);
    let vectors = norm.channels / elem.lanes();
    let source = elem
        .alias(source(&[GRAD_INPUT]))
        .constant("ROWS", norm.rows)
        .constant("C", vectors)
        .constant("CHUNK", CHUNK)
        .float("EPS", norm.eps)
        .float("TOTAL_ROWS", norm.total_rows as f32);
    single(source, vectors * norm.rows.div_ceil(CHUNK))
}
