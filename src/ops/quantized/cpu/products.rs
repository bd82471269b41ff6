//! Convolution and linear layers as products of packed tiles of pixels and blocks of output channels.

use std::ops::Range;

use bytemuck::cast_slice_mut;
use rayon::prelude::*;

use super::{
    dot::{Dot, Fields, Sums, TileSums, Work},
    pack::Source,
};
use crate::{
    cpu::{Lanes, Scalar},
    ops::{Requantize, quantized::WEIGHT_CHANNELS as GROUP},
};

/// Bytes of packed words of a task: they stay in a core's second-level cache.
const BYTES: usize = 256 * 1024;

/// Tasks of each thread, if there is work enough.
const TASKS: usize = 4;

/// With more output channels than these every tile has its own receptive fields.
const ROWS: usize = 128;

/// Longer receptive fields are multiplied in slabs of this many words, whose weights and inputs stay in the second-level cache.
const SLAB: usize = 1152;

/// Tiles of a task whose receptive fields are that long.
const TILES: usize = 8;

/// Blocks of output channels of a task that is one part of several with the same pixels, at least.
const BLOCKS: usize = 2;

/// Where results are stored.
pub enum Results<'a, S> {
    Bytes(&'a mut [u8], Requantize),
    Logits(&'a mut [S]),
}

/// A convolution, or a linear layer, whose pixels are images of one pixel and without neighbours.
pub struct Layer<'a, S> {
    pub source: Source<'a>,
    pub outputs: usize,
    pub weight: &'a [u8],
    pub weight_sum: &'a [u32],
    pub bias: &'a [u32],
    pub scale: &'a [S],
}

/// How work is split into parts with their own pixels.
#[derive(Clone, Copy)]
enum Split {
    /// Parts of `each` tiles of `width` consecutive pixels of the batch, each with its own receptive fields.
    Tiles { each: usize, width: usize },
    /// Parts of `each` rows of an image. The channels of their pixels are transposed once: a pixel's neighbours are at fixed distances.
    Rows { each: usize },
}

impl Split {
    fn new<D: Dot>(source: &Source, outputs: usize, threads: usize) -> Self {
        let Source { w, c, taps, .. } = *source;
        let quad = size_of::<D::Word>() * c / 4;
        let rows = BYTES / (quad * (w + 2));
        let waste = w.next_multiple_of(D::TILE) - w;
        if taps == 9 && outputs <= ROWS && w >= D::TILE && 12 * waste <= w && rows >= 4 {
            let each = source.pixels() / w / (TASKS * threads);
            return Self::Rows { each: each.clamp(2, rows - 2).min(source.h) };
        }
        let width = tile_width::<D>(source.pixels());
        let each = source.pixels() / width / (TASKS * threads);
        let most = if taps * c / 4 > SLAB { TILES } else { (BYTES / (quad * taps * width)).max(1) };
        Self::Tiles { each: each.clamp(1, most), width }
    }

    /// The number of parts.
    fn count(self, source: &Source) -> usize {
        match self {
            Self::Tiles { each, width } => source.pixels().div_ceil(each * width),
            Self::Rows { each } => source.n * source.h.div_ceil(each),
        }
    }
}

/// Pixels of a tile: a few pixels make tiles of about the same size.
fn tile_width<D: Dot>(pixels: usize) -> usize {
    pixels.div_ceil(pixels.div_ceil(D::TILE))
}

/// Words of 8 bytes for each thread: a pixel of zeros and the packed words.
pub fn words<D: Dot>([pixels, c, taps]: [usize; 3]) -> usize {
    let (words, width) = (c / 4 * taps, tile_width::<D>(pixels));
    let tiles = if words > SLAB { TILES.min(pixels.div_ceil(width)) } else { 1 };
    let bytes = size_of::<D::Word>() * tiles * words * width;
    c.div_ceil(8) + bytes.max(BYTES).div_ceil(8)
}

/// The packed words of a part.
enum Packed {
    /// `[tiles, words, width]`.
    Tiles { first: usize, pixels: usize, words: usize, width: usize },
    /// `[rows + 2, c / 4, w + 2]`; a row has `across` tiles, of which the last one may have pixels of the one before once more.
    Rows { first: usize, rows: usize, quads: usize, w: usize, across: usize },
}

/// A tile: its first pixel of the batch, how many it has, and where the runs of their words begin.
struct Tile {
    pixel: usize,
    count: usize,
    starts: [usize; 9],
}

impl Packed {
    #[inline(always)]
    fn new<D: Dot>(source: &Source, split: Split, part: usize, blank: &[u8], packed: &mut [D::Word]) -> Self {
        let Source { h, w, c, taps, .. } = *source;
        let quads = c / 4;
        match split {
            Split::Tiles { each, width } => {
                let first = part * each * width;
                let pixels = (source.pixels() - first).min(each * width);
                let words = taps * quads;
                for (at, packed) in (0..pixels).step_by(width).zip(packed.chunks_exact_mut(words * width)) {
                    let count = width.min(pixels - at);
                    source.pack_fields::<D>(first + at, count, blank, packed, width);
                }
                Self::Tiles { first, pixels, words, width }
            }
            Split::Rows { each } => {
                let parts = h.div_ceil(each);
                let (n, y) = (part / parts, part % parts * each);
                let rows = each.min(h - y);
                source.pack_rows::<D>(n, y, rows + 2, blank, packed);
                Self::Rows { first: (n * h + y) * w, rows, quads, w, across: w.div_ceil(D::TILE) }
            }
        }
    }

    /// The number of tiles.
    fn count(&self) -> usize {
        match *self {
            Self::Tiles { pixels, width, .. } => pixels.div_ceil(width),
            Self::Rows { rows, across, .. } => rows * across,
        }
    }

    /// The runs of a tile's words, how many words each has, and the distance between these.
    fn runs(&self) -> [usize; 3] {
        match *self {
            Self::Tiles { words, width, .. } => [1, words, width],
            Self::Rows { quads, w, .. } => [9, quads, w + 2],
        }
    }

    #[inline(always)]
    fn tile<D: Dot>(&self, index: usize) -> Tile {
        match *self {
            Self::Tiles { first, pixels, words, width } => {
                let at = index * width;
                Tile { pixel: first + at, count: width.min(pixels - at), starts: [at * words; 9] }
            }
            Self::Rows { first, quads, w, across, .. } => {
                let (y, x) = (index / across, (index % across * D::TILE).min(w - D::TILE));
                let starts = std::array::from_fn(|tap| (y + tap / 3) * quads * (w + 2) + x + tap % 3);
                Tile { pixel: first + y * w + x, count: D::TILE, starts }
            }
        }
    }
}

/// A place that several tasks write, each its own elements.
pub struct Shared<T>(*mut T, usize);

// SAFETY: elements are written through `store` alone, whose callers promise that no two write the same.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    fn new(to: &mut [T]) -> Self {
        Self(to.as_mut_ptr(), to.len())
    }

    /// Stores the first `width` of a group's results.
    ///
    /// # Safety
    /// No other thread accesses these elements.
    #[inline(always)]
    unsafe fn store(&self, at: usize, values: &[T; GROUP], width: usize) {
        assert!(width <= GROUP && at + width <= self.1, "results outside the output");
        // SAFETY: inside, as checked, and this thread's alone, as the caller promises.
        unsafe {
            let to = self.0.add(at);
            if width == GROUP {
                to.cast::<[T; GROUP]>().write_unaligned(*values);
            } else {
                values.as_ptr().copy_to_nonoverlapping(to, width);
            }
        }
    }
}

pub enum Store<S> {
    Bytes(Shared<u8>, Requantize),
    Logits(Shared<S>),
}

/// The results of a layer. `lanes` have [`words`].
pub fn compute<S: Scalar, D: Dot>(dot: D, layer: &Layer<S>, results: Results<S>, lanes: &Lanes<u64>) {
    let Source { n, h, w, c, taps, .. } = layer.source;
    let threads = rayon::current_num_threads();
    let split = Split::new::<D>(&layer.source, layer.outputs, threads);
    let parts = split.count(&layer.source);
    let blocks = layer.outputs.div_ceil(GROUP * D::GROUPS);
    let chunks = (TASKS * threads).div_ceil(parts).min(blocks.div_ceil(BLOCKS));
    let store = Store::new(results);
    let room = words::<D>([n * h * w, c, taps]);
    (0..parts * chunks).into_par_iter().for_each(|task| {
        let (part, chunk) = (task / chunks, task % chunks);
        let [first, end] = [chunk, chunk + 1].map(|chunk| chunk * blocks / chunks);
        lanes
            .with(room, |room| dot.run(Task { layer, store: &store, split, part, blocks: first..end, room }));
    });
}

/// A part's pixels and a range of blocks of output channels.
struct Task<'a, S> {
    layer: &'a Layer<'a, S>,
    store: &'a Store<S>,
    split: Split,
    part: usize,
    blocks: Range<usize>,
    room: &'a mut [u64],
}

impl<S: Scalar> Work for Task<'_, S> {
    #[inline(always)]
    fn run<D: Dot>(self, dot: D) {
        let Self { layer, store, split, part, blocks, room } = self;
        let Source { c, taps, zero, .. } = layer.source;
        let (blank, room) = room.split_at_mut(c.div_ceil(8));
        let (blank, words): (&mut [u8], &mut [D::Word]) = (cast_slice_mut(blank), cast_slice_mut(room));
        blank.fill(zero);
        let packed = Packed::new::<D>(&layer.source, split, part, blank, words);
        let [runs, steps, stride] = packed.runs();
        let slabs = if runs == 1 { steps.div_ceil(SLAB) } else { 1 };
        let mut sums: [TileSums; TILES] = [[[[0; GROUP]; 14]; 2]; TILES];
        for block in blocks {
            let channel = block * D::GROUPS * GROUP;
            let groups = D::GROUPS.min((layer.outputs - channel).div_ceil(GROUP));
            let channels = [0, 1].map(|group| channel + group.min(groups - 1) * GROUP);
            let weights = channels.map(|channel| &layer.weight[channel * taps * c..][..GROUP * taps * c]);
            let terms = channels.map(|channel| layer.terms(channel, zero.into()));
            for slab in 0..slabs {
                let skipped = slab * SLAB;
                let steps = if slabs > 1 { SLAB.min(steps - skipped) } else { steps };
                let weights = weights.map(|weights| &weights[skipped * 4 * GROUP..]);
                for index in 0..packed.count() {
                    let Tile { pixel, count, mut starts } = packed.tile::<D>(index);
                    starts[0] += skipped * stride;
                    let fields = Fields { words, starts: &starts[..runs], steps, stride };
                    let sums = &mut sums[if slabs > 1 { index } else { 0 }];
                    dot.sums(count, groups, fields, weights, slab > 0, sums);
                    if slab + 1 == slabs {
                        for (group, channel) in channels.into_iter().enumerate().take(groups) {
                            let at = pixel * layer.outputs + channel;
                            let width = GROUP.min(layer.outputs - channel);
                            // SAFETY: tasks differ in their pixels or in their channels.
                            unsafe {
                                store.store(&sums[group][..count], &terms[group], at, width, layer.outputs)
                            };
                        }
                    }
                }
            }
        }
    }
}

/// What a group's sums are added to, and their scales.
pub struct Terms {
    bases: Sums,
    scales: [f32; GROUP],
}

impl<S: Scalar> Layer<'_, S> {
    /// The terms of a group, whose sums are of inputs that are `zero` where their value is 0.
    #[inline(always)]
    pub fn terms(&self, channel: usize, zero: i32) -> Terms {
        let base = |channel: usize| {
            let zeros = zero.wrapping_mul(self.weight_sum[channel] as i32);
            (self.bias[channel] as i32).wrapping_sub(zeros)
        };
        Terms {
            bases: std::array::from_fn(|o| base(channel + o)),
            scales: std::array::from_fn(|o| self.scale[channel + o].f64() as f32),
        }
    }
}

impl Terms {
    /// As [`Requantize::apply`], in operations that the compiler vectorises.
    #[inline(always)]
    fn bytes(&self, requantize: Requantize, sums: &Sums) -> [u8; GROUP] {
        let [low, high] = requantize.bounds();
        let mut bytes = [0; GROUP];
        for (o, byte) in bytes.iter_mut().enumerate() {
            let value = sums[o].wrapping_add(self.bases[o]) as f32 * self.scales[o];
            // In this form NaN becomes `low`.
            let value = if value > low { value } else { low };
            let value = if value < high { value } else { high };
            // 1.5 * 2^23: adding it rounds to an integer, halves to even, whose last byte is that of the sum's bits.
            *byte = ((value + 12_582_912.0).to_bits() as u8).wrapping_add(requantize.zero);
        }
        bytes
    }

    #[inline(always)]
    fn logits<S: Scalar>(&self, sums: &Sums) -> [S; GROUP] {
        std::array::from_fn(|o| S::of((sums[o].wrapping_add(self.bases[o]) as f32 * self.scales[o]).into()))
    }
}

impl<S: Scalar> Store<S> {
    pub fn new(results: Results<S>) -> Self {
        match results {
            Results::Bytes(to, requantize) => Self::Bytes(Shared::new(to), requantize),
            Results::Logits(to) => Self::Logits(Shared::new(to)),
        }
    }

    /// Stores a group's first `width` results of each of several pixels, from `at` on and `outputs` apart.
    ///
    /// # Safety
    /// No other thread accesses them.
    #[inline(always)]
    pub unsafe fn store(&self, sums: &[Sums], terms: &Terms, at: usize, width: usize, outputs: usize) {
        for (pixel, sums) in sums.iter().enumerate() {
            let at = at + pixel * outputs;
            // SAFETY: as the caller promises.
            unsafe {
                match self {
                    Self::Bytes(to, requantize) => to.store(at, &terms.bytes(*requantize, sums), width),
                    Self::Logits(to) => to.store(at, &terms.logits(sums), width),
                }
            }
        }
    }
}
