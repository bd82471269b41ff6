//! The division of a convolution into tiles, and of tiles into tasks.

use std::ops::Range;

use super::{
    super::Conv,
    layout::{Layout, padded},
};
use crate::cpu::Sizes;

/// The approximate number of scalars in a task's transformed tiles, and its minimum number of tiles: with fewer rows a product
/// spends more time reading the filters than multiplying.
const TASK: usize = 192 * 1024;
const TILES: usize = 64;
/// With up to this many tiles, tasks are slices of channels.
const FEW: usize = 128;
/// Output channels of a slice, and rows of filters of a slice of the gradient: with fewer, a product spends more time reading
/// the tiles than multiplying.
pub(super) const SLICE: usize = 64;
/// Input channels whose transformed filters a slice uses at a time.
pub(super) const BLOCK: usize = 128;
/// Rows of filters per task of the filter transform.
pub(super) const ROWS: usize = 16;
/// The approximate maximum number of scalars in the partial sums of a gradient, and the maximum number of partial sums.
const PARTIAL: usize = 4 << 20;
const PARTS: usize = 16;

/// The division of a convolution into tiles.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops::conv::cpu) struct Plan {
    pub(super) conv: Conv,
    /// Outputs and points per side of a tile: a [`Form`](super::forms::Form) for each pair of them.
    pub(super) m: usize,
    pub(super) t: usize,
    /// Tiles along height and width.
    pub(super) tiles: [usize; 2],
}

/// Rows of tiles of some images: all rows if there are several images.
pub(super) struct Region {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

impl Plan {
    /// The plan for a convolution, if Winograd's algorithm is faster for it.
    pub fn new(conv: &Conv) -> Option<Self> {
        let pair = conv.h.max(conv.w) <= 2;
        let forms = [(4, 6), (3, 5), (2, 4), (2, 3)].into_iter().filter(|&(_, t)| t > 3 || pair);
        let plans =
            forms.map(|(m, t)| Self { conv: *conv, m, t, tiles: [conv.h, conv.w].map(|s| s.div_ceil(m)) });
        let plan = plans.min_by_key(Self::products)?;
        let pays = 2 * plan.products() <= 9 * conv.h * conv.w;
        (pays && conv.c >= 8 && conv.k >= 8).then_some(plan)
    }

    /// Products per image for each pair of channels.
    fn products(&self) -> usize {
        self.image_tiles() * self.points()
    }

    /// Products per tile for each pair of channels.
    pub(super) fn points(&self) -> usize {
        self.t * self.t
    }

    pub(super) fn image_tiles(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    pub(super) fn all_tiles(&self) -> usize {
        self.conv.n * self.image_tiles()
    }

    pub(super) fn few(&self) -> bool {
        self.all_tiles() <= FEW
    }

    /// Scalars of a row of tiles with its frame.
    pub(super) fn framed(&self) -> usize {
        (self.m + 2) * (self.tiles[1] * self.m + 2) * padded(self.conv.c).max(padded(self.conv.k))
    }

    /// Scalars of `tiles` transformed tiles.
    pub(super) fn spread(&self, tiles: usize, channels: usize) -> usize {
        self.points() * tiles * padded(channels)
    }

    /// The same by [`Layout::apart`].
    pub(super) fn apart(&self, tiles: usize, channels: usize) -> usize {
        self.points() * Layout::apart(tiles, padded(channels)).point
    }

    /// Images per task, or rows of tiles per task if that is less than an image; tasks are about equal.
    pub(super) fn task(&self) -> [usize; 2] {
        let row = self.spread(self.tiles[1], self.conv.c + self.conv.k);
        let rows = (TASK / row).max(TILES.div_ceil(self.tiles[1]));
        let even = |all: usize, most: usize| all.div_ceil(all.div_ceil(most));
        match rows / self.tiles[0] {
            0 => [1, even(self.tiles[0], rows)],
            images => [even(self.conv.n, images), self.tiles[0]],
        }
    }

    fn task_tiles(&self) -> usize {
        let [images, rows] = self.task();
        images * rows * self.tiles[1]
    }

    /// The number of tasks.
    pub(super) fn tasks(&self) -> usize {
        let [images, rows] = self.task();
        self.conv.n.div_ceil(images) * self.tiles[0].div_ceil(rows)
    }

    pub(super) fn region(&self, task: usize) -> Region {
        let [images, rows] = self.task();
        let each = self.tiles[0].div_ceil(rows);
        let (image, row) = (task / each * images, task % each * rows);
        Region {
            images: image..(image + images).min(self.conv.n),
            rows: row..(row + rows).min(self.tiles[0]),
        }
    }

    pub(super) fn parts(&self) -> usize {
        (PARTIAL / (self.points() * self.conv.c * self.conv.k)).clamp(1, PARTS).min(self.tasks())
    }

    pub fn sizes(&self) -> Sizes {
        let Conv { c, k, .. } = self.conv;
        let points = self.points();
        if self.few() {
            let tiles = self.all_tiles();
            let lane = points * SLICE * (tiles + BLOCK) + self.framed();
            Sizes { lane, shared: self.spread(tiles, c) + self.conv.pixels() * k, ..Sizes::default() }
        } else {
            let tiles = self.task_tiles();
            let lane = self.framed() + self.apart(tiles, c) + points * Layout::apart(tiles, k).point;
            Sizes { lane, shared: points * c * k, ..Sizes::default() }
        }
    }

    pub fn grad_weight_sizes(&self) -> Sizes {
        let Conv { c, k, .. } = self.conv;
        let points = self.points();
        if self.by_slices() {
            let tiles = self.all_tiles();
            let lane = self.framed().max(points * SLICE * k);
            Sizes { lane, shared: self.spread(tiles, c) + self.spread(tiles, k), ..Sizes::default() }
        } else {
            let tiles = self.task_tiles();
            let lane = self.framed() + self.apart(tiles, c) + self.apart(tiles, k);
            Sizes { lane, shared: self.parts() * points * c * k, ..Sizes::default() }
        }
    }

    /// Whether tasks of the gradient of the weights are slices of channels.
    pub(super) fn by_slices(&self) -> bool {
        self.few() || PARTIAL / (self.points() * self.conv.c * self.conv.k) < 4
    }
}

impl Region {
    pub fn tiles(&self, plan: &Plan) -> usize {
        self.images.len() * self.rows.len() * plan.tiles[1]
    }
}
