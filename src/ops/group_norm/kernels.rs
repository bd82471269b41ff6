//! Rows for the operations of group normalisation.

use super::{GroupNorm, GroupNormAffine, GroupNormGrad};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Dispatch, Kernel, Requirement, Row, Rows, Stores, needs,
        parts::{Chunks, Elem, Merge, REDUCE, WORKGROUP, WORKSPACE, each, only, workgroups},
        reduction_rows, speed,
    },
    ops::{
        activation_kernels as activation,
        batch_norm::kernels::{grad_statistics_merge, moments_of_chunks},
    },
    shader::{Fragment, Source, fragment},
};

const SET: Fragment = fragment!("group_norm/set.wgsl");
const ACROSS_SCALAR: Fragment = fragment!("group_norm/across_scalar.wgsl");
const ACROSS_VEC4: Fragment = fragment!("group_norm/across_vec4.wgsl");
const OF_SET_SHARED: Fragment = fragment!("group_norm/of_set_shared.wgsl");
const OF_SET_APART: Fragment = fragment!("group_norm/of_set_apart.wgsl");
const TEAM_WORKGROUP: Fragment = fragment!("group_norm/team_workgroup.wgsl");
const TEAM_SINGLE: Fragment = fragment!("group_norm/team_single.wgsl");
const FORWARD: Fragment = fragment!("group_norm/forward.wgsl");
const MOMENTS: Fragment = fragment!("group_norm/moments.wgsl");
const AFFINE: Fragment = fragment!("group_norm/affine.wgsl");
const GRAD_INPUT: Fragment = fragment!("group_norm/grad_input.wgsl");
const GRAD_PARTIALS: Fragment = fragment!("group_norm/grad_partials.wgsl");
const GRAD_MEANS: Fragment = fragment!("group_norm/grad_means.wgsl");
const GRAD_APPLY: Fragment = fragment!("group_norm/grad_apply.wgsl");

/// Pixels per invocation of the elementwise kernels.
const CHUNK: usize = 8;
/// The name of the workspace with the moments and two more means of each set.
const SETS: &str = "sets";
/// Values of a set from which on a single workgroup is expected to take longer than two more dispatches; no GPU has timed it.
const LARGE: usize = 16 * 1024;
/// The most values of an invocation, which loops over them three times: llvmpipe ends a program's loops after 65,535 rounds in all.
const LONGEST: usize = 16 * 1024;

/// How the sets are divided among invocations.
#[derive(Clone, Copy)]
enum Team {
    /// A workgroup for each set.
    Workgroup,
    /// An invocation for each set.
    Single,
    /// Several workgroups for each image, in chunks of pixels: one more dispatch to reduce and one to apply.
    Chunked(Merge),
}

impl Team {
    fn merge(self) -> Merge {
        match self {
            Self::Workgroup => Merge::Tree,
            Self::Single => Merge::Serial,
            Self::Chunked(merge) => merge,
        }
    }
}

macro_rules! rows {
    ($op:ty, $norm:expr, $build:expr, [$($chunked:tt)*]) => {{
        const NORM: fn(&$op) -> &GroupNorm = $norm;
        const FOURS: Requirement<$op> =
            needs("channels of a group divisible by 4", |op, _| NORM(op).group().is_multiple_of(4));
        const SHARED: Requirement<$op> =
            needs("at most 16384 values of a set for each invocation of a workgroup", |op, _| {
                NORM(op).count() <= LONGEST * WORKGROUP
            });
        const ALONE: Requirement<$op> =
            needs("at most 16384 values in a set", |op, _| NORM(op).count() <= LONGEST);
        &[&[
            row!("vec4", &[SHARED, FOURS], speed::general, $build, Vec4, Team::Workgroup),
            row!("scalar", &[SHARED], speed::general, $build, Scalar, Team::Workgroup),
            $($chunked)*
            row!("vec4_serial", &[ALONE, FOURS], |op, caps| serial(NORM(op), caps), $build, Vec4, Team::Single),
            row!("scalar_serial", &[ALONE], |op, caps| serial(NORM(op), caps), $build, Scalar, Team::Single),
        ]]
    }};
}

macro_rules! row {
    ($name:literal, $requires:expr, $speed:expr, $build:expr, $elem:ident, $team:expr) => {
        Row {
            name: $name,
            stores: Stores::Both,
            requires: $requires,
            speed: $speed,
            build: |op, storage, _| $build(op, storage, Elem::$elem, $team),
        }
    };
}

impl Rows for GroupNorm {
    const ROWS: &[&[Row<Self>]] = rows!(GroupNorm, |op| op, forward, []);
}

impl Rows for GroupNormAffine {
    const ROWS: &[&[Row<Self>]] = &[reduction_rows!(GroupNormAffine, |op| op.0.channels, affine)];
}

const PIXELS: Requirement<GroupNormGrad> = needs("several pixels in an image", |op, _| op.norm.pixels > 1);
const QUADS: Requirement<GroupNormGrad> =
    needs("channels divisible by 4", |op, _| op.norm.channels.is_multiple_of(4));

impl Rows for GroupNormGrad {
    const ROWS: &[&[Row<Self>]] = rows!(
        GroupNormGrad,
        |op| &op.norm,
        grad,
        [
            row!("vec4_chunked", &[PIXELS, QUADS], chunked, grad, Vec4, Team::Chunked(Merge::Tree)),
            row!("scalar_chunked", &[PIXELS], chunked, grad, Scalar, Team::Chunked(Merge::Tree)),
            row!(
                "vec4_chunked_serial",
                &[PIXELS, QUADS],
                speed::on_software,
                grad,
                Vec4,
                Team::Chunked(Merge::Serial)
            ),
            row!(
                "scalar_chunked_serial",
                &[PIXELS],
                speed::on_software,
                grad,
                Scalar,
                Team::Chunked(Merge::Serial)
            ),
        ]
    );
}

/// Large sets.
fn chunked(op: &GroupNormGrad, _: &Caps) -> u32 {
    if op.norm.count() >= LARGE { 150 } else { 80 }
}

/// Small sets on a software adapter.
fn serial(norm: &GroupNorm, caps: &Caps) -> u32 {
    if norm.pixels == 1 { speed::on_software(norm, caps) } else { 30 }
}

/// Constants of a norm, whose rows and groups have `C` and `GROUP` elems.
fn constants(norm: &GroupNorm, elem: Elem, source: Source) -> Source {
    source
        .constant("C", norm.channels / elem.lanes())
        .constant("GROUP", norm.group() / elem.lanes())
        .constant("GROUPS", norm.groups)
        .constant("PIXELS", norm.pixels)
}

/// One dispatch for whole sets: with a workgroup for each, or an invocation if that is few enough `values` to loop over.
fn by_sets(label: &'static str, norm: &GroupNorm, source: Source, (how, values): (Merge, usize)) -> Dispatch {
    let source = source.float("VALUES", norm.count() as f32);
    if how == Merge::Serial && values <= LONGEST {
        each(label, source.with(TEAM_SINGLE), norm.sets())
    } else {
        workgroups(label, source.with(REDUCE).with(TEAM_WORKGROUP), WORKGROUP, norm.sets())
    }
}

/// One dispatch that reads the values of whole sets.
fn whole(
    label: &'static str,
    norm: &GroupNorm,
    storage: DType,
    elem: Elem,
    how: Merge,
    file: Fragment,
) -> Dispatch {
    let across = if elem == Elem::Vec4 { ACROSS_VEC4 } else { ACROSS_SCALAR };
    let files = [activation::file(norm.activation), SET, across, file];
    let source = constants(norm, elem, elem.over(storage, Source::new(files))).float("EPS", norm.eps);
    let source = activation::slope(norm.activation, "SLOPE", source);
    by_sets(label, norm, source, (how, norm.count()))
}

/// The source of a file that reads `fields` values of the set of each elem of channels.
fn by_channels(norm: &GroupNorm, storage: DType, elem: Elem, fields: usize, file: Fragment) -> Source {
    let of_set = if norm.group().is_multiple_of(elem.lanes()) { OF_SET_SHARED } else { OF_SET_APART };
    let files = [activation::file(norm.activation), of_set, file];
    let source = elem
        .over(storage, Source::new(files))
        .constant("C", norm.channels / elem.lanes())
        .constant("LANES", elem.lanes())
        .constant("GROUP", norm.group())
        .constant("GROUPS", norm.groups)
        .constant("PIXELS", norm.pixels)
        .constant("FIELDS", fields);
    activation::slope(norm.activation, "SLOPE", source)
}

/// One dispatch for each elem of channels and a few pixels.
fn elementwise(label: &'static str, norm: &GroupNorm, elem: Elem, source: Source) -> Dispatch {
    let rows = norm.images * norm.pixels;
    let source = source.constant("ROWS", rows).constant("CHUNK", CHUNK);
    each(label, source, norm.channels / elem.lanes() * rows.div_ceil(CHUNK))
}

/// The chunks of an image: enough for a large GPU over the batch.
fn chunks(norm: &GroupNorm) -> Chunks {
    let rows = Chunks::of(norm.images * norm.pixels).rows;
    Chunks::of_at_least(rows, norm.pixels)
}

fn forward(norm: &GroupNorm, storage: DType, elem: Elem, team: Team) -> Kernel {
    only(whole("", norm, storage, elem, team.merge(), FORWARD))
}

fn affine(GroupNormAffine(norm): &GroupNormAffine, storage: DType, elem: Elem, how: Merge) -> Kernel {
    let (chunks, vectors) = (chunks(norm), norm.channels / elem.lanes());
    let moments = constants(norm, Elem::Scalar, Source::new([MOMENTS])).float("EPS", norm.eps);
    let affine = by_channels(norm, DType::F32, elem, 2, AFFINE);
    Kernel::new(vec![
        moments_of_chunks(storage, elem, norm.channels, [norm.images, norm.pixels], chunks),
        by_sets("moments", norm, chunks.constants(moments), (how, chunks.count * norm.group())),
        each("affine", affine, vectors * norm.images),
    ])
    .workspace(WORKSPACE, 4 * 2 * norm.images * chunks.count * norm.channels)
}

/// The sums of each channel over chunks of the pixels of `parts` parts of the batch.
fn sums(norm: &GroupNorm, storage: DType, elem: Elem, parts: usize, chunks: Chunks) -> Dispatch {
    let source = by_channels(norm, storage, elem, 2, GRAD_PARTIALS)
        .constant("ROWS", norm.images * norm.pixels / parts);
    each("partials", chunks.constants(source), norm.channels / elem.lanes() * parts * chunks.count)
}

fn grad(op: &GroupNormGrad, storage: DType, elem: Elem, team: Team) -> Kernel {
    let (norm, how) = (&op.norm, team.merge());
    let chunked = matches!(team, Team::Chunked(_));
    let (parts, chunks) =
        if chunked { (norm.images, chunks(norm)) } else { (1, Chunks::of(norm.images * norm.pixels)) };
    let mut dispatches = Vec::new();
    if chunked || op.parameters {
        dispatches.push(sums(norm, storage, elem, parts, chunks));
    }
    if op.parameters {
        let (all, vector) = (Chunks { count: parts * chunks.count, ..chunks }, Elem::of(norm.channels));
        dispatches.push(grad_statistics_merge(norm.channels, op.accumulate, all, vector, how));
    }
    if chunked {
        let means = constants(norm, Elem::Scalar, Source::new([GRAD_MEANS])).constant("CHUNKS", chunks.count);
        dispatches.push(by_sets("means", norm, means, (how, chunks.count * norm.group())));
        let source = by_channels(norm, storage, elem, 4, GRAD_APPLY);
        let apply = elementwise("grad_input", norm, elem, source);
        dispatches.push(Dispatch { rebind: &[("moments", SETS)], ..apply });
    } else {
        let label = if op.parameters { "grad_input" } else { "" };
        dispatches.push(whole(label, norm, storage, elem, how, GRAD_INPUT));
    }
    let kernel = Kernel::new(dispatches);
    let kernel = if chunked { kernel.workspace(SETS, 4 * 4 * norm.sets()) } else { kernel };
    if chunked || op.parameters {
        kernel.workspace(WORKSPACE, 4 * 2 * parts * chunks.count * norm.channels)
    } else {
        kernel
    }
}
