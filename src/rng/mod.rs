//! Counter-based random numbers: every draw is a pure function of a key and a counter.
//!
//! # Source
//! Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), Philox4x32-10.

mod normal;

pub use normal::normal;

/// A counter word for each use of the generator, so that no two uses share a draw: the third word for [`stream::INIT`] and
/// [`stream::DROPOUT`], the fourth (after a small third word) for the others.
pub mod stream {
    /// Initial weights; the fourth word is the parameter's index.
    pub const INIT: u32 = 0x494e_4954;
    /// Dropout masks; see `shaders/dropout`.
    pub const DROPOUT: u32 = 0x4452_4f50;
    /// Augmentation of training images.
    pub const AUGMENT: u32 = 0x4155_474d;
    /// Shuffling of the training set.
    pub const SHUFFLE: u32 = 0x5348_5546;
}

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One block of Philox4x32-10: four independent uniform words from a counter and a key.
#[inline]
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let mut c = counter;
    let mut k = key;
    for round in 0..ROUNDS {
        if round > 0 {
            k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
        }
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32];
    }
    c
}

/// The two key words of a 64-bit seed, low word first.
pub const fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::{normal::CHUNK, *};

    /// The known answers of Random123's `kat_vectors`, "philox4x32 10".
    #[test]
    fn philox_known_answers() {
        let all = u32::MAX;
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([all; 4], [all; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn normal_has_the_requested_moments() {
        let values = normal(7, 3, 100_001, 0.5);
        assert_eq!(values.len(), 100_001);
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let var = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        // Three standard errors: 0.5 / sqrt(n) for the mean, var * sqrt(2 / n) for the variance.
        assert!(mean.abs() < 3.0 * 0.5 / 316.0, "mean {mean}");
        assert!((var - 0.25).abs() < 3.0 * 0.25 * (2.0f64 / 100_001.0).sqrt(), "variance {var}");
        assert_ne!(normal(7, 4, 4, 0.5), values[..4], "another parameter has other draws");
    }

    #[test]
    fn draws_do_not_depend_on_the_tasks() {
        let count = CHUNK + 7;
        let values = normal(5, 3, count, 2.0);
        assert_eq!(values.len(), count);
        for at in [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 6] {
            let words = philox4x32([(at / 4) as u32, 0, stream::INIT, 3], key(5));
            let [u1, u2] = [words[at % 4 / 2 * 2], words[at % 4 / 2 * 2 + 1]].map(f64::from);
            let radius = (-2.0 * ((u1 + 1.0) / 4_294_967_296.0).ln()).sqrt() * 2.0;
            let angle = std::f64::consts::TAU * (u2 / 4_294_967_296.0);
            let expected = radius * if at % 2 == 0 { angle.cos() } else { angle.sin() };
            assert!((f64::from(values[at]) - expected).abs() <= 1e-6, "{at}: {} {expected}", values[at]);
        }
        assert_eq!(normal(5, 3, 10, 2.0), values[..10]);
    }
}
