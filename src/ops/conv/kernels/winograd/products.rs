//! The products between the transforms.

use super::{
    FILTERS, INPUTS, OUTPUTS,
    plan::{Family, Winograd},
};
use crate::{
    dtype::DType,
    kernels::{Caps, Dispatch, lanes::Lanes, matmul::Matmul, parts::GRID},
    ops::Conv,
    shader::{Fragment, Source, fragment},
};

const LANES: Fragment = fragment!("winograd/product_lanes.wgsl");
const OUTER_LANES: Fragment = fragment!("winograd/outer_product_lanes.wgsl");
const TILED: Fragment = fragment!("winograd/product_tiled.wgsl");

/// A tile of a product through workgroup memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    m: usize,
    n: usize,
    slab: usize,
}

impl Tile {
    /// The largest tile that is not mostly empty: a workgroup has one invocation per 8x8 results.
    fn of(m: usize, n: usize) -> Self {
        match (m > 64, n > 64) {
            (true, true) => Self { m: 128, n: 128, slab: 8 },
            (true, false) => Self { m: 128, n: 64, slab: 8 },
            _ => Self { m: 64, n: 64, slab: 16 },
        }
    }

    /// Whether every tile fits a device: 256 invocations, and at most 16 x 34 vec4 of slabs.
    pub(super) fn fits(caps: &Caps) -> bool {
        caps.workgroup_invocations >= 256 && caps.workgroup_bytes >= 16 * 34 * 16
    }

    fn count(self, m: usize, n: usize) -> usize {
        m.div_ceil(self.m) * n.div_ceil(self.n)
    }

    fn source(self, m: usize, n: usize, k: usize) -> Source {
        Source::new([GRID, TILED])
            .constant("TILE_M", self.m)
            .constant("TILE_N", self.n)
            .constant("SLAB", self.slab)
            .constant("M", m)
            .constant("N", n)
            .constant("K", k)
    }
}

impl Winograd {
    /// `tiles` x `columns` results of sums over `inner` channels, for each point.
    pub(super) fn product(
        self,
        tiles: usize,
        columns: usize,
        inner: usize,
        rebind: &'static [(&'static str, &'static str)],
    ) -> Dispatch {
        let (n, k) = (self.padded(columns), self.padded(inner));
        let dispatch = match self.family {
            Family::Tiled => {
                let tile = Tile::of(tiles, n);
                let source = tile
                    .source(tiles, n, k)
                    .constant("PRODUCTS", self.products())
                    .constant("SPLITS", 1)
                    .flag("LEFT_ALONG_K", true)
                    .flag("ACCUMULATE", false);
                Dispatch::new("products", source, tile.count(tiles, n) as u64)
            }
            Family::Lanes => {
                let lanes = Lanes::of(tiles, n, k, &[]);
                let source = lanes
                    .rows_source(DType::F32, &[LANES])
                    .constant("PRODUCTS", self.products())
                    .constant("M", tiles)
                    .constant("N", n)
                    .constant("K", k);
                lanes.rows("products", source)
            }
        };
        Dispatch { workgroups: dispatch.workgroups * self.products() as u64, rebind, ..dispatch }
    }

    /// The number of splits of the sums over `tiles`.
    pub(super) fn splits(self, caps: &Caps, conv: &Conv, tiles: usize) -> usize {
        let (m, n) = (self.padded(conv.c), self.padded(conv.k));
        let bytes = 4 * self.filter_words(conv);
        match self.family {
            Family::Tiled => {
                let pieces = self.products() * Tile::of(m, n).count(m, n);
                Matmul::splits(caps, pieces, bytes, tiles, 64)
            }
            Family::Lanes => {
                let lanes = Lanes::of(1, n, m, &[]);
                lanes.splits(caps, self.products() * lanes.outer_blocks(), bytes, tiles)
            }
        }
    }

    /// Input channels x output channels of sums over the tiles, for each point and split.
    pub(super) fn outer_product(
        self,
        conv: &Conv,
        tiles: usize,
        splits: usize,
        accumulate: bool,
    ) -> Dispatch {
        let (m, n) = (self.padded(conv.c), self.padded(conv.k));
        let finish = |source: Source| {
            source
                .constant("PRODUCTS", self.products())
                .constant("SPLITS", splits)
                .flag("ACCUMULATE", accumulate)
        };
        let (source, blocks) = match self.family {
            Family::Tiled => {
                let tile = Tile::of(m, n);
                (tile.source(m, n, tiles).flag("LEFT_ALONG_K", false), tile.count(m, n))
            }
            Family::Lanes => {
                let lanes = Lanes::of(1, n, m, &[]);
                let source = lanes.outer_source(DType::F32, &[OUTER_LANES]);
                let source = source.constant("M", m).constant("N", n).constant("K", tiles);
                (source, lanes.outer_blocks())
            }
        };
        let workgroups = blocks * self.products() * splits;
        let dispatch = Dispatch::new("products", finish(source), workgroups as u64);
        Dispatch { rebind: &[("left", INPUTS), ("right", OUTPUTS), ("product", FILTERS)], ..dispatch }
    }
}
