//! The matrix product on matrix units that convolutions and linear layers share.

use super::{
    Caps, Dispatch, Kernel, MatrixUnits,
    matmul::{Matmul, Split},
    parts::{Chunks, Elem, Merge},
    statistics::Statistics,
};
use crate::{
    dtype::DType,
    shader::{Fragment, Source, fragment},
};

const COOPERATIVE: Fragment = fragment!("shared/matmul_cooperative.wgsl");
const STORE: Fragment = fragment!("shared/cooperative_store.wgsl");
const STORE_PARTIAL: Fragment = fragment!("shared/cooperative_store_partial.wgsl");
const COLUMNS: Fragment = fragment!("shared/cooperative_columns.wgsl");
const MOMENTS: Fragment = fragment!("shared/cooperative_statistics.wgsl");
const SUMS: Fragment = fragment!("shared/cooperative_grad_statistics.wgsl");

/// For matrices with separate loads.
pub(crate) const A_ALONE: Fragment = fragment!("shared/cooperative_a_alone.wgsl");
pub(crate) const B_ALONE: Fragment = fragment!("shared/cooperative_b_alone.wgsl");

const MATRICES_16: Fragment = fragment!("shared/cooperative_16.wgsl");
const MATRICES_8: Fragment = fragment!("shared/cooperative_8.wgsl");

/// Matrices along a tile, as in the shader.
const ALONG: usize = 8;
/// Subgroups of a workgroup, as in the shader.
const SUBGROUPS: u32 = 8;
/// Bytes of workgroup memory, as in the shader with matrices of 16 x 16: two slabs of at most 128 lines of 40 f16.
const SLAB_BYTES: usize = 2 * 128 * 40 * 2;
/// The smallest part of the inner dimension that is worth a workgroup.
const LEAST_PART: usize = 512;

/// The requirement of [`fits`] in words, by which rows on matrix units are known.
pub(crate) const UNITS: &str = "f16 matrix units";

/// Whether a device multiplies f16 matrices in hardware.
pub(crate) fn fits(caps: &Caps) -> bool {
    caps.f16
        && caps.matrix_units.is_some_and(|units| caps.workgroup_invocations >= SUBGROUPS * units.subgroup)
        && has_room(caps, 0)
}

/// Whether workgroup memory has room for prologues with this many f32 of vectors.
pub(crate) fn has_room(caps: &Caps, vectors: usize) -> bool {
    caps.workgroup_bytes as usize >= SLAB_BYTES + 4 * results(16, vectors)
}

/// The f32 that blocks of results pass through, and before them the vectors of the prologues.
fn results(side: usize, vectors: usize) -> usize {
    vectors.max(SUBGROUPS as usize * side * side)
}

/// The rows of a tile of the result, and its columns.
pub(crate) fn tile(caps: &Caps) -> usize {
    ALONG * units(caps).side
}

fn units(caps: &Caps) -> MatrixUnits {
    caps.matrix_units.expect("`fits` checked it")
}

/// The number of splits of the inner dimension for `batches` results of `m` x `n`.
pub(crate) fn splits(caps: &Caps, batches: usize, [m, n, k]: [usize; 3]) -> usize {
    let tile = tile(caps);
    Matmul::splits(caps, m.div_ceil(tile) * n.div_ceil(tile) * batches, 4 * m * n * batches, k, LEAST_PART)
}

/// The extents of a product and the orientation of its matrices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// The number of splits of `k` (split-K).
    pub(crate) splits: usize,
    /// Whether neighbours of the left matrix in memory are neighbours in `k`.
    pub(crate) a_along_k: bool,
    /// The same of the right matrix.
    pub(crate) b_along_k: bool,
    /// The f32 of vectors of its prologues.
    pub(crate) vectors: usize,
}

impl Product {
    /// `batches` products of these extents. `files` have the loads and the stores.
    pub(crate) fn dispatch(
        self,
        label: &'static str,
        caps: &Caps,
        batches: usize,
        files: &[Fragment],
    ) -> Dispatch {
        let Self { m, n, k, splits, a_along_k, b_along_k, vectors } = self;
        let MatrixUnits { side, subgroup } = units(caps);
        let matrices = if side == 16 { MATRICES_16 } else { MATRICES_8 };
        let source = Elem::Vec4
            .over(DType::F16, Source::new([files, &[matrices, COOPERATIVE]].concat()))
            .enable("wgpu_cooperative_matrix")
            .constant("M", m)
            .constant("N", n)
            .constant("K", k)
            .constant("BATCHES", batches)
            .constant("SPLITS", splits)
            .constant("SUBGROUP", subgroup as usize)
            .constant("RESULTS", results(side, vectors))
            .flag("A_ALONG_K", a_along_k)
            .flag("B_ALONG_K", b_along_k);
        let tile = tile(caps);
        Dispatch::new(label, source, (m.div_ceil(tile) * n.div_ceil(tile) * batches * splits) as u64)
    }
}

/// The kernel: in one dispatch, or split and merged. `loads` declare the operands and their loads, `store` the result;
/// `finish` adds the constants of the operation. The extents along which the matrices are loaded are multiples of 8, as is `n`.
pub(crate) fn kernel(
    caps: &Caps,
    product: Product,
    statistics: Statistics,
    loads: &[Fragment],
    store: Fragment,
    finish: impl Fn(Source) -> Source,
) -> Kernel {
    let Product { m, n, splits, .. } = product;
    let (split, tile) = (splits > 1, tile(caps));
    let stores = match statistics {
        _ if split => vec![STORE_PARTIAL],
        Statistics::None => vec![store, STORE],
        Statistics::Moments => [&[store], &*statistics.files(), &[COLUMNS, MOMENTS]].concat(),
        Statistics::Sums(_) => [&[store], &*statistics.files(), &[COLUMNS, SUMS]].concat(),
    };
    let files = [loads, &stores].concat();
    let dispatch = |label| {
        let dispatch = product.dispatch(label, caps, 1, &files);
        Dispatch { source: finish(Elem::Vec4.columns(n, dispatch.source)), ..dispatch }
    };
    if split {
        let partials = dispatch("partials");
        let split = Split { extents: [m, n], splits, elem: Elem::Vec4, storage: DType::F16 };
        return split.kernel(partials, statistics, store, finish);
    }
    let whole = dispatch("");
    let kernel = Kernel::new(vec![Dispatch { source: statistics.constants(whole.source), ..whole }]);
    let chunks = Chunks { rows: tile, count: m.div_ceil(tile) };
    statistics.merged(kernel, [m, n], chunks, Merge::Tree)
}
