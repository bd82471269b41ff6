//! Exact 3x3 convolution by Winograd's F(4x4, 3x3) in integers: 36 products of 16-bit integers for the 16 outputs of a tile, where the direct
//! sum has 144 products, of bytes if the machine has them (VNNI), and then twice as many at a time.
//!
//! `y = At S [(G w Gt) * (Bt d B)] S A` with the usual matrices, except that the rows of `G` are multiplied by 4, -6, -6, 24, 24 and 1, which
//! makes them integers, and that the diagonal matrix `S` divides by the same. `d` is the input minus 128. Nothing is rounded:
//!
//! - `d` and `w` are at most 128 in magnitude; the absolute entries of a row of `Bt` add up to at most 10, those of a row of `G` to at most 7.
//!   Hence the points of inputs are at most 12800 and those of filters at most 6272, which fit 16 bits.
//! - The sums of their products are right modulo 2^32.
//! - `At S` along one axis completes the convolution along that axis, so its result `z` is an integer. It is computed modulo 2^32 as `24 z`,
//!   or as a smaller multiple: 3 is removed by the product with its inverse modulo 2^32, 8 by a shift, which is exact if `8 |z| < 2^31`.
//!   After the first axis, `|z|` is at most `128 * 128 * 3 * 42` for each channel, where 42 is the largest product of the absolute sums of a
//!   row of `Bt` and of the same row of `G`; after the second, `128 * 128 * 9`. So up to 130 channels are exact: [`SLAB`] at a time are
//!   multiplied, and the results of slabs are added modulo 2^32, as the definition adds.
#![allow(clippy::needless_range_loop, reason = "no closures: vectors in them are spilled")]

use std::{arch::x86_64::*, ops::Range};

use bytemuck::{Pod, Zeroable, cast_mut, cast_slice, cast_slice_mut, pod_align_to_mut};
use rayon::prelude::*;

use super::{
    pack::Source,
    products::{Layer, Results, Store},
    x86::{Avx2, Avx512},
};
use crate::{
    cpu::{Lanes, Scalar},
    ops::{Conv, quantized::WEIGHT_CHANNELS as GROUP},
};

/// The instructions for the products.
#[derive(Clone, Copy)]
pub enum Products {
    /// `madd` of AVX2.
    Madd(Avx2),
    /// `dpwssd` of AVX-512 VNNI.
    Vnni(Avx512),
}

/// A cache line, and a vector of AVX-512.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// Points of a tile.
const POINTS: usize = 36;

/// Channels whose products are added before the output transform.
const SLAB: usize = 128;
const _: () = assert!(8 * SLAB * 128 * 128 * 3 * 42 < 1 << 31, "a shift that loses bits");

/// Pairs of channels of a slab.
const PAIRS: usize = SLAB / 2;

/// Tiles of a task at most: with one group's filters their points fit a second-level cache of 512 KiB or nearly.
const TILES: usize = 36;

/// Tiles and groups of output channels of a task at least, where splitting further would only serve to have a task for each thread: each part
/// of the tiles transforms the filters again, each chunk of the groups the inputs.
const FEW: [usize; 2] = [12, 4];

/// Tasks of each thread, if there is work enough.
const TASKS: usize = 4;

/// Vectors from one point to the next: of the inputs `[TILES, SLAB]`, the filters `[PAIRS, GROUP, 2]` and the products `[TILES, GROUP]`, and
/// a cache line, so that the points of one channel are in different sets of the cache.
const INPUTS: usize = TILES * SLAB / 16 + 2;
const FILTERS: usize = PAIRS * 2 + 2;
const PRODUCTS: usize = TILES * 2 + 2;

/// Vectors of the outputs of a tile and a group: `[4, 4, GROUP]`.
const OUTPUTS: usize = 32;

/// Tiles of an image along each axis.
fn tiles(conv: &Conv) -> [usize; 2] {
    [conv.h.div_ceil(4), conv.w.div_ceil(4)]
}

fn all_tiles(conv: &Conv) -> usize {
    conv.n * tiles(conv).into_iter().product::<usize>()
}

impl Products {
    /// Whether the convolution can be computed so, and is faster than the direct sum. In pixels of the latter, a tile takes as long as the
    /// first number, and the transform of the filters as long as the second.
    pub fn suit(self, conv: &Conv, taps: usize) -> bool {
        let [tile, filters] = match self {
            Self::Madd(_) => [6, 20],
            Self::Vnni(_) => [11, 60],
        };
        taps == 9 && conv.c.is_multiple_of(16) && conv.pixels() > tile * all_tiles(conv) + filters
    }
}

impl<S> Layer<'_, S> {
    /// The layer as a convolution.
    pub fn conv(&self) -> Conv {
        let Source { n, h, w, c, .. } = self.source;
        Conv { n, h, w, c, k: self.outputs }
    }
}

/// Vectors of the bytes of a pixel of padding, an even number.
fn blank(c: usize) -> usize {
    c.div_ceil(64) * 2
}

/// Words of 8 bytes for each thread: vectors, and what is lost where the first cache line begins.
pub fn words(conv: &Conv) -> usize {
    let slabs = if conv.c > SLAB { TILES.min(all_tiles(conv)) * conv.k.div_ceil(GROUP) } else { 1 };
    // Vectors begin at multiples of their size.
    8 + 4 * (blank(conv.c) + POINTS * (INPUTS + FILTERS + PRODUCTS) + slabs * OUTPUTS)
}

/// The results of a layer that [`suits`]. `lanes` have [`words`].
pub fn compute<S: Scalar>(products: Products, layer: &Layer<S>, results: Results<S>, lanes: &Lanes<u64>) {
    let (conv, store) = (layer.conv(), Store::new(results));
    let (tiles, groups, threads) = (all_tiles(&conv), conv.k.div_ceil(GROUP), rayon::current_num_threads());
    let parts = tiles.div_ceil(TILES).max(threads.min(tiles / FEW[0]));
    let chunks = (TASKS * threads).div_ceil(parts).min(groups.div_ceil(FEW[1]));
    let share = |at: usize, of: usize, all: usize| at * all / of..(at + 1) * all / of;
    (0..parts * chunks).into_par_iter().for_each(|task| {
        let (tiles, groups) = (share(task / chunks, parts, tiles), share(task % chunks, chunks, groups));
        // SAFETY: the machine has AVX2, or there would be no value of it.
        lanes.with(words(&conv), |room| unsafe {
            Task { products, layer, store: &store, conv, tiles, groups }.run(room)
        });
    });
}

/// Some tiles and some groups of output channels.
struct Task<'a, S> {
    products: Products,
    layer: &'a Layer<'a, S>,
    store: &'a Store<S>,
    conv: Conv,
    tiles: Range<usize>,
    groups: Range<usize>,
}

impl<S: Scalar> Task<'_, S> {
    #[target_feature(enable = "avx2")]
    fn run(&self, room: &mut [u64]) {
        let &Self { layer, store, conv: Conv { h, w, c, k, .. }, ref tiles, ref groups, .. } = self;
        let (_, room, _) = pod_align_to_mut::<u64, Line>(room);
        let (blank, room) = cast_slice_mut::<Line, __m256i>(room).split_at_mut(blank(c));
        let (inputs, room) = room.split_at_mut(POINTS * INPUTS);
        let (filters, room) = room.split_at_mut(POINTS * FILTERS);
        let (products, room) = room.split_at_mut(POINTS * PRODUCTS);
        let outputs = room.as_chunks_mut::<OUTPUTS>().0;
        let blank: &mut [u8] = cast_slice_mut(blank);
        blank.fill(layer.source.zero);
        for slab in (0..c).step_by(SLAB) {
            let channels = slab..c.min(slab + SLAB);
            for (at, tile) in tiles.clone().enumerate() {
                let pixels = pixels(&layer.source, self.place(tile), blank);
                transform_inputs(&pixels, channels.clone(), &mut inputs[at * SLAB / 16..]);
            }
            for group in groups.clone() {
                transform_filters(
                    &layer.weight[group * GROUP * 9 * c..][..GROUP * 9 * c],
                    c,
                    channels.clone(),
                    filters,
                );
                let (count, pairs) = (tiles.len(), channels.len() / 2);
                multiply(self.products, inputs, filters, count, pairs, products);
                let terms = layer.terms(group * GROUP, i32::from(layer.source.zero) - 128);
                for (at, tile) in tiles.clone().enumerate() {
                    let sums = if c > SLAB { (group - groups.start) * tiles.len() + at } else { 0 };
                    let sums = &mut outputs[sums];
                    transform_outputs(&products[2 * at..], slab > 0, sums);
                    if channels.end < c {
                        continue;
                    }
                    let ([n, y, x], sums) = (self.place(tile), cast_mut::<_, [[i32; GROUP]; 16]>(sums));
                    for (row, sums) in sums.chunks_exact(4).enumerate().take(h - y) {
                        let at = ((n * h + y + row) * w + x) * k + group * GROUP;
                        let width = GROUP.min(k - group * GROUP);
                        // SAFETY: tasks differ in their tiles or in their channels.
                        unsafe { store.store(&sums[..4.min(w - x)], &terms, at, width, k) };
                    }
                }
            }
        }
    }

    /// The image, row and column of a tile's first output.
    fn place(&self, tile: usize) -> [usize; 3] {
        let [down, across] = tiles(&self.conv);
        [tile / (down * across), tile / across % down * 4, tile % across * 4]
    }
}

/// The 36 pixels that a tile reads.
#[inline]
fn pixels<'a>(source: &Source<'a>, [n, y, x]: [usize; 3], blank: &'a [u8]) -> [&'a [u8]; POINTS] {
    std::array::from_fn(|at| source.pixel(n, [y + at / 6, x + at % 6].map(|at| at as isize - 1), blank))
}

/// The points of a tile, of which the first is the first of `to`.
#[target_feature(enable = "avx2")]
fn transform_inputs(pixels: &[&[u8]; POINTS], channels: Range<usize>, to: &mut [__m256i]) {
    let zero = _mm256_setzero_si256();
    for (vector, channel) in channels.step_by(16).enumerate() {
        let mut rows = [[zero; 6]; 6];
        for y in 0..6 {
            let mut row = [zero; 6];
            for x in 0..6 {
                let bytes: &[u8; 16] = pixels[6 * y + x][channel..].first_chunk().unwrap();
                // SAFETY: 16 bytes.
                let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
                row[x] = _mm256_sub_epi16(_mm256_cvtepu8_epi16(bytes), _mm256_set1_epi16(128));
            }
            rows[y] = input_points(row);
        }
        for x in 0..6 {
            let column =
                input_points([rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x], rows[5][x]]);
            for y in 0..6 {
                to[(6 * y + x) * INPUTS + vector] = column[y];
            }
        }
    }
}

/// `Bt d`.
#[inline]
#[target_feature(enable = "avx2")]
fn input_points([d0, d1, d2, d3, d4, d5]: [__m256i; 6]) -> [__m256i; 6] {
    let twice = _mm256_slli_epi16::<1>(_mm256_sub_epi16(d3, d1));
    let far = _mm256_sub_epi16(d4, d2);
    let even = _mm256_sub_epi16(d4, _mm256_slli_epi16::<2>(d2));
    let odd = _mm256_sub_epi16(d3, _mm256_slli_epi16::<2>(d1));
    [
        _mm256_add_epi16(_mm256_slli_epi16::<2>(_mm256_sub_epi16(d0, d2)), far),
        _mm256_add_epi16(even, odd),
        _mm256_sub_epi16(even, odd),
        _mm256_add_epi16(far, twice),
        _mm256_sub_epi16(far, twice),
        _mm256_sub_epi16(_mm256_sub_epi16(d5, d3), _mm256_slli_epi16::<1>(twice)),
    ]
}

/// The points of the filters of a group, `weight[9, c / 4, GROUP, 4]`.
#[target_feature(enable = "avx2")]
fn transform_filters(weight: &[u8], c: usize, channels: Range<usize>, to: &mut [__m256i]) {
    let zero = _mm256_setzero_si256();
    for (quad, channel) in channels.step_by(4).enumerate() {
        for half in 0..2 {
            // Four channels of four outputs, and of the next four.
            let mut points = [[zero; POINTS]; 2];
            for (quarter, points) in points.iter_mut().enumerate() {
                let mut rows = [[zero; 6]; 3];
                for r in 0..3 {
                    let mut row = [zero; 3];
                    for s in 0..3 {
                        let at = ((3 * r + s) * c + channel) * GROUP + 32 * half + 16 * quarter;
                        let bytes: &[u8; 16] = weight[at..].first_chunk().unwrap();
                        // SAFETY: 16 bytes.
                        row[s] = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) });
                    }
                    rows[r] = filter_points(row);
                }
                for x in 0..6 {
                    let column = filter_points([rows[0][x], rows[1][x], rows[2][x]]);
                    for y in 0..6 {
                        points[6 * y + x] = column[y];
                    }
                }
            }
            for point in 0..POINTS {
                let [a, b] = [points[0][point], points[1][point]].map(|points| _mm256_castsi256_ps(points));
                let pairs =
                    [_mm256_shuffle_ps::<0b10_00_10_00>(a, b), _mm256_shuffle_ps::<0b11_01_11_01>(a, b)];
                for (pair, outputs) in pairs.into_iter().enumerate() {
                    let outputs = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(outputs));
                    to[point * FILTERS + 4 * quad + 2 * pair + half] = outputs;
                }
            }
        }
    }
}

/// `G g`.
#[inline]
#[target_feature(enable = "avx2")]
fn filter_points([g0, g1, g2]: [__m256i; 3]) -> [__m256i; 6] {
    let twice = _mm256_slli_epi16::<1>(g1);
    let even = _mm256_add_epi16(g0, g2);
    let far = _mm256_add_epi16(g0, _mm256_slli_epi16::<2>(g2));
    [
        g0,
        _mm256_add_epi16(even, g1),
        _mm256_sub_epi16(even, g1),
        _mm256_add_epi16(far, twice),
        _mm256_sub_epi16(far, twice),
        g2,
    ]
}

/// Products of the points of some tiles and of a group's filters.
#[target_feature(enable = "avx2")]
fn multiply(
    by: Products,
    inputs: &[__m256i],
    filters: &[__m256i],
    tiles: usize,
    pairs: usize,
    products: &mut [__m256i],
) {
    for point in 0..POINTS {
        let inputs: &[[i32; PAIRS]] = cast_slice(&inputs[point * INPUTS..][..TILES * SLAB / 16]);
        let filters = &filters[point * FILTERS..][..2 * pairs].as_chunks().0;
        let products = products[point * PRODUCTS..][..2 * TILES].as_chunks_mut().0;
        let mut at = 0;
        while at < tiles {
            let (inputs, products) = (&inputs[at..], &mut products[at..]);
            at += match (by, tiles - at) {
                (Products::Madd(_), 6..) => madd_tiles::<6>(inputs, filters, products),
                (Products::Madd(_), 4..) => madd_tiles::<4>(inputs, filters, products),
                (Products::Madd(_), 2..) => madd_tiles::<2>(inputs, filters, products),
                (Products::Madd(_), _) => madd_tiles::<1>(inputs, filters, products),
                // SAFETY: the machine has AVX-512 VNNI, or there would be no value of it.
                (Products::Vnni(_), 12..) => unsafe { vnni_tiles::<12>(inputs, filters, products) },
                // SAFETY: as above.
                (Products::Vnni(_), 6..) => unsafe { vnni_tiles::<6>(inputs, filters, products) },
                // SAFETY: as above.
                (Products::Vnni(_), 3..) => unsafe { vnni_tiles::<3>(inputs, filters, products) },
                // SAFETY: as above.
                (Products::Vnni(_), _) => unsafe { vnni_tiles::<1>(inputs, filters, products) },
            };
        }
    }
}

/// A point of a group and `T` tiles, six of which take 12 of 16 registers; returns `T`.
#[target_feature(enable = "avx2")]
fn madd_tiles<const T: usize>(
    inputs: &[[i32; PAIRS]],
    filters: &[[__m256i; 2]],
    products: &mut [[__m256i; 2]],
) -> usize {
    let inputs: &[[i32; PAIRS]; T] = inputs.first_chunk().unwrap();
    let mut sums = [[_mm256_setzero_si256(); 2]; T];
    for (pair, &[low, high]) in filters.iter().enumerate().take(PAIRS) {
        for t in 0..T {
            let channels = _mm256_set1_epi32(inputs[t][pair]);
            sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(channels, low));
            sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(channels, high));
        }
    }
    products[..T].copy_from_slice(&sums);
    T
}

/// A point of a group and `T` tiles in as many registers; returns `T`.
#[target_feature(enable = "avx512f,avx512vnni")]
fn vnni_tiles<const T: usize>(
    inputs: &[[i32; PAIRS]],
    filters: &[[__m256i; 2]],
    products: &mut [[__m256i; 2]],
) -> usize {
    let inputs: &[[i32; PAIRS]; T] = inputs.first_chunk().unwrap();
    let mut sums = [_mm512_setzero_si512(); T];
    for (pair, filters) in filters.iter().enumerate().take(PAIRS) {
        // SAFETY: 64 bytes.
        let filters = unsafe { _mm512_loadu_si512(filters.as_ptr().cast()) };
        for t in 0..T {
            sums[t] = _mm512_dpwssd_epi32(sums[t], filters, _mm512_set1_epi32(inputs[t][pair]));
        }
    }
    for t in 0..T {
        // SAFETY: 64 bytes.
        unsafe { _mm512_storeu_si512(products[t].as_mut_ptr().cast(), sums[t]) };
    }
    T
}

/// Sets the sums of a tile and a group, or adds `more` to them. The first product is the first of `products`.
#[target_feature(enable = "avx2")]
fn transform_outputs(products: &[__m256i], more: bool, sums: &mut [__m256i; OUTPUTS]) {
    let zero = _mm256_setzero_si256();
    for half in 0..2 {
        let mut rows = [[zero; 4]; 6];
        for y in 0..6 {
            let mut row = [zero; 6];
            for x in 0..6 {
                row[x] = products[(6 * y + x) * PRODUCTS + half];
            }
            rows[y] = output_points(row);
        }
        for x in 0..4 {
            let column =
                output_points([rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x], rows[5][x]]);
            for y in 0..4 {
                let sum = &mut sums[2 * (4 * y + x) + half];
                *sum = _mm256_add_epi32(column[y], if more { *sum } else { zero });
            }
        }
    }
}

/// `At S m`.
#[inline]
#[target_feature(enable = "avx2")]
fn output_points([m0, m1, m2, m3, m4, m5]: [__m256i; 6]) -> [__m256i; 4] {
    let third = _mm256_set1_epi32(0xaaaa_aaab_u32 as i32);
    let (a, b) = (_mm256_add_epi32(m1, m2), _mm256_sub_epi32(m1, m2));
    let (c, d) = (_mm256_add_epi32(m3, m4), _mm256_sub_epi32(m3, m4));
    // Without m0 and m5, (c - 4 a) / 24, (d - 2 b) / 12, (c - a) / 6 and (2 d - b) / 6.
    let y0 = _mm256_mullo_epi32(_mm256_sub_epi32(c, _mm256_slli_epi32::<2>(a)), third);
    let y1 = _mm256_mullo_epi32(_mm256_sub_epi32(d, _mm256_slli_epi32::<1>(b)), third);
    let y2 = _mm256_mullo_epi32(_mm256_sub_epi32(c, a), third);
    let y3 = _mm256_mullo_epi32(_mm256_sub_epi32(_mm256_slli_epi32::<1>(d), b), third);
    [
        _mm256_srai_epi32::<3>(_mm256_add_epi32(y0, _mm256_slli_epi32::<1>(m0))),
        _mm256_srai_epi32::<2>(y1),
        _mm256_srai_epi32::<1>(y2),
        _mm256_srai_epi32::<1>(_mm256_add_epi32(y3, _mm256_slli_epi32::<1>(m5))),
    ]
}
