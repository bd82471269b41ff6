//! The tiled matrix product that convolutions and linear layers share.

use super::{
    Caps, Dispatch, Kernel,
    parts::{Elem, GRID, WORKSPACE, dispatch, source},
};
use crate::{dtype::DType, shader::Source};

const TILED: &str = include_str!("../../shaders/shared/matmul_tiled.wgsl");
const STORE: &str = include_str!("../../shaders/shared/matmul_store.wgsl");
const PARTIAL: &str = include_str!("../../shaders/shared/matmul_partial.wgsl");
const MERGE_SPLITS: &str = include_str!("../../shaders/shared/merge_splits.wgsl");

/// Side of a tile, as in the shader.
const TILE: usize = 64;
/// Invocations of a workgroup, as in the shader.
const INVOCATIONS: u32 = 256;
/// Bytes of workgroup memory, as in the shader: two slabs of 16 x 68 floats.
const WORKGROUP_BYTES: u32 = 2 * 16 * 68 * 4;

/// Workgroups that keep a large GPU busy.
const ENOUGH_WORKGROUPS: usize = 512;
/// Bytes of split results at most.
const MOST_WORKSPACE: usize = 64 << 20;

/// The extents of a product and which way its matrices lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matmul {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// Parts of `k` that are worked apart.
    pub(super) splits: usize,
    /// Whether neighbours of the left matrix in memory are neighbours in `k`.
    pub(super) a_along_k: bool,
    /// The same of the right matrix.
    pub(super) b_along_k: bool,
}

impl Matmul {
    /// Whether a device has room for the tile.
    pub(super) fn fits(caps: &Caps) -> bool {
        caps.workgroup_invocations >= INVOCATIONS && caps.workgroup_bytes >= WORKGROUP_BYTES
    }

    fn tiles(m: usize, n: usize) -> usize {
        m.div_ceil(TILE) * n.div_ceil(TILE)
    }

    /// In how many parts to work `k`, given the pieces of work that a part makes and the least `k` of a part.
    pub(super) fn splits(caps: &Caps, pieces: usize, result_bytes: usize, k: usize, least: usize) -> usize {
        let room =
            MOST_WORKSPACE.min(usize::try_from(caps.binding_bytes).unwrap_or(usize::MAX)) / result_bytes;
        // A result that nearly fills the device is not worth a second pass over it.
        let wanted = if 2 * pieces >= ENOUGH_WORKGROUPS { 1 } else { ENOUGH_WORKGROUPS.div_ceil(pieces) };
        wanted.min(k.div_ceil(least)).min(room).max(1)
    }

    /// As [`Matmul::splits`] for tiles of an `m` x `n` result.
    pub(super) fn tile_splits(caps: &Caps, m: usize, n: usize, k: usize) -> usize {
        Self::splits(caps, Self::tiles(m, n), 4 * m * n, k, 256)
    }

    /// The kernel: in one dispatch, or split and merged. `loads` declares the operands and their loads, `keep` the
    /// result; `finish` adds the constants of the operation. `quads`: whether rows of the result, as the operation
    /// lays them, are multiples of 4. Operands and results are stored as `storage`, the gradients of weights excepted.
    pub(super) fn kernel(
        self,
        storage: DType,
        loads: &'static str,
        keep: &'static str,
        quads: bool,
        finish: impl Fn(Source) -> Source,
    ) -> Kernel {
        let split = self.splits > 1;
        let files =
            if split { vec![GRID, loads, PARTIAL, TILED] } else { vec![GRID, loads, keep, STORE, TILED] };
        let source = Source::new(files)
            .constant("M", self.m)
            .constant("N", self.n)
            .constant("K", self.k)
            .constant("SPLITS", self.splits)
            .flag("A_ALONG_K", self.a_along_k)
            .flag("B_ALONG_K", self.b_along_k)
            .alias("word", if storage == DType::F16 { "f16" } else { "f32" });
        let source = columns(Elem::Scalar.over(storage, source), Elem::Scalar, self.n);
        let label = if split { "partials" } else { "" };
        let workgroups = (Self::tiles(self.m, self.n) * self.splits) as u64;
        let mut dispatches = vec![Dispatch::new(label, finish(source), workgroups)];
        let len = self.m * self.n;
        if split {
            let elem = if quads { Elem::Vec4 } else { Elem::Scalar };
            let merge = merge_splits(keep, elem, storage, len, self.splits);
            dispatches.push(Dispatch { source: finish(columns(merge.source, elem, self.n)), ..merge });
        }
        let kernel = Kernel::new(dispatches);
        if split { kernel.workspace(WORKSPACE, 4 * len * self.splits) } else { kernel }
    }
}

/// What the files that keep results know of their rows.
pub(super) fn columns(source: Source, elem: Elem, n: usize) -> Source {
    source.constant("COLUMNS", n / elem.lanes()).constant("LANES", elem.lanes())
}

/// The dispatch that adds the parts of a split result in order; `keep` declares where sums go.
pub(super) fn merge_splits(
    keep: &'static str,
    elem: Elem,
    storage: DType,
    len: usize,
    splits: usize,
) -> Dispatch {
    let len = len / elem.lanes();
    let source =
        elem.over(storage, source(&[keep, MERGE_SPLITS])).constant("LEN", len).constant("SPLITS", splits);
    dispatch("merge", source, len)
}
