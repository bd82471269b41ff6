//! Sums of products of bytes and signed weights: one implementation per instruction set.

use bytemuck::Pod;

use super::super::WEIGHT_CHANNELS as GROUP;

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
    fn check(&self, pixels: usize, weights: &[&[u8]]) {
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

/// An instruction set's products.
///
/// # Safety
/// A value exists only where the machine has the instructions.
pub unsafe trait Dot: Copy + Send + Sync {
    /// Four channels of a pixel.
    type Word: Pod;
    /// Pixels of a tile.
    const TILE: usize;
    /// Groups of a block of output channels: 1 or 2.
    const GROUPS: usize;

    fn word(bytes: [u8; 4]) -> Self::Word;

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

/// Calls `$f::<pixels, groups>` for the smallest listed number of pixels that is enough.
macro_rules! sized {
    ($pixels:expr, $groups:expr, [$($p:literal)*], $f:ident, $args:tt) => {
        match ($pixels, $groups) {
            $((..=$p, 1) => sized!(@call $f $p 1 $args),
              (..=$p, 2) => sized!(@call $f $p 2 $args),)*
            _ => unreachable!("a tile or block that is too large"),
        }
    };
    (@call $f:ident $p:literal $v:literal ($($args:expr),*)) => { $f::<$p, $v>($($args),*) };
}

/// What is done with the products of the instruction set in use.
pub trait Choice {
    type Output;

    fn with<D: Dot>(self, dot: D) -> Self::Output;
}

/// The fastest products of the instruction set that [`crate::cpu::instruction_set`] names.
pub fn choose<C: Choice>(set: &str, choice: C) -> C::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if set == "avx512"
            && let Some(dot) = Avx512::detect()
        {
            return choice.with(dot);
        }
        if ["avx512", "avx2"].contains(&set) {
            if let Some(dot) = AvxVnni::detect() {
                return choice.with(dot);
            }
            if let Some(dot) = Avx2::detect() {
                return choice.with(dot);
            }
        }
    }
    let _ = set;
    choice.with(Portable)
}

#[cfg(target_arch = "x86_64")]
pub use x86::*;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    /// Products of four bytes at a time, `dpbusd`: 32 channels of 14 pixels in 28 of 32 registers.
    macro_rules! vnni {
        ($name:ident, $add:ident, $features:literal, [$($feature:tt)*], $register:ident, $zero:ident, $load:ident, $store:ident, $splat:ident, $dot:ident,
         tile $tile:literal, groups $groups:literal, lanes $lanes:literal, sizes [$($p:literal)*]) => {
            #[derive(Clone, Copy)]
            pub struct $name(());

            impl $name {
                pub fn detect() -> Option<Self> {
                    ($(is_x86_feature_detected!($feature))&&*).then_some(Self(()))
                }
            }

            #[target_feature(enable = $features)]
            fn $add<const P: usize, const G: usize>(fields: Fields<u32>, weights: [&[u8]; 2], more: bool, sums: &mut TileSums) {
                const PARTS: usize = GROUP / $lanes;
                fields.check(P, &weights[..G]);
                let mut totals = [[[$zero(); PARTS]; G]; P];
                for p in 0..P {
                    for g in 0..G {
                        for part in 0..PARTS {
                            if !more {
                                continue;
                            }
                            // SAFETY: a part of the sums.
                            totals[p][g][part] = unsafe { $load(sums[g][p][part * $lanes..].as_ptr().cast()) };
                        }
                    }
                }
                let mut at = 0;
                for &start in fields.starts {
                    let mut word = start;
                    for _ in 0..fields.steps {
                        let mut vectors = [[$zero(); PARTS]; G];
                        for g in 0..G {
                            for part in 0..PARTS {
                                // SAFETY: `Fields::check` saw that the weights have all words.
                                vectors[g][part] = unsafe { $load(weights[g].as_ptr().add(at + part * 4 * $lanes).cast()) };
                            }
                        }
                        for p in 0..P {
                            // SAFETY: `Fields::check` saw that the fields have all words.
                            let bytes = $splat(unsafe { *fields.words.get_unchecked(word + p) } as i32);
                            for g in 0..G {
                                for part in 0..PARTS {
                                    totals[p][g][part] = $dot(totals[p][g][part], bytes, vectors[g][part]);
                                }
                            }
                        }
                        word += fields.stride;
                        at += 4 * GROUP;
                    }
                }
                for g in 0..G {
                    for p in 0..P {
                        for part in 0..PARTS {
                            // SAFETY: a part of the sums.
                            unsafe { $store(sums[g][p][part * $lanes..].as_mut_ptr().cast(), totals[p][g][part]) };
                        }
                    }
                }
            }

            // SAFETY: `detect` makes the only values.
            unsafe impl Dot for $name {
                type Word = u32;
                const TILE: usize = $tile;
                const GROUPS: usize = $groups;

                #[inline(always)]
                fn word(bytes: [u8; 4]) -> u32 {
                    u32::from_ne_bytes(bytes)
                }

                #[inline(always)]
                fn sums(self, pixels: usize, groups: usize, fields: Fields<u32>, weights: [&[u8]; 2], more: bool, sums: &mut TileSums) {
                    // SAFETY: the machine has the instructions, or there would be no `self`.
                    unsafe { sized!(pixels, groups, [$($p)*], $add, (fields, weights, more, sums)) }
                }

                #[inline(always)]
                fn run<T: Work>(self, work: T) {
                    #[target_feature(enable = $features)]
                    fn inside<T: Work>(dot: $name, work: T) {
                        work.run(dot);
                    }
                    // SAFETY: as in `sums`.
                    unsafe { inside(self, work) }
                }
            }
        };
    }

    vnni!(Avx512, add_avx512, "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma", ["avx512f" "avx512bw" "avx512vl" "avx512dq" "avx512vnni"], __m512i, _mm512_setzero_si512,
        _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32, _mm512_dpbusd_epi32,
        tile 14, groups 2, lanes 16, sizes [1 2 4 6 8 10 12 14]);
    vnni!(AvxVnni, add_avxvnni, "avx2,avxvnni", ["avx2" "avxvnni"], __m256i, _mm256_setzero_si256,
        _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32, _mm256_dpbusd_avx_epi32,
        tile 6, groups 1, lanes 8, sizes [1 2 4 6]);
    // The instruction of the one above as AVX-512 has it: so that its code runs on more machines.
    #[cfg(test)]
    vnni!(Vnni256, add_vnni256, "avx2,avx512vl,avx512vnni", ["avx2" "avx512vl" "avx512vnni"], __m256i, _mm256_setzero_si256,
        _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32, _mm256_dpbusd_epi32,
        tile 6, groups 1, lanes 8, sizes [1 2 4 6]);

    /// Products of two 16-bit integers at a time, `madd`: 8 channels of 6 pixels in 12 of 16 registers.
    #[derive(Clone, Copy)]
    pub struct Avx2(());

    impl Avx2 {
        pub fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx2").then_some(Self(()))
        }
    }

    /// `V` times four output channels from channel `4 first` on.
    #[target_feature(enable = "avx2")]
    fn add_avx2<const P: usize, const V: usize>(
        first: usize,
        fields: Fields<u64>,
        weights: [&[u8]; 2],
        more: bool,
        sums: &mut TileSums,
    ) {
        fields.check(P, &weights[..1]);
        let mut totals = [[_mm256_setzero_si256(); V]; P];
        let mut at = 16 * first;
        for &start in fields.starts {
            let mut word = start;
            for _ in 0..fields.steps {
                let mut vectors = [_mm256_setzero_si256(); V];
                for v in 0..V {
                    // SAFETY: `Fields::check` saw that the weights have all words.
                    let bytes = unsafe { _mm_loadu_si128(weights[0].as_ptr().add(at + 16 * v).cast()) };
                    vectors[v] = _mm256_cvtepi8_epi16(bytes);
                }
                for p in 0..P {
                    // SAFETY: `Fields::check` saw that the fields have all words.
                    let values = _mm256_set1_epi64x(unsafe { *fields.words.get_unchecked(word + p) } as i64);
                    for v in 0..V {
                        totals[p][v] = _mm256_add_epi32(totals[p][v], _mm256_madd_epi16(values, vectors[v]));
                    }
                }
                word += fields.stride;
                at += 4 * GROUP;
            }
        }
        for p in 0..P {
            for v in (0..V).step_by(2) {
                // Pairs of sums of eight channels, those of the two registers alternating in twos.
                let pairs = _mm256_hadd_epi32(totals[p][v], totals[p][v + 1]);
                let total = _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs);
                let channel = 4 * (first + v);
                // SAFETY: half of the sums each.
                unsafe {
                    let sum: *mut __m256i = sums[0][p][channel..].as_mut_ptr().cast();
                    let old = if more { _mm256_loadu_si256(sum) } else { _mm256_setzero_si256() };
                    _mm256_storeu_si256(sum, _mm256_add_epi32(old, total));
                }
            }
        }
    }

    // SAFETY: `detect` makes the only values.
    unsafe impl Dot for Avx2 {
        type Word = u64;
        const TILE: usize = 6;
        const GROUPS: usize = 1;

        #[inline(always)]
        fn word(bytes: [u8; 4]) -> u64 {
            bytemuck::cast(bytes.map(u16::from))
        }

        #[inline(always)]
        fn sums(
            self,
            pixels: usize,
            _: usize,
            fields: Fields<u64>,
            weights: [&[u8]; 2],
            more: bool,
            sums: &mut TileSums,
        ) {
            // SAFETY: the machine has the instructions, or there would be no `self`.
            unsafe {
                match pixels {
                    1 => add_avx2::<1, 4>(0, fields, weights, more, sums),
                    2 => add_avx2::<2, 4>(0, fields, weights, more, sums),
                    3 => add_avx2::<3, 4>(0, fields, weights, more, sums),
                    4..=6 => {
                        add_avx2::<6, 2>(0, fields, weights, more, sums);
                        add_avx2::<6, 2>(2, fields, weights, more, sums);
                    }
                    _ => unreachable!("a tile that is too large"),
                }
            }
        }

        #[inline(always)]
        fn run<T: Work>(self, work: T) {
            #[target_feature(enable = "avx2")]
            fn inside<T: Work>(dot: Avx2, work: T) {
                work.run(dot);
            }
            // SAFETY: as in `sums`.
            unsafe { inside(self, work) }
        }
    }
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

// SAFETY: no special instructions.
unsafe impl Dot for Portable {
    type Word = u64;
    const TILE: usize = 1;
    const GROUPS: usize = 1;

    #[inline(always)]
    fn word(bytes: [u8; 4]) -> u64 {
        bytemuck::cast(bytes.map(u16::from))
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
