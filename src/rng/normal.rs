//! Normal values by the Box-Muller transform, several pairs at a time.
//!
//! Logarithm, sine and cosine are written out as sums and products, none fused, so that they vectorise and give the same bits
//! on every machine, whatever its C library and vectors.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{key, philox4x32, stream};

/// Values that one task draws; a multiple of [`AT_ONCE`].
pub(super) const CHUNK: usize = 16 * 1024;
/// Blocks of four values drawn together.
const BLOCKS: usize = 16;
const AT_ONCE: usize = 4 * BLOCKS;

/// Draws `count` normal values with mean 0 and the given standard deviation.
///
/// `index` separates the parameters of one seed. Computed in f64, rounded to f32 once.
///
/// # Source
/// Box, Muller: "A note on the generation of random normal deviates" (1958).
pub fn normal(seed: u64, index: u32, count: usize, std: f64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    let arch = pulp::Arch::new();
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        arch.dispatch(Draw { key: key(seed), index, first: chunk * (CHUNK / 4), std, values });
    });
    values
}

/// The values of the blocks from `first` on.
struct Draw<'a> {
    key: [u32; 2],
    index: u32,
    first: usize,
    std: f64,
    values: &'a mut [f32],
}

impl WithSimd for Draw<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "indexed loops vectorise, closures do not")]
    fn with_simd<S: Simd>(self, _: S) {
        let mut block = self.first;
        for values in self.values.chunks_mut(AT_ONCE) {
            // [word][block]
            let mut words = [[0; BLOCKS]; 4];
            for i in 0..BLOCKS {
                let at = block + i;
                let drawn = philox4x32([at as u32, (at >> 32) as u32, stream::INIT, self.index], self.key);
                for word in 0..4 {
                    words[word][i] = drawn[word];
                }
            }
            let mut drawn = [0.0; AT_ONCE];
            for pair in 0..2 {
                for i in 0..BLOCKS {
                    let [a, b] = polar(words[2 * pair][i], words[2 * pair + 1][i], self.std);
                    drawn[4 * i + 2 * pair] = a;
                    drawn[4 * i + 2 * pair + 1] = b;
                }
            }
            values.copy_from_slice(&drawn[..values.len()]);
            block += BLOCKS;
        }
    }
}

/// Two independent normal values from two uniform words.
#[inline(always)]
fn polar(radius: u32, angle: u32, std: f64) -> [f32; 2] {
    // In (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * ln((f64::from(radius) + 1.0) / 4_294_967_296.0)).sqrt() * std;
    let [cos, sin] = cos_sin(angle);
    [(radius * cos) as f32, (radius * sin) as f32]
}

/// The natural logarithm of a positive normal number, to some units in the last place of 1 or of the result, whichever
/// is larger: `ln(m 2^e) = 2 artanh((m - 1) / (m + 1)) + e ln 2` with `m` from `sqrt(1/2)` to `sqrt(2)`.
#[inline(always)]
fn ln(x: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let (m, e) = (f64::from_bits(bits & FRACTION | 1.0f64.to_bits()), (bits >> 52) as i32 - 1023);
    let large = m > std::f64::consts::SQRT_2;
    let (m, e) = (if large { 0.5 * m } else { m }, f64::from(e + i32::from(large)));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    // z is at most 0.0295: the first omitted term is below 1e-17 of the sum.
    let mut series = 1.0 / 21.0;
    for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = series * z + 1.0 / odd;
    }
    2.0 * s * series + e * std::f64::consts::LN_2
}

/// Cosine and sine of `angle / 2^32` turns: the nearest quarter turn, and the Taylor series of the rest.
#[inline(always)]
fn cos_sin(angle: u32) -> [f64; 2] {
    let quarter = angle.wrapping_add(1 << 29) >> 30;
    let rest = angle.wrapping_sub(quarter << 30) as i32;
    let x = f64::from(rest) * (std::f64::consts::TAU / 4_294_967_296.0);
    let z = x * x;
    // |x| is at most pi / 4: the first omitted terms, x^18 / 18! and x^17 / 17!, are below 1e-16.
    let (mut cos, mut sin) = (1.0, 1.0);
    for n in [16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        cos = 1.0 - cos * z * (1.0 / (n * (n - 1.0)));
    }
    for n in [15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sin = 1.0 - sin * z * (1.0 / (n * (n - 1.0)));
    }
    let sin = sin * x;
    let (c, s) = if quarter & 1 == 1 { (sin, cos) } else { (cos, sin) };
    [if (quarter + 1) & 2 == 2 { -c } else { c }, if quarter & 2 == 2 { -s } else { s }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_draws_the_same_bits() {
        let draw = |arch: pulp::Arch| {
            let mut values = vec![0.0; 1000];
            arch.dispatch(Draw { key: key(5), index: 3, first: 70, std: 0.02, values: &mut values });
            values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let scalar = draw(pulp::Arch::Scalar);
        assert_eq!(draw(pulp::Arch::new()), scalar);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            assert_eq!(draw(pulp::Arch::V3(simd)), scalar);
        }
    }

    #[test]
    fn functions_are_those_of_the_library() {
        for i in 0..100_000u32 {
            let word = i.wrapping_mul(0x9E37_79B9) ^ i;
            let x = (f64::from(word) + 1.0) / 4_294_967_296.0;
            assert!((ln(x) - x.ln()).abs() <= 1e-15 * x.ln().abs().max(1.0), "ln {x}");
            let turns = f64::from(word) / 4_294_967_296.0 * std::f64::consts::TAU;
            let [cos, sin] = cos_sin(word);
            assert!((cos - turns.cos()).abs() <= 1e-15 && (sin - turns.sin()).abs() <= 1e-15, "{turns}");
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(
            [0, 1 << 30, 1 << 31, 3 << 30].map(cos_sin),
            [[1.0, 0.0], [-0.0, 1.0], [-1.0, -0.0], [0.0, -1.0]]
        );
    }
}
