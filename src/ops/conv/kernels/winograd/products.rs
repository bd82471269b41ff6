//! The products between the transforms.

use super::plan::{FILTERS, Family, INPUTS, OUTPUTS, Winograd};
use crate::{
    dtype::DType,
    kernels::{
        Caps, DeviceClass, Dispatch, cooperative,
        lanes::Lanes,
        matmul::{Matmul, Side, TILE_64X64, TILE_64X128, TILE_128X64, TILE_128X128, Tile},
        parts::{Elem, subgroups},
    },
    ops::Conv,
    shader::{Fragment, fragment},
};

const LANES: Fragment = fragment!("winograd/product_lanes.wgsl");
const OUTER_LANES: Fragment = fragment!("winograd/outer_product_lanes.wgsl");
/// The smallest number of tiles of a chunk that is worth a split.
const LEAST_PART: usize = 64;

const TILED: Fragment = fragment!("winograd/product_tiled.wgsl");
const COOPERATIVE: Fragment = fragment!("winograd/product_cooperative.wgsl");

/// Products of the halves of split values, without that of the two low ones.
const SPLIT_TERMS: usize = 3;

/// Whether a device has a tile for every product.
pub(super) fn tiles_fit(caps: &Caps) -> bool {
    TILE_128X64.fits(caps) && TILE_64X64.fits(caps)
}

/// The largest tile that is not mostly empty and fits the device. GPUs that share the CPU's memory have too few registers for 8x8
/// results in an invocation.
fn tile(caps: &Caps, m: usize, n: usize) -> Tile {
    match (m > 64, n > 64) {
        _ if caps.class == DeviceClass::Integrated => TILE_64X64,
        (true, true) if TILE_128X128.fits(caps) => TILE_128X128,
        (true, _) => TILE_128X64,
        (false, true) => TILE_64X128,
        _ => TILE_64X64,
    }
}

impl Winograd {
    /// `tiles` x `columns` results of sums over `inner` channels, for each point.
    pub(super) fn product(
        self,
        caps: &Caps,
        [tiles, columns, inner]: [usize; 3],
        rebind: &'static [(&'static str, &'static str)],
    ) -> Dispatch {
        let (n, k) = (self.padded(columns), self.padded(inner));
        let dispatch = match self.family {
            Family::Tiled => self.tiled(caps, [tiles, n, k], 1, true, false),
            Family::Split => self.cooperative(caps, [tiles, n, k], 1, true, false),
            Family::Lanes => {
                let lanes = Lanes::of(tiles, n, k, &[]);
                let source = lanes
                    .rows_source(DType::F32, &[LANES])
                    .constant("M", tiles)
                    .constant("N", n)
                    .constant("K", k);
                lanes.rows("products", source, self.products())
            }
        };
        Dispatch { rebind, ..dispatch }
    }

    /// The number of splits of the sums over `tiles`.
    pub(super) fn splits(self, caps: &Caps, conv: &Conv, tiles: usize) -> usize {
        let (m, n) = (self.padded(conv.c), self.padded(conv.k));
        match self.family {
            Family::Tiled => tile(caps, m, n).splits(caps, self.products(), [m, n, tiles], LEAST_PART),
            Family::Split => cooperative::splits(caps, self.products(), [m, n, SPLIT_TERMS * tiles]),
            Family::Lanes => {
                let lanes = Lanes::of(1, n, m, &[]);
                let bytes = 4 * self.filter_words(conv);
                lanes.splits(caps, self.products() * lanes.outer_blocks(), bytes, tiles)
            }
        }
    }

    /// Input channels x output channels of sums over the tiles, for each point and split.
    pub(super) fn outer_product(
        self,
        caps: &Caps,
        conv: &Conv,
        tiles: usize,
        splits: usize,
        accumulate: bool,
    ) -> Dispatch {
        let (m, n) = (self.padded(conv.c), self.padded(conv.k));
        let dispatch = match self.family {
            Family::Tiled => self.tiled(caps, [m, n, tiles], splits, false, accumulate),
            Family::Split => self.cooperative(caps, [m, n, tiles], splits, false, accumulate),
            Family::Lanes => {
                let lanes = Lanes::of(1, n, m, &[]);
                let source = lanes
                    .outer_source(DType::F32, &[OUTER_LANES])
                    .constant("PRODUCTS", self.products())
                    .constant("SPLITS", splits)
                    .constant("M", m)
                    .constant("N", n)
                    .constant("K", tiles)
                    .flag("ACCUMULATE", accumulate);
                subgroups("products", source, lanes.outer_blocks() * self.products() * splits)
            }
        };
        Dispatch { rebind: &[("left", INPUTS), ("right", OUTPUTS), ("product", FILTERS)], ..dispatch }
    }

    /// Products on matrix units.
    fn cooperative(
        self,
        caps: &Caps,
        [m, n, k]: [usize; 3],
        splits: usize,
        a_along_k: bool,
        accumulate: bool,
    ) -> Dispatch {
        let k = SPLIT_TERMS * k;
        let product = cooperative::Product { m, n, k, splits, a_along_k, b_along_k: false, vectors: 0 };
        let files = [cooperative::A_ALONE, cooperative::B_ALONE, COOPERATIVE];
        let dispatch = product.dispatch("products", caps, self.products(), &files);
        Dispatch { source: dispatch.source.flag("ACCUMULATE", accumulate), ..dispatch }
    }

    /// Products through workgroup memory.
    fn tiled(
        self,
        caps: &Caps,
        extents: [usize; 3],
        splits: usize,
        a_along_k: bool,
        accumulate: bool,
    ) -> Dispatch {
        let side = |along_k| Side { elem: Elem::Vec4, along_k };
        let products = Matmul {
            extents,
            batches: self.products(),
            tile: tile(caps, extents[0], extents[1]),
            splits,
            a: side(a_along_k),
            b: side(false),
            elem: Elem::Vec4,
            storage: DType::F32,
        };
        products.batched("products", TILED, |source| source.flag("ACCUMULATE", accumulate))
    }
}
