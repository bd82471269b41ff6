//! Products in the registers of one subgroup, whose lanes broadcast their rows: the fastest on software adapters.

use super::{
    Caps, Dispatch,
    parts::{Chunks, subgroups},
};
use crate::{
    dtype::DType,
    shader::{Fragment, Source, fragment},
};

const LANES: Fragment = fragment!("shared/lanes.wgsl");
const OUTER: Fragment = fragment!("shared/lanes_outer.wgsl");
const PART: Fragment = fragment!("shared/lanes_part.wgsl");
const PART_SINGLE: Fragment = fragment!("shared/lanes_part_single.wgsl");

/// Invocations of a subgroup, and of a workgroup. llvmpipe's subgroups have 8.
const SIZE: usize = 8;
/// Enough pieces of work to keep a software adapter's threads busy to the end.
const ENOUGH_UNITS: usize = 64;
/// Bytes of split results at most.
const MOST_WORKSPACE: usize = 4 << 20;
/// Terms of a long sum whose operands stay in a cache of about a megabyte.
const CACHED_TERMS: usize = 768;

/// The mapping of a product to lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes {
    /// Rows of the result.
    rows: usize,
    /// Columns of the result.
    columns: usize,
    /// The inner dimension, or its counterpart in an outer product.
    inner: usize,
    /// Rows that each lane loads.
    blocked: usize,
    /// Vectors of columns that each lane owns.
    vectors: usize,
    /// Columns in a vector.
    width: usize,
    /// Values of the inner dimension that are loaded together.
    part: usize,
    /// The maximum number of lanes that hold rows of an outer product.
    row_lanes: usize,
}

impl Lanes {
    /// Whether subgroups have the size that the kernels are written for, and the columns fill their lanes.
    pub(crate) fn fit(caps: &Caps, columns: usize) -> bool {
        caps.subgroup_sizes == Some([SIZE as u32; 2]) && columns.is_multiple_of(2 * SIZE)
    }

    /// `strides`, like the inner dimension, must be multiples of 4 for vec4 loads.
    pub(crate) fn of(rows: usize, columns: usize, inner: usize, strides: &[usize]) -> Self {
        let width = if columns.is_multiple_of(4 * SIZE) { 4 } else { 2 };
        Self {
            rows,
            columns,
            inner,
            blocked: rows.div_ceil(SIZE).min(4),
            vectors: if columns.is_multiple_of(2 * width * SIZE) { 2 } else { 1 },
            width,
            part: if inner.is_multiple_of(4) && strides.iter().all(|s| s.is_multiple_of(4)) { 4 } else { 1 },
            row_lanes: SIZE,
        }
    }

    /// Half as many rows in an outer product, for a result that is read and written in several arrays: if its rows are
    /// multiples of 4 KiB apart, loads from one array probably wait for stores to another.
    pub(crate) fn low(self) -> Self {
        Self { row_lanes: SIZE / 2, ..self }
    }

    /// A source with the constants and aliases of `shaders/shared/lanes.wgsl`; large operands are stored as f32 or f16.
    pub(crate) fn source(self, storage: DType, files: &[Fragment]) -> Source {
        let name = |scalar: &str, lanes: usize| match lanes {
            1 => scalar.to_owned(),
            lanes => format!("vec{lanes}<{scalar}>"),
        };
        let scalar = if storage == DType::F16 { "f16" } else { "f32" };
        let columns = name("f32", self.width);
        let mut all = vec![if self.part == 4 { PART } else { PART_SINGLE }];
        all.extend(files);
        let source = Source::new(all)
            .constant("LANES", SIZE)
            .constant("V", self.vectors)
            .constant("WIDTH", self.width)
            .constant("PART", self.part)
            .alias("part", if self.part == 4 { "vec4<f32>" } else { "array<f32, 1>" })
            .alias("stored_part", &name(scalar, self.part))
            .alias("columns", &columns)
            .alias("stored_columns", &name(scalar, self.width))
            .alias("stored", &name(scalar, self.width))
            .alias("elem", &columns)
            .alias("bools", &name("bool", self.width));
        if storage == DType::F16 { source.enable("f16") } else { source }
    }

    /// Vectors of columns in a row of the result.
    pub(crate) fn row_vectors(self) -> usize {
        self.columns / self.width
    }

    fn column_blocks(self) -> usize {
        self.columns / (SIZE * self.vectors * self.width)
    }

    /// As [`Lanes::source`] for kernels whose lanes hold rows of the result.
    pub(crate) fn rows_source(self, storage: DType, files: &[Fragment]) -> Source {
        self.source(storage, &[&[LANES], files].concat()).constant("BLOCKED", self.blocked)
    }

    /// The rows that one subgroup computes.
    pub(crate) fn chunks(self) -> Chunks {
        let rows = self.blocked * SIZE;
        Chunks { rows, count: self.rows.div_ceil(rows) }
    }

    /// As [`Lanes::source`] for outer products.
    pub(crate) fn outer_source(self, storage: DType, files: &[Fragment]) -> Source {
        self.source(storage, &[&[OUTER], files].concat()).constant("MOST_ROW_LANES", self.row_lanes)
    }

    /// A dispatch over blocks of rows and columns of `products` products.
    pub(crate) fn rows(self, label: &'static str, source: Source, products: usize) -> Dispatch {
        subgroups(label, source, self.chunks().count * self.column_blocks() * products)
    }

    /// Blocks of an outer product of the inner dimension and the columns.
    pub(crate) fn outer_blocks(self) -> usize {
        (self.inner / self.part).div_ceil(self.row_lanes) * self.column_blocks()
    }

    /// The number of splits of a sum of `terms`, given the pieces of work per split: enough pieces in all, and splits whose
    /// operands stay in the cache while all pieces read them.
    pub(crate) fn splits(self, caps: &Caps, pieces: usize, result_bytes: usize, terms: usize) -> usize {
        let room = usize::try_from(caps.binding_bytes).unwrap_or(usize::MAX).min(MOST_WORKSPACE);
        let wanted = ENOUGH_UNITS.div_ceil(pieces).min(terms.div_ceil(SIZE)).max(terms / CACHED_TERMS);
        wanted.min(room / result_bytes).max(1)
    }
}
