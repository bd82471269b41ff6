//! The tiled matrix product that convolutions and linear layers share.

use super::{
    Caps, DeviceClass, Dispatch, Kernel,
    parts::{Chunks, Elem, Merge, WORKSPACE, each, workgroups},
    statistics::Statistics,
};
use crate::{
    dtype::DType,
    shader::{Fragment, Source, fragment},
};

const TILED: Fragment = fragment!("shared/matmul_tiled.wgsl");
const A: [Fragment; 2] = [fragment!("shared/matmul_a_quads.wgsl"), fragment!("shared/matmul_a_ones.wgsl")];
const B: [Fragment; 2] = [fragment!("shared/matmul_b_quads.wgsl"), fragment!("shared/matmul_b_ones.wgsl")];
const STORE: [Fragment; 2] =
    [fragment!("shared/matmul_store_quads.wgsl"), fragment!("shared/matmul_store_ones.wgsl")];
const PLAIN: Fragment = fragment!("shared/matmul_plain.wgsl");
const COLUMNS: Fragment = fragment!("shared/matmul_columns.wgsl");
const STATISTICS: Fragment = fragment!("shared/matmul_statistics.wgsl");
const GRAD_STATISTICS: Fragment = fragment!("shared/matmul_grad_statistics.wgsl");
const PARTIAL: Fragment = fragment!("shared/matmul_partial.wgsl");
const MERGE_SPLITS: Fragment = fragment!("shared/merge_splits.wgsl");
const MERGE_SPLITS_ROWS: Fragment = fragment!("shared/merge_splits_rows.wgsl");

/// Workgroups that keep a large GPU busy.
const ENOUGH_WORKGROUPS: usize = 512;
/// Bytes of split results at most: of other products, and of tiled ones.
const MOST_WORKSPACE: usize = 64 << 20;
const MOST_TILED_WORKSPACE: usize = 160 << 20;
/// More splits of a tiled product are never worth it: each costs a pass over the result.
const MOST_SPLITS: usize = 1024;
/// Cores of a large discrete GPU (an H100 has 132) and of a large integrated one. On a smaller GPU the same tiles are more waves, of
/// which the last counts less.
const CORES: [usize; 2] = [132, 40];
/// Operations in the time in which a large GPU moves a byte: 35 TFLOP/s next to 3.5 TB/s.
const FLOP_PER_BYTE: usize = 10;

/// The smallest part of `k` that is worth a split of a single product.
pub(crate) const LEAST_PART: usize = 256;

/// The shape of a tile: rows and columns of the result, and the quads of 4x4 results that an invocation accumulates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    pub(crate) m: usize,
    pub(crate) n: usize,
    quads_m: usize,
    quads_n: usize,
    /// Depth of a k-slab: 8 or 16. Each invocation loads at most one block of 4x4 of a slab.
    slab: usize,
    /// Speed on a full large GPU, in percent of the smallest tile's.
    full: u32,
}

/// 256 invocations of 8x8 results: the wide layers.
pub(crate) const TILE_128X128: Tile = Tile { m: 128, n: 128, quads_m: 2, quads_n: 2, slab: 16, full: 160 };
/// 128 invocations of 8x8: up to 64 channels.
pub(crate) const TILE_128X64: Tile = Tile { m: 128, n: 64, quads_m: 2, quads_n: 2, slab: 8, full: 140 };
/// The same for up to 64 rows.
pub(crate) const TILE_64X128: Tile = Tile { m: 64, n: 128, ..TILE_128X64 };
/// 128 invocations of 8x4: few rows, and GPUs with few registers.
pub(crate) const TILE_64X64: Tile = Tile { m: 64, n: 64, quads_m: 2, quads_n: 1, slab: 16, full: 110 };
/// 128 invocations of 8x4: narrow layers.
pub(crate) const TILE_128X32: Tile = Tile { m: 128, n: 32, quads_m: 2, quads_n: 1, slab: 8, full: 100 };

impl Tile {
    fn invocations(self) -> usize {
        self.m / (4 * self.quads_m) * (self.n / (4 * self.quads_n))
    }

    /// Two slabs of each matrix, as in the shader.
    fn workgroup_bytes(self) -> usize {
        2 * self.slab * 4 * (self.m + self.n)
    }

    /// Whether it fits a device.
    pub(crate) fn fits(self, caps: &Caps) -> bool {
        caps.workgroup_invocations as usize >= self.invocations()
            && caps.workgroup_bytes as usize >= self.workgroup_bytes()
    }

    /// Tiles of an `m` x `n` result.
    pub(crate) fn count(self, m: usize, n: usize) -> usize {
        m.div_ceil(self.m) * n.div_ceil(self.n)
    }

    /// The number of splits of `k` in `batches` products.
    pub(crate) fn splits(self, caps: &Caps, batches: usize, [m, n, k]: [usize; 3], least: usize) -> usize {
        let bytes = 4 * batches * m * n;
        // A software adapter has the caches of a CPU.
        let workspace = if caps.software() { MOST_WORKSPACE } else { MOST_TILED_WORKSPACE };
        let most = workspace.min(usize::try_from(caps.binding_bytes).unwrap_or(usize::MAX)) / bytes;
        let (tiles, slots) = (batches * self.count(m, n), self.at_a_time(caps));
        // In the time of a byte of the result: the waves of tiles, each `k / splits` deep, and the partial sums, written and read.
        let time = |splits: usize| {
            let waves = (tiles * splits).div_ceil(slots) * slots;
            let flop = waves as f64 * (2 * self.m * self.n * k) as f64 / splits as f64;
            flop / (FLOP_PER_BYTE * bytes) as f64 + (2 * (splits - 1)) as f64
        };
        (1..=most.min(k.div_ceil(least)).clamp(1, MOST_SPLITS))
            .min_by(|&a, &b| time(a).total_cmp(&time(b)))
            .expect("at least one number")
    }

    /// The workgroups that a large GPU runs at a time: 512 invocations of a core have 128 registers each, enough for 8x8 results,
    /// and 768 have enough for 8x4.
    fn at_a_time(self, caps: &Caps) -> usize {
        let cores = CORES[usize::from(caps.class == DeviceClass::Integrated)];
        cores * if self.quads_n == 2 { 512 } else { 768 } / self.invocations()
    }

    /// The expected speed: the full speed, less the parts of tiles beyond the edges, less the idle part of a large GPU if
    /// there are few tiles. GPUs that share the CPU's memory have fewer registers: on Apple's, 8x8 results take those of a whole core.
    pub(crate) fn speed(self, caps: &Caps, extents @ [m, n, _]: [usize; 3]) -> u32 {
        let full = match caps.class {
            // Workgroup memory does not pay off there; the order is that of GPUs.
            DeviceClass::Software => self.full / 4,
            DeviceClass::Integrated if self.quads_n == 2 => 90,
            _ => self.full,
        };
        let tiles = self.count(m, n);
        let used = (m * n) as f64 / (tiles * self.m * self.n) as f64;
        let workgroups = (tiles * self.splits(caps, 1, extents, LEAST_PART)) as f64;
        let busy = (workgroups / (ENOUGH_WORKGROUPS / 2) as f64).min(1.0);
        // Even few workgroups overlap their loads and arithmetic, and the worst tile is faster than a kernel made
        // for software adapters.
        35 + (f64::from(full) * used * (0.5 + 0.5 * busy)) as u32
    }
}

/// The rows of an operation that is a product, one for each shape of tile. `$extents` returns its `[m, n, k]`; `$build` is
/// called with the operation, its storage, the tile and the device.
macro_rules! tiled_rows {
    ($extents:expr, $build:expr) => {
        &[
            $crate::kernels::matmul::tiled_row!("tiled_128x128", TILE_128X128, $extents, $build),
            $crate::kernels::matmul::tiled_row!("tiled_128x64", TILE_128X64, $extents, $build),
            $crate::kernels::matmul::tiled_row!("tiled_64x64", TILE_64X64, $extents, $build),
            $crate::kernels::matmul::tiled_row!("tiled_128x32", TILE_128X32, $extents, $build),
        ]
    };
}
pub(crate) use tiled_rows;

macro_rules! tiled_row {
    ($name:literal, $tile:ident, $extents:expr, $build:expr) => {
        $crate::kernels::Row {
            name: $name,
            stores: $crate::kernels::Stores::Both,
            requires: &[$crate::kernels::needs(
                "workgroup memory and invocations for the tile",
                |_, caps| $crate::kernels::matmul::$tile.fits(caps),
            )],
            speed: |op, caps| $crate::kernels::matmul::$tile.speed(caps, $extents(op)),
            build: |op, storage, caps| $build(op, storage, $crate::kernels::matmul::$tile, caps),
        }
    };
}
pub(crate) use tiled_row;

/// One matrix of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    /// The element of a load.
    pub(crate) elem: Elem,
    /// Whether neighbours in memory are neighbours in `k`.
    pub(crate) along_k: bool,
}

/// Products `m` x `n` x `k` and the orientation of their matrices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matmul {
    pub(crate) extents: [usize; 3],
    /// The number of products.
    pub(crate) batches: usize,
    pub(crate) tile: Tile,
    /// The number of splits of `k` (split-K).
    pub(crate) splits: usize,
    pub(crate) a: Side,
    pub(crate) b: Side,
    /// The element whose width divides the result's rows.
    pub(crate) elem: Elem,
    /// The storage type of operands and results, except weight gradients.
    pub(crate) storage: DType,
}

impl Matmul {
    /// The number of splits of `k`, given the pieces of work per split and the smallest `k` of a split.
    pub(crate) fn splits(caps: &Caps, pieces: usize, result_bytes: usize, k: usize, least: usize) -> usize {
        let room =
            MOST_WORKSPACE.min(usize::try_from(caps.binding_bytes).unwrap_or(usize::MAX)) / result_bytes;
        // A result that nearly fills the device is not worth a second pass.
        let wanted = if 2 * pieces >= ENOUGH_WORKGROUPS { 1 } else { ENOUGH_WORKGROUPS.div_ceil(pieces) };
        wanted.min(k.div_ceil(least)).min(room).max(1)
    }

    /// The kernel: in one dispatch, or split and merged. `loads` declare the operands and their loads, `store` the result;
    /// `finish` adds the constants of the operation.
    pub(crate) fn kernel(
        &self,
        loads: &[Fragment],
        store: Fragment,
        finish: impl Fn(Source) -> Source,
    ) -> Kernel {
        self.kernel_with(Statistics::None, loads, store, finish)
    }

    /// The kernel of a product with per-column statistics of its result: they are reduced in the tiles' epilogue, or in the
    /// dispatch that adds the partial sums, or, if the columns are not a multiple of 4, in separate dispatches.
    pub(crate) fn kernel_with(
        &self,
        statistics: Statistics,
        loads: &[Fragment],
        store: Fragment,
        finish: impl Fn(Source) -> Source,
    ) -> Kernel {
        let Self { extents: [m, n, _], tile, splits, elem, storage, .. } = *self;
        if splits > 1 {
            let source = self.source(loads, &[PARTIAL], &[PLAIN], Elem::of(n));
            let partials = self.dispatch("partials", finish(source));
            return Split { extents: [m, n], splits, elem, storage }
                .kernel(partials, statistics, store, finish);
        }
        let fours = n.is_multiple_of(4);
        let within = if fours { statistics } else { Statistics::None };
        let files = match within {
            Statistics::None => vec![PLAIN],
            Statistics::Moments => vec![COLUMNS, STATISTICS],
            Statistics::Sums(_) => [within.files(), vec![COLUMNS, GRAD_STATISTICS]].concat(),
        };
        let source = within.constants(self.source(loads, &[store], &files, elem));
        let kernel = Kernel::new(vec![self.dispatch("", finish(source))]);
        if !fours {
            return statistics.after(kernel, [m, n], Merge::Tree, storage);
        }
        let chunks = Chunks { rows: tile.m, count: m.div_ceil(tile.m) };
        statistics.merged(kernel, [m, n], chunks, Merge::Tree)
    }

    /// The dispatch of products whose file `loads` also stores the results.
    pub(crate) fn batched(
        &self,
        label: &'static str,
        loads: Fragment,
        finish: impl Fn(Source) -> Source,
    ) -> Dispatch {
        self.dispatch(label, finish(self.source(&[loads], &[], &[PLAIN], self.elem)))
    }

    fn dispatch(&self, label: &'static str, source: Source) -> Dispatch {
        let [m, n, _] = self.extents;
        workgroups(label, source, self.tile.invocations(), self.tile.count(m, n) * self.batches * self.splits)
    }

    fn source(&self, loads: &[Fragment], store: &[Fragment], epilogue: &[Fragment], elem: Elem) -> Source {
        let pick = |files: [Fragment; 2], elem: Elem| files[usize::from(elem == Elem::Scalar)];
        let mut files = loads.to_vec();
        files.extend([pick(A, self.a.elem), pick(B, self.b.elem)]);
        files.extend(store);
        files.push(pick(STORE, elem));
        files.extend(epilogue);
        files.push(TILED);
        let ([m, n, k], tile) = (self.extents, self.tile);
        let source = Source::new(files)
            .constant("M", m)
            .constant("N", n)
            .constant("K", k)
            .constant("BATCHES", self.batches)
            .constant("SPLITS", self.splits)
            .constant("TILE_M", tile.m)
            .constant("TILE_N", tile.n)
            .constant("QUADS_M", tile.quads_m)
            .constant("QUADS_N", tile.quads_n)
            .constant("SLAB", tile.slab)
            .flag("A_ALONG_K", self.a.along_k)
            .flag("B_ALONG_K", self.b.along_k);
        elem.columns(n, elem.over(self.storage, source))
    }
}

/// A split-K product, whose partial sums are added in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    /// `[rows, columns]` of the result.
    pub(crate) extents: [usize; 2],
    /// The number of splits.
    pub(crate) splits: usize,
    /// The element of the result.
    pub(crate) elem: Elem,
    /// Its storage type.
    pub(crate) storage: DType,
}

impl Split {
    /// The smallest number of rows of a column that is worth an invocation when reducing columns.
    const LEAST_ROWS: usize = 8;

    /// `partials`, which writes partial sums to the workspace, then the dispatch that adds them; `store` declares the result and
    /// `finish` adds its constants.
    pub(crate) fn kernel(
        self,
        partials: Dispatch,
        statistics: Statistics,
        store: Fragment,
        finish: impl Fn(Source) -> Source,
    ) -> Kernel {
        let Self { extents: extents @ [rows, columns], splits, elem, storage } = self;
        let bytes = 4 * rows * columns * splits;
        let whole = |source| {
            let source = elem.columns(columns, elem.over(storage, source)).constant("SPLITS", splits);
            finish(source)
        };
        if statistics == Statistics::None {
            let len = rows * columns / elem.lanes();
            let source = whole(Source::new([store, MERGE_SPLITS]));
            return Kernel::new(vec![partials, each("merge", source, len)]).workspace(WORKSPACE, bytes);
        }
        let chunks = Chunks::of_at_least(Self::LEAST_ROWS, rows);
        let files = [&[store], &*statistics.files(), &[MERGE_SPLITS_ROWS]].concat();
        let source = chunks.constants(statistics.constants(whole(Source::new(files).constant("ROWS", rows))));
        let merge = each("merge", source, columns / elem.lanes() * chunks.count);
        let partials = Dispatch { rebind: &[(WORKSPACE, "parts")], ..partials };
        let kernel = Kernel::new(vec![partials, merge]).workspace("parts", bytes);
        statistics.merged(kernel, extents, chunks, Merge::Tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILES: [Tile; 5] = [TILE_128X128, TILE_128X64, TILE_64X128, TILE_64X64, TILE_128X32];

    /// Each invocation loads at most one block of 4x4, and neighbours are in groups of 4 x 8.
    #[test]
    fn tiles_are_as_the_shader_needs_them() {
        for tile @ Tile { m, n, quads_m, quads_n, slab, .. } in TILES {
            assert!(slab == 8 || slab == 16, "{tile:?}");
            assert!((m + n) / 4 * (slab / 4) <= tile.invocations(), "{tile:?}");
            assert!(
                (m / (4 * quads_m)).is_multiple_of(8) && (n / (4 * quads_n)).is_multiple_of(8),
                "{tile:?}"
            );
        }
    }

    /// The products of the weights' gradients of VGG16 at 224 px and batch 64, by Winograd's F(4x4) in chunks of images.
    #[test]
    fn splits_fill_the_last_wave() {
        let caps = Caps::DISCRETE;
        for (tile, m, n, tiles) in [
            (TILE_64X64, 64, 64, 25088),
            (TILE_64X128, 64, 128, 12544),
            (TILE_128X128, 128, 128, 12544),
            (TILE_128X128, 128, 256, 6272),
            (TILE_128X128, 256, 256, 6272),
            (TILE_128X128, 256, 512, 3136),
            (TILE_128X128, 512, 512, 3136),
        ] {
            let splits = tile.splits(&caps, 36, [m, n, tiles], 64);
            let waves = (36 * tile.count(m, n) * splits) as f64 / tile.at_a_time(&caps) as f64;
            assert!(waves / waves.ceil() > 0.9, "{m} x {n}: {splits} splits are {waves:.2} waves");
        }
        // What fills many waves is not split.
        assert_eq!(TILE_128X128.splits(&caps, 1, [64 * 56 * 56, 256, 9 * 256], LEAST_PART), 1);
    }
}
