//! Products for x86-64.

use std::arch::x86_64::*;

use super::dot::{Dot, Fields, TileSums, Work, widen};
use crate::ops::quantized::WEIGHT_CHANNELS as GROUP;

/// Calls `$f::<pixels, groups>`.
macro_rules! sized {
    ($pixels:expr, $groups:expr, [$($p:literal)*], $f:ident, $args:tt) => {
        match ($pixels, $groups) {
            $(($p, 1) => sized!(@call $f $p 1 $args),
              ($p, 2) => sized!(@call $f $p 2 $args),)*
            _ => unreachable!("a tile or block that is too large"),
        }
    };
    (@call $f:ident $p:literal $v:literal ($($args:expr),*)) => { $f::<$p, $v>($($args),*) };
}

/// Products of four bytes at a time, `dpbusd`: 32 channels of 14 pixels in 28 of 32 registers, or 16 channels of 6 pixels in
/// 12 of 16.
macro_rules! vnni {
    ($name:ident, $add:ident, [$($feature:tt)*],
     $zero:ident, $load:ident, $store:ident, $splat:ident, $dot:ident,
     tile $tile:literal, groups $groups:literal, lanes $lanes:literal, sizes [$($p:literal)*]) => {
        #[derive(Clone, Copy)]
        pub struct $name(());

        impl $name {
            pub fn detect() -> Option<Self> {
                ($(is_x86_feature_detected!($feature))&&*).then_some(Self(()))
            }
        }

        #[target_feature($(enable = $feature),*)]
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

        impl Dot for $name {
            type Word = u32;
            const TILE: usize = $tile;
            const GROUPS: usize = $groups;

            #[inline(always)]
            fn words(pixels: [[u8; 4]; 4]) -> [u32; 4] {
                bytemuck::cast(pixels)
            }

            #[inline(always)]
            fn sums(self, pixels: usize, groups: usize, fields: Fields<u32>, weights: [&[u8]; 2], more: bool, sums: &mut TileSums) {
                // SAFETY: the machine has the instructions, or there would be no `self`.
                unsafe { sized!(pixels, groups, [$($p)*], $add, (fields, weights, more, sums)) }
            }

            #[inline(always)]
            fn run<T: Work>(self, work: T) {
                #[target_feature($(enable = $feature),*)]
                fn inside<T: Work>(dot: $name, work: T) {
                    work.run(dot);
                }
                // SAFETY: as in `sums`.
                unsafe { inside(self, work) }
            }
        }
    };
}

vnni!(
    Avx512, add_avx512, ["avx512f" "avx512bw" "avx512vl" "avx512dq" "avx512vnni"],
    _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32, _mm512_dpbusd_epi32,
    tile 14, groups 2, lanes 16, sizes [1 2 3 4 5 6 7 8 9 10 11 12 13 14]
);
vnni!(
    AvxVnni, add_avx_vnni, ["avx2" "avxvnni"],
    _mm256_setzero_si256, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32, _mm256_dpbusd_avx_epi32,
    tile 6, groups 1, lanes 8, sizes [1 2 3 4 5 6]
);
// AVX-VNNI with the instruction of AVX-512: more machines can test it.
#[cfg(test)]
vnni!(
    Vnni256, add_vnni256, ["avx2" "avx512vl" "avx512vnni"],
    _mm256_setzero_si256, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32, _mm256_dpbusd_epi32,
    tile 6, groups 1, lanes 8, sizes [1 2 3 4 5 6]
);

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
            for (v, vector) in vectors.iter_mut().enumerate() {
                // SAFETY: `Fields::check` saw that the weights have all words.
                let bytes = unsafe { _mm_loadu_si128(weights[0].as_ptr().add(at + 16 * v).cast()) };
                *vector = _mm256_cvtepi8_epi16(bytes);
            }
            for (p, totals) in totals.iter_mut().enumerate() {
                // SAFETY: `Fields::check` saw that the fields have all words.
                let values = _mm256_set1_epi64x(unsafe { *fields.words.get_unchecked(word + p) } as i64);
                for (total, &vector) in totals.iter_mut().zip(&vectors) {
                    *total = _mm256_add_epi32(*total, _mm256_madd_epi16(values, vector));
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

impl Dot for Avx2 {
    type Word = u64;
    const TILE: usize = 6;
    const GROUPS: usize = 1;

    #[inline(always)]
    fn words(pixels: [[u8; 4]; 4]) -> [u64; 4] {
        widen(pixels)
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
        macro_rules! in_halves {
            ($p:literal) => {{
                add_avx2::<$p, 2>(0, fields, weights, more, sums);
                add_avx2::<$p, 2>(2, fields, weights, more, sums);
            }};
        }
        // SAFETY: the machine has the instructions, or there would be no `self`.
        unsafe {
            match pixels {
                1 => add_avx2::<1, 4>(0, fields, weights, more, sums),
                2 => add_avx2::<2, 4>(0, fields, weights, more, sums),
                3 => add_avx2::<3, 4>(0, fields, weights, more, sums),
                4 => in_halves!(4),
                5 => in_halves!(5),
                6 => in_halves!(6),
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
