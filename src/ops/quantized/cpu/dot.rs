//! Sums of products of bytes and signed weights, and their portable implementation.

use bytemuck::Pod;

use crate::ops::quantized::WEIGHT_CHANNELS as GROUP;

/// Sums of a group of output channels.
pub type Sums = [i32; GROUP];

/// Sums of a tile for each group of a block, pixel by pixel.
pub type TileSums = [[Sums; 14]; 2];

/// Where the words of a tile's receptive fields lie: runs of `steps` words, `stride` apart, that begin at `starts`.
/// The words of the tile's other pixels follow each.
#[derive(Clone, Copy)]
pub struct Fields<'a, W> {
    pub words: &'a [W],
    pub starts: &'a [usize],
    pub steps: usize,
    pub stride: usize,
}

impl<W> Fields<'_, W> {
    /// Panics unless all words of `pixels` pixels exist, and all their weights.
    pub fn check(&self, pixels: usize, weights: &[&[u8]]) {
        let Self { words, starts, steps, stride } = *self;
        let last = steps.saturating_sub(1) * stride + pixels;
        assert!(
            starts.iter().all(|start| start + last <= words.len()),
            "receptive fields outside the packed words"
        );
        let bytes = starts.len() * steps * 4 * GROUP;
        assert!(weights.iter().all(|weights| weights.len() >= bytes), "too few weights");
    }
}

/// An instruction set's products. A value exists only where the machine has the instructions.
pub trait Dot: Copy + Send + Sync {
    /// Four channels of a pixel.
    type Word: Pod;
    /// Pixels of a tile.
    const TILE: usize;
    /// Groups of a block of output channels: 1 or 2.
    const GROUPS: usize;

    fn words(pixels: [[u8; 4]; 4]) -> [Self::Word; 4];

    /// Sets the sums, or adds `more` to those, of the first `pixels` of a tile and the first `groups` of a block.
    fn sums(
        self,
        pixels: usize,
        groups: usize,
        fields: Fields<Self::Word>,
        weights: [&[u8]; 2],
        more: bool,
        sums: &mut TileSums,
    );

    /// Runs work compiled for these instructions.
    fn run<T: Work>(self, work: T);
}

pub trait Work {
    /// Has to be `#[inline(always)]`.
    fn run<D: Dot>(self, dot: D);
}

/// Words of 16-bit integers.
#[inline(always)]
pub fn widen(pixels: [[u8; 4]; 4]) -> [u64; 4] {
    let mut values = [0u16; 16];
    for (value, byte) in values.iter_mut().zip(pixels.as_flattened()) {
        *value = u16::from(*byte);
    }
    bytemuck::cast(values)
}

/// Loops that compilers vectorise, for other machines.
#[derive(Clone, Copy)]
pub struct Portable;

/// Adds the products of a word.
fn portable(totals: &mut [[i32; 8]; 8], weights: &[[i8; 8]; 8], values: &[i16; 8]) {
    for (totals, weights) in totals.iter_mut().zip(weights) {
        for lane in 0..8 {
            totals[lane] = totals[lane].wrapping_add(i32::from(weights[lane]) * i32::from(values[lane]));
        }
    }
}

impl Dot for Portable {
    type Word = u64;
    const TILE: usize = 1;
    const GROUPS: usize = 1;

    #[inline(always)]
    fn words(pixels: [[u8; 4]; 4]) -> [u64; 4] {
        widen(pixels)
    }

    #[inline(always)]
    fn sums(
        self,
        _: usize,
        _: usize,
        fields: Fields<u64>,
        weights: [&[u8]; 2],
        more: bool,
        sums: &mut TileSums,
    ) {
        fields.check(1, &weights[..1]);
        let mut totals = [[0; 8]; 8];
        let mut weights = bytemuck::cast_slice::<u8, [[i8; 8]; 8]>(weights[0]).iter();
        for &start in fields.starts {
            let words = fields.words[start..].iter().step_by(fields.stride).take(fields.steps);
            for (&word, weights) in words.zip(weights.by_ref()) {
                portable(&mut totals, weights, &bytemuck::cast([word; 2]));
            }
        }
        for (sum, lanes) in sums[0][0].iter_mut().zip(totals.as_flattened().as_chunks::<4>().0) {
            *sum = lanes.iter().fold(if more { *sum } else { 0 }, |sum, &lane| sum.wrapping_add(lane));
        }
    }

    #[inline(always)]
    fn run<T: Work>(self, work: T) {
        work.run(self);
    }
}
