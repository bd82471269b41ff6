//! The dispatches around the products: to the points of the transform and back.

use super::plan::{FILTERS, Family, INPUTS, OUTPUTS, Winograd};
use crate::{
    dtype::DType,
    kernels::{
        Caps, Dispatch, Kernel, Part,
        parts::{Chunks, Elem, MOMENTS, Merge, REDUCE, WORKGROUP, WORKSPACE, each, workgroups},
        prologue::Prologue,
    },
    ops::{
        Activation, BatchNormNormalize, Conv, ConvForward, ConvGradInput, ConvGradWeight, GradStatistics,
        activation_kernels as activation, batch_norm::kernels as batch_norm,
    },
    shader::{Fragment, Source, fragment},
};

/// Rows and vectors of columns that a workgroup transposes together: the rows are one cache line of f32 on most devices.
const TURNED: [usize; 2] = [16, WORKGROUP / 16];

/// Elems of filters' gradients that a workgroup transforms: those of adjacent invocations are adjacent in memory.
const FILTERS_TOGETHER: usize = 32;

/// Invocations of a workgroup that finds a maximum, the elems of each at least, and the most such workgroups.
const MAXIMUM: usize = 256;
const LEAST_ELEMS: usize = 16;
pub(super) const MOST_MAXIMA: usize = 1024;

/// The left and the right operand of a product.
const LEFT: usize = 0;
const RIGHT: usize = 1;

/// F(4x4) amplifies an operand's largest value at most by two to this: by 10 * 10, 15 * 15 and 1, the largest sums of magnitudes in
/// the rows of its matrices, once for each dimension.
const GROWTH_OF_INPUTS: usize = 7;
const GROWTH_OF_OUTPUTS: usize = 8;
const GROWTH_OF_FILTERS: usize = 0;

const F4: Fragment = fragment!("winograd/f4.wgsl");
const F2: Fragment = fragment!("winograd/f2.wgsl");
const READ_INPUT: Fragment = fragment!("winograd/read_input.wgsl");
const READ_GRADIENT: Fragment = fragment!("winograd/read_gradient.wgsl");
const TILE_INPUTS: Fragment = fragment!("winograd/tile_inputs.wgsl");
const TILE_OUTPUTS: Fragment = fragment!("winograd/tile_outputs.wgsl");
const TILES: Fragment = fragment!("winograd/tiles.wgsl");
const FILTER: Fragment = fragment!("winograd/filter.wgsl");
const FILTER_FORWARD: Fragment = fragment!("winograd/filter_forward.wgsl");
const FILTER_TURNED: Fragment = fragment!("winograd/filter_turned.wgsl");
const GRAD_FILTER: Fragment = fragment!("winograd/grad_filter.wgsl");
const GRAD_WEIGHT_STORE: Fragment = fragment!("conv/grad_weight_store.wgsl");
const POINTS: Fragment = fragment!("winograd/points.wgsl");
const POINTS_SPLIT: Fragment = fragment!("winograd/points_split.wgsl");
const MAGNITUDE_VALUE: Fragment = fragment!("winograd/magnitude_value.wgsl");
const MAGNITUDE_WEIGHT: Fragment = fragment!("winograd/magnitude_weight.wgsl");
const MAXIMA: Fragment = fragment!("winograd/maxima.wgsl");
const SCALE: Fragment = fragment!("winograd/scale.wgsl");
const OUTPUT: Fragment = fragment!("winograd/output.wgsl");
const BIAS: Fragment = fragment!("winograd/bias.wgsl");
const NO_BIAS: Fragment = fragment!("winograd/no_bias.wgsl");
const STATISTICS: Fragment = fragment!("winograd/statistics.wgsl");
const GRAD_STATISTICS: Fragment = fragment!("winograd/grad_statistics.wgsl");
const NO_STATISTICS: Fragment = fragment!("winograd/no_statistics.wgsl");
const STATISTICS_MERGE: Fragment = fragment!("winograd/statistics_merge.wgsl");
const STATISTICS_MERGE_SERIAL: Fragment = fragment!("winograd/statistics_merge_serial.wgsl");

/// Images that are processed together.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImageRange {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl ImageRange {
    /// Their part of an operand with `channels` channels.
    fn part(self, name: &'static str, conv: &Conv, channels: usize, storage: DType) -> Part {
        let image = conv.h * conv.w * channels * storage.bytes();
        // A binding is a whole number of words, even if its last f16 is not.
        let bytes = (self.count * image).next_multiple_of(4);
        Part { name, offset_bytes: (self.first * image) as u64, bytes: bytes as u64 }
    }
}

/// Consecutive tiles whose outputs and statistics one invocation computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segments {
    /// Tiles in a segment; the last may have fewer.
    size: usize,
    /// Segments of a full chunk of images.
    count: usize,
}

impl Segments {
    /// Enough invocations to keep a large GPU busy, or a software adapter.
    const ENOUGH: [usize; 2] = [1 << 16, 1 << 10];
    /// The maximum number of tiles in a segment.
    const MOST: usize = 16;

    /// For the tiles of a chunk and its elems of channels.
    pub(super) fn of(caps: &Caps, tiles: usize, vectors: usize) -> Self {
        let enough = Self::ENOUGH[usize::from(caps.software())];
        let size = (tiles * vectors / enough).clamp(1, Self::MOST);
        Self { size, count: tiles.div_ceil(size) }
    }

    /// Rounds the number per chunk up so that two-field sums of every chunk begin at a multiple of the binding alignment.
    pub(super) fn aligned(self) -> Self {
        Self { count: self.count.next_multiple_of(32), ..self }
    }

    /// The number of segments in a chunk of `tiles` tiles.
    pub(super) fn within(self, tiles: usize) -> usize {
        tiles.div_ceil(self.size)
    }

    /// Words of a chunk's statistics, rounded up to the binding alignment.
    fn stride(self, channels: usize) -> usize {
        (3 * self.count * channels).next_multiple_of(64)
    }

    /// A kernel with the dispatch that adds up the sums of all segments of all chunks, which are [`Segments::aligned`].
    pub(super) fn summed(
        self,
        caps: &Caps,
        channels: usize,
        statistics: GradStatistics,
        chunks: usize,
        mut kernel: Kernel,
    ) -> Kernel {
        let count = self.count * chunks;
        let how = if caps.software() { Merge::Serial } else { Merge::Tree };
        let (all, elem) = (Chunks { rows: self.size, count }, Elem::of(channels));
        let merge = batch_norm::grad_statistics_merge(channels, statistics.accumulate, all, elem, how);
        kernel.dispatches.push(Dispatch { label: "statistics", ..merge });
        kernel.workspace(WORKSPACE, 4 * 2 * count * channels)
    }

    /// A kernel with the dispatch that merges the statistics of all segments of all chunks.
    pub(super) fn merged(
        self,
        caps: &Caps,
        channels: usize,
        all: usize,
        chunks: usize,
        mut kernel: Kernel,
    ) -> Kernel {
        let stride = self.stride(channels);
        let elem = if caps.software() { Elem::of(channels) } else { Elem::Scalar };
        let vectors = channels / elem.lanes();
        let files: &[Fragment] =
            if caps.software() { &[STATISTICS_MERGE_SERIAL] } else { &[MOMENTS, STATISTICS_MERGE] };
        let source = elem
            .alias(Source::new(files))
            .constant("C", vectors)
            .constant("SEGMENTS", self.count)
            .constant("STRIDE", stride / elem.lanes())
            .constant("ALL", all);
        let mut merge = if caps.software() {
            each("statistics", source, vectors)
        } else {
            workgroups("statistics", source, 256, channels)
        };
        merge.rebind = &[("partials", WORKSPACE)];
        kernel.dispatches.push(merge);
        kernel.workspace(WORKSPACE, 4 * stride * chunks)
    }
}

/// An operand whose tiles are transformed.
struct Operand {
    /// The label of its transform.
    label: &'static str,
    channels: usize,
    /// Of the product.
    side: usize,
    prologue: Prologue,
    /// The fragments that read a value and transform a line of a tile.
    read: Fragment,
    tile: Fragment,
    growth: usize,
    parts: Vec<Part>,
}

impl Winograd {
    /// The element of the transforms: with 36 vectors of four in registers a GPU would have low occupancy.
    pub(super) fn elem(self, caps: &Caps, channels: usize) -> Elem {
        let wide = caps.software() && self.family != Family::Split || self.outputs == 2;
        if wide { Elem::of(channels) } else { Elem::Scalar }
    }

    /// Tiles of some images.
    pub(super) fn tiles(self, conv: &Conv, images: usize) -> usize {
        let [h, w] = self.grid(conv);
        images * h * w
    }

    fn source(self, elem: Elem, files: &[Fragment]) -> Source {
        let mut all = vec![if self.outputs == 4 { F4 } else { F2 }];
        all.extend(files);
        elem.over(self.storage, Source::new(all))
    }

    /// A source that iterates over the tiles of some images, with their channels.
    fn over_tiles(
        self,
        conv: &Conv,
        images: usize,
        channels: usize,
        elem: Elem,
        files: &[Fragment],
    ) -> Source {
        let [h, w] = self.grid(conv);
        self.source(elem, files)
            .constant("H", conv.h)
            .constant("W", conv.w)
            .constant("TILES_H", h)
            .constant("TILES_W", w)
            .constant("TILES", images * h * w)
            .constant("C", channels / elem.lanes())
            .constant("PADDED", self.padded(channels) / elem.lanes())
    }

    /// A source with the fragment that stores the values of an operand, `count` elems at the points of the transform.
    fn storing(self, elem: Elem, side: usize, count: usize, source: Source) -> Source {
        match self.family {
            Family::Tiled | Family::Lanes => source.with(POINTS),
            Family::Split => source
                .enable("f16")
                .alias("half_elem", if elem == Elem::Vec4 { "vec4<f16>" } else { "f16" })
                .constant("SLOT", side)
                .constant("HALF", count)
                .with(POINTS_SPLIT),
        }
    }

    /// The dispatches that find the scale of a split operand, whose `elems` the source reads; none for other families.
    fn scale(
        self,
        side: usize,
        growth: usize,
        elems: usize,
        source: impl FnOnce() -> Source,
        parts: &[Part],
    ) -> Vec<Dispatch> {
        if self.family != Family::Split {
            return Vec::new();
        }
        let count = elems.div_ceil(MAXIMUM * LEAST_ELEMS).min(MOST_MAXIMA);
        let source = source().with(REDUCE).with(MAXIMA).constant("ELEMS", elems);
        let maxima = workgroups("maxima", source, MAXIMUM, count);
        let source = Source::new([REDUCE, SCALE])
            .constant("GROWTH", growth)
            .constant("MAXIMA", count)
            .constant("SLOT", side);
        vec![Dispatch { parts: parts.to_vec(), ..maxima }, workgroups("scale", source, MAXIMUM, 1)]
    }

    /// The transform of an operand's tiles, after its scale.
    fn to_points(self, conv: &Conv, caps: &Caps, images: ImageRange, operand: Operand) -> Vec<Dispatch> {
        let Operand { label, channels, side, prologue, read, tile, growth, parts } = operand;
        let elem = self.elem(caps, channels);
        let prologue = prologue.read_as(elem);
        let over = |files: &[Fragment]| {
            let files = [&*prologue.files(), &[read], files].concat();
            prologue.constants(self.storage, self.over_tiles(conv, images.count, channels, elem, &files))
        };
        let elems = images.count * conv.h * conv.w * channels / elem.lanes();
        let mut dispatches = self.scale(side, growth, elems, || over(&[MAGNITUDE_VALUE]), &parts);
        let invocations = self.tiles(conv, images.count) * self.padded(channels) / elem.lanes();
        let source = over(&[tile, TILES]).flag("SKIP_OUTSIDE", caps.software());
        let source = self.storing(elem, side, self.products() * invocations, source);
        dispatches.push(Dispatch { parts, ..each(label, source, invocations) });
        dispatches
    }

    /// The tiles of the input.
    pub(super) fn inputs(
        self,
        conv: &Conv,
        caps: &Caps,
        images: ImageRange,
        normalize: Option<BatchNormNormalize>,
    ) -> Vec<Dispatch> {
        let input = Operand {
            label: "inputs",
            channels: conv.c,
            side: LEFT,
            prologue: Prologue::input(conv.c, normalize).after(images.first),
            read: READ_INPUT,
            tile: TILE_INPUTS,
            growth: GROWTH_OF_INPUTS,
            parts: vec![images.part("input", conv, conv.c, self.storage)],
        };
        let mut dispatches = self.to_points(conv, caps, images, input);
        dispatches.last_mut().expect("the transform").rebind = &[("points", INPUTS)];
        dispatches
    }

    /// The tiles of the output's gradient: as the input of a convolution, or as the filter of one of the input.
    pub(super) fn grad_outputs(
        self,
        conv: &Conv,
        caps: &Caps,
        images: ImageRange,
        through: Option<Activation>,
        as_filter: bool,
    ) -> Vec<Dispatch> {
        let mut parts = vec![images.part("grad_output", conv, conv.k, self.storage)];
        if through.is_some() {
            parts.push(images.part("output", conv, conv.k, self.storage));
        }
        let gradient = Operand {
            label: "grad_outputs",
            channels: conv.k,
            side: if as_filter { RIGHT } else { LEFT },
            prologue: Prologue::grad(conv.k, through),
            read: READ_GRADIENT,
            tile: if as_filter { TILE_OUTPUTS } else { TILE_INPUTS },
            growth: if as_filter { GROWTH_OF_OUTPUTS } else { GROWTH_OF_INPUTS },
            parts,
        };
        let mut dispatches = self.to_points(conv, caps, images, gradient);
        dispatches.last_mut().expect("the transform").rebind = &[("points", OUTPUTS)];
        dispatches
    }

    /// The scale of the filters.
    pub(super) fn filter_scale(self, conv: &Conv) -> Vec<Dispatch> {
        let weights = || Elem::Vec4.over(self.storage, Source::new([MAGNITUDE_WEIGHT]));
        self.scale(RIGHT, GROWTH_OF_FILTERS, 9 * conv.c * conv.k / 4, weights, &[])
    }

    /// The filters of the forward pass.
    pub(super) fn filters(self, conv: &Conv) -> Dispatch {
        let elem = Elem::of(conv.k);
        let source = self.source(elem, &[FILTER_FORWARD, FILTER]);
        self.filters_of(conv, conv.k / elem.lanes(), [conv.c, conv.k], elem, source, [1, 1])
    }

    /// The filters for the gradient of the input.
    pub(super) fn turned_filters(self, conv: &Conv) -> Dispatch {
        let source = self.source(Elem::Vec4, &[FILTER_TURNED, FILTER]);
        let source = Elem::Scalar
            .named(self.storage, "weight", source)
            .constant("HIGH", TURNED[0])
            .constant("WIDE", TURNED[1]);
        self.filters_of(conv, conv.k, [conv.k, conv.c], Elem::Vec4, source, TURNED)
    }

    /// `block`: the rows and columns that a workgroup processes together.
    fn filters_of(
        self,
        conv: &Conv,
        out: usize,
        sides: [usize; 2],
        elem: Elem,
        source: Source,
        block: [usize; 2],
    ) -> Dispatch {
        let [rows, columns] = [self.padded(sides[0]), self.padded(sides[1]) / elem.lanes()];
        let source = source
            .constant("IN", conv.c)
            .constant("OUT", out)
            .constant("ROWS", rows)
            .constant("COLUMNS", columns);
        let source = self.storing(elem, RIGHT, self.products() * rows * columns, source);
        let invocations = rows.next_multiple_of(block[0]) * columns.next_multiple_of(block[1]);
        Dispatch { rebind: &[("points", FILTERS)], ..each("filters", source, invocations) }
    }

    fn of_points(
        self,
        conv: &Conv,
        caps: &Caps,
        images: ImageRange,
        (segments, count): (Segments, usize),
        (name, channels): (&'static str, usize),
        finish: &[Fragment],
    ) -> Dispatch {
        let elem = self.elem(caps, channels);
        let source = self
            .over_tiles(conv, images.count, channels, elem, &[finish, &[OUTPUT]].concat())
            .constant("SEGMENT", segments.size);
        let mut dispatch = each("outputs", source, channels / elem.lanes() * count);
        dispatch.parts.push(images.part(name, conv, channels, self.storage));
        dispatch
    }

    /// The output of the `chunk`-th images, and its statistics.
    pub(super) fn outputs(
        self,
        op: &ConvForward,
        caps: &Caps,
        images: ImageRange,
        segments: Segments,
        chunk: usize,
    ) -> Dispatch {
        let conv = &op.conv;
        let finish = [BIAS, if op.statistics { STATISTICS } else { NO_STATISTICS }];
        let count = segments.within(self.tiles(conv, images.count));
        let mut dispatch = self.of_points(conv, caps, images, (segments, count), ("output", conv.k), &finish);
        dispatch.rebind = &[("points", OUTPUTS), ("biases", "bias"), ("partials", WORKSPACE)];
        if op.statistics {
            let stride = segments.stride(conv.k);
            dispatch.parts.push(Part::words(WORKSPACE, chunk * stride, stride));
        }
        dispatch
    }

    /// The gradient for the input of the `chunk`-th images, and its sums.
    pub(super) fn grad_inputs(
        self,
        op: &ConvGradInput,
        caps: &Caps,
        images: ImageRange,
        segments: Segments,
        chunk: usize,
    ) -> Dispatch {
        let conv = &op.conv;
        let to = ("grad_input", conv.c);
        let rebind = &[("points", INPUTS), ("output", "grad_input"), ("partials", WORKSPACE)];
        let Some(GradStatistics { activation, .. }) = op.statistics else {
            let count = segments.within(self.tiles(conv, images.count));
            let finish = [NO_BIAS, NO_STATISTICS];
            let dispatch = self.of_points(conv, caps, images, (segments, count), to, &finish);
            return Dispatch { rebind, ..dispatch };
        };
        let finish = [NO_BIAS, activation::file(Some(activation)), GRAD_STATISTICS];
        // All of a chunk's segments: those beyond the tiles of the last chunk report empty sums.
        let count = segments.count;
        let mut dispatch = self.of_points(conv, caps, images, (segments, count), to, &finish);
        let words = 2 * count * conv.c;
        dispatch.parts.push(images.part("input", conv, conv.c, self.storage));
        dispatch.parts.push(Part::words(WORKSPACE, chunk * words, words));
        let source = activation::slope(Some(activation), "SLOPE", dispatch.source);
        Dispatch { source, rebind, ..dispatch }
    }

    /// The gradient for the weights, from the sums of the products over all tiles.
    pub(super) fn grad_filters(self, op: &ConvGradWeight, splits: usize) -> Dispatch {
        let conv = &op.conv;
        let elem = Elem::of(conv.k);
        let columns = conv.k / elem.lanes();
        let source = self
            .source(elem, &[GRAD_WEIGHT_STORE, GRAD_FILTER])
            .constant("ELEMS", FILTERS_TOGETHER)
            .constant("IN", conv.c)
            .constant("OUT", columns)
            .constant("ROWS", self.padded(conv.c))
            .constant("COLUMNS", self.padded(conv.k) / elem.lanes())
            .constant("SPLITS", splits)
            .flag("ACCUMULATE", op.accumulate);
        let (size, count) = (self.points() * FILTERS_TOGETHER, (conv.c * columns).div_ceil(FILTERS_TOGETHER));
        Dispatch { rebind: &[("points", FILTERS)], ..workgroups("filters", source, size, count) }
    }
}
