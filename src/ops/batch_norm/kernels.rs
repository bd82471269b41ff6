//! Rows for the operations of batch normalisation.

use super::{
    BatchNormAffine, BatchNormGradAffine, BatchNormGradInput, BatchNormGradStatistics, BatchNormNormalize,
    BatchNormRunning, BatchNormStatistics,
};
use crate::{
    dtype::DType,
    kernels::{
        Dispatch, Kernel, Row, Rows, Stores, elementwise_rows,
        parts::{
            Chunks, Elem, MOMENTS, Merge, MergeFiles, REDUCE, WORKGROUP, WORKSPACE, any_length, each, only,
            single,
        },
        prologue::Prologue,
        reduction_rows, speed,
    },
    ops::{Activation, activation_kernels as activation},
    shader::{Fragment, Source, fragment},
};

const STATISTICS_PARTIALS: Fragment = fragment!("batch_norm/statistics_partials.wgsl");
const STATISTICS_MERGE: MergeFiles = MergeFiles {
    tree: [MOMENTS, fragment!("batch_norm/statistics_merge.wgsl")],
    workgroup: 256,
    serial: fragment!("batch_norm/statistics_merge_serial.wgsl"),
};
const RUNNING: Fragment = fragment!("batch_norm/running.wgsl");
const AFFINE: Fragment = fragment!("batch_norm/affine.wgsl");
const NORMALIZE: Fragment = fragment!("batch_norm/normalize.wgsl");
const GRAD_PARTIALS: Fragment = fragment!("batch_norm/grad_statistics_partials.wgsl");
const GRAD_MERGE: MergeFiles = MergeFiles {
    tree: [REDUCE, fragment!("batch_norm/grad_statistics_merge.wgsl")],
    workgroup: WORKGROUP,
    serial: fragment!("batch_norm/grad_statistics_merge_serial.wgsl"),
};
const GRAD_AFFINE: Fragment = fragment!("batch_norm/grad_affine.wgsl");
const GRAD_BIAS: Fragment = fragment!("batch_norm/grad_bias.wgsl");
const GRAD_INPUT: Fragment = fragment!("batch_norm/grad_input.wgsl");

/// Rows per invocation of the elementwise kernels, so that the channel's values are loaded once.
const CHUNK: usize = 8;

impl Rows for BatchNormStatistics {
    const ROWS: &[&[Row<Self>]] = &[reduction_rows!(BatchNormStatistics, |norm| norm.channels, statistics)];
}

impl Rows for BatchNormRunning {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "channel",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |norm, _, _| running(norm),
    }]];
}

impl Rows for BatchNormAffine {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "channel",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |norm, _, _| only(any_length("", Source::new([AFFINE]).float("EPS", norm.eps), norm.channels)),
    }]];
}

impl Rows for BatchNormNormalize {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |norm| norm.channels, normalize)];
}

impl Rows for BatchNormGradStatistics {
    const ROWS: &[&[Row<Self>]] =
        &[reduction_rows!(BatchNormGradStatistics, |norm| norm.channels, grad_statistics)];
}

impl Rows for BatchNormGradAffine {
    const ROWS: &[&[Row<Self>]] = &[&[Row {
        name: "channel",
        stores: Stores::F32,
        requires: &[],
        speed: speed::general,
        build: |norm, _, _| grad_affine(norm),
    }]];
}

impl Rows for BatchNormGradInput {
    const ROWS: &[&[Row<Self>]] = &[elementwise_rows!(Both, |norm| norm.channels, grad_input)];
}

fn running(norm: &BatchNormRunning) -> Kernel {
    let source = Source::new([RUNNING])
        .float("MOMENTUM", norm.momentum)
        .float("VARIANCE_FACTOR", norm.variance_factor() as f32);
    only(any_length("", source, norm.channels))
}

fn grad_affine(norm: &BatchNormGradAffine) -> Kernel {
    let vectors = Source::new([GRAD_AFFINE]).float("TOTAL_ROWS", norm.total_rows as f32);
    let kernel = only(any_length("", vectors, norm.channels));
    if !norm.bias {
        return kernel;
    }
    let zero = any_length("bias", Source::new([GRAD_BIAS]), norm.channels);
    kernel.then(Kernel::new(vec![zero]))
}

/// The kernel for the statistics, also used within other kernels.
pub(crate) fn statistics(norm: &BatchNormStatistics, storage: DType, elem: Elem, how: Merge) -> Kernel {
    let chunks = Chunks::of(norm.rows);
    let partials = moments_of_chunks(storage, elem, norm.channels, [1, norm.rows], chunks);
    let merge = statistics_merge(norm, chunks, elem, how);
    Kernel::new(vec![partials, merge]).workspace(WORKSPACE, 4 * 2 * chunks.count * norm.channels)
}

/// The dispatch that reduces each chunk of `parts` parts of `rows` rows, which are the batch or its images, to its (mean, M2).
pub(crate) fn moments_of_chunks(
    storage: DType,
    elem: Elem,
    channels: usize,
    [parts, rows]: [usize; 2],
    chunks: Chunks,
) -> Dispatch {
    let vectors = channels / elem.lanes();
    let source =
        elem.over(storage, Source::new([STATISTICS_PARTIALS])).constant("C", vectors).constant("ROWS", rows);
    each("partials", chunks.constants(source), vectors * parts * chunks.count)
}

/// The dispatch that merges the (mean, M2) of chunks.
pub(crate) fn statistics_merge(
    norm: &BatchNormStatistics,
    chunks: Chunks,
    elem: Elem,
    how: Merge,
) -> Dispatch {
    chunks.merge(how, elem, norm.channels, &STATISTICS_MERGE, |source| {
        source.constant("ROWS", norm.rows).constant("ROWS_BEFORE", norm.rows_before)
    })
}

/// The source of a file that applies the activation after the normalisation.
fn with_activation(activation: Option<Activation>, file: Fragment) -> Source {
    activation::slope(activation, "SLOPE", Source::new([activation::file(activation), file]))
}

/// The kernel for the normalisation, also used within other kernels.
pub(crate) fn normalize(norm: &BatchNormNormalize, storage: DType, elem: Elem) -> Kernel {
    let input = Prologue::input(norm.channels, Some(*norm)).read_as(elem);
    let source = Source::new([&*input.files(), &[NORMALIZE]].concat());
    let source = if storage == DType::F16 { source.enable("f16") } else { source };
    let source = input.constants(storage, source).constant("ROWS", norm.rows).constant("CHUNK", CHUNK);
    single(source, norm.channels / elem.lanes() * norm.rows.div_ceil(CHUNK))
}

/// The kernel for the gradients of gamma and beta, also used within other kernels.
pub(crate) fn grad_statistics(
    norm: &BatchNormGradStatistics,
    storage: DType,
    elem: Elem,
    how: Merge,
) -> Kernel {
    let chunks = Chunks::of(norm.rows);
    let vectors = norm.channels / elem.lanes();
    let partials = elem
        .over(storage, with_activation(norm.activation, GRAD_PARTIALS))
        .constant("C", vectors)
        .constant("ROWS", norm.rows);
    let merge = grad_statistics_merge(norm.channels, norm.accumulate, chunks, elem, how);
    Kernel::new(vec![each("partials", chunks.constants(partials), vectors * chunks.count), merge])
        .workspace(WORKSPACE, 4 * 2 * chunks.count * norm.channels)
}

/// The dispatch that adds up the sums of chunks.
pub(crate) fn grad_statistics_merge(
    channels: usize,
    accumulate: bool,
    chunks: Chunks,
    elem: Elem,
    how: Merge,
) -> Dispatch {
    chunks.merge(how, elem, channels, &GRAD_MERGE, |source| source.flag("ACCUMULATE", accumulate))
}

/// The kernel for the gradient of the input, also used within other kernels.
pub(crate) fn grad_input(norm: &BatchNormGradInput, storage: DType, elem: Elem) -> Kernel {
    let vectors = norm.channels / elem.lanes();
    let source = elem
        .over(storage, with_activation(norm.activation, GRAD_INPUT))
        .constant("ROWS", norm.rows)
        .constant("C", vectors)
        .constant("CHUNK", CHUNK);
    single(source, vectors * norm.rows.div_ceil(CHUNK))
}
