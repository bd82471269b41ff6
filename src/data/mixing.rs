//! Random erasing, cutout, mixup and CutMix, as pure functions of (seed, epoch, sample).

use crate::{
    ops::Mix,
    rng::{key, philox4x32, stream},
};

/// How training images are erased and mixed, after they have been moved and normalised. The default is not at all.
///
/// # Source
/// Zhong et al.: "Random erasing data augmentation" (2017), and DeVries and Taylor: "Improved regularization of convolutional neural
/// networks with cutout" (2017), for what is erased; Zhang et al.: "mixup: beyond empirical risk minimization" (2017), and Yun et al.:
/// "CutMix" (2019), for what is mixed. Sizes are drawn as in torchvision's `RandomErasing`, `MixUp` and `CutMix`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mixing {
    /// Height and width of the images.
    pub size: [usize; 2],
    /// The probability that a rectangle of 2 to 33 % of an image, at an aspect ratio of 0.3 to 3.3, is erased.
    pub random_erase: f64,
    /// The side of a square that is erased in each image, in pixels; it may lie partly outside.
    pub cutout: usize,
    /// Alpha of mixup's beta distribution; 0: no mixup.
    pub mixup_alpha: f64,
    /// Alpha of CutMix's beta distribution; 0: no CutMix. With both, every image is mixed by one of them, at equal odds.
    pub cutmix_alpha: f64,
}

impl Mixing {
    /// The numbers of one image in one epoch.
    ///
    /// # Numerics
    /// Philox blocks with the counters `[sample, epoch, block, AUGMENT]`: 64 to 74 determine what is erased, 128 which images are mixed
    /// and where, and those from 129 on the share.
    pub fn of(&self, seed: u64, epoch: u32, sample: u32) -> Mix {
        let uniform = |block: u32| uniform(philox4x32([sample, epoch, block, stream::AUGMENT], key(seed)));
        let mut mix = Mix { erased: self.erased(uniform).unwrap_or_default(), ..Mix::NONE };
        let [choice, y, x, _] = uniform(128);
        let swap = self.cutmix_alpha > 0.0 && (self.mixup_alpha == 0.0 || choice < 0.5);
        let alpha = if swap { self.cutmix_alpha } else { self.mixup_alpha };
        if alpha > 0.0 {
            let share = beta(alpha, |attempt| uniform(129 + attempt));
            if swap {
                let [h, w] = self.size.map(|side| side as f64);
                let half = 0.5 * (1.0 - share).sqrt();
                mix.swapped =
                    around([(y * h).floor(), (x * w).floor()], [half * h, half * w].map(f64::floor), [h, w]);
                let [top, left, bottom, right] = mix.swapped.map(f64::from);
                mix.target = (1.0 - (bottom - top) * (right - left) / (h * w)) as f32;
            } else {
                (mix.share, mix.target) = (share as f32, share as f32);
            }
        }
        mix
    }

    /// Top, left, bottom and right of what is erased.
    fn erased(&self, uniform: impl Fn(u32) -> [f64; 4]) -> Option<[f32; 4]> {
        let [h, w] = self.size.map(|side| side as f64);
        let [chance, y, x, _] = uniform(64);
        if self.cutout > 0 {
            let half = self.cutout as f64 / 2.0;
            return Some(around([(y * h).floor(), (x * w).floor()], [half; 2], [h, w]));
        }
        if chance >= self.random_erase {
            return None;
        }
        let fitting = |attempt: u32| {
            let [area, aspect, y, x] = uniform(65 + attempt);
            let area = (0.02 + 0.31 * area) * h * w;
            let aspect = (0.3f64.ln() + aspect * (3.3f64 / 0.3).ln()).exp();
            let [tall, wide] = [(area * aspect).sqrt().round(), (area / aspect).sqrt().round()];
            let fits = tall < h && wide < w;
            let [top, left] = [(y * (h - tall + 1.0)).floor(), (x * (w - wide + 1.0)).floor()];
            fits.then_some([top, left, top + tall, left + wide].map(|edge| edge as f32))
        };
        (0..10u32).find_map(fitting)
    }
}

/// Four uniform numbers, above 0 and below 1.
fn uniform(words: [u32; 4]) -> [f64; 4] {
    words.map(|word| (f64::from(word) + 0.5) / 4_294_967_296.0)
}

/// The part inside an image of the rectangle with the given centre and half sides.
fn around([y, x]: [f64; 2], [tall, wide]: [f64; 2], [h, w]: [f64; 2]) -> [f32; 4] {
    [(y - tall).max(0.0), (x - wide).max(0.0), (y + tall).min(h), (x + wide).min(w)].map(|edge| edge as f32)
}

/// A draw of the beta distribution with both parameters `alpha`: Jöhnk's method, in logarithms because powers of small `alpha` underflow.
fn beta(alpha: f64, uniform: impl Fn(u32) -> [f64; 4]) -> f64 {
    let pairs = (0..).flat_map(|attempt: u32| {
        let [a, b, c, d] = uniform(attempt).map(|u| u.ln() / alpha);
        [[a, b], [c, d]]
    });
    let of = |[a, b]: [f64; 2]| {
        let largest = a.max(b);
        let sum = largest + ((a - largest).exp() + (b - largest).exp()).ln();
        (sum <= 0.0).then(|| (a - sum).exp())
    };
    pairs.filter_map(of).next().expect("the attempts do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Mixing =
        Mixing { size: [24, 32], random_erase: 0.0, cutout: 0, mixup_alpha: 0.0, cutmix_alpha: 0.0 };

    fn all(mixing: Mixing) -> Vec<Mix> {
        (0..20_000).map(|sample| mixing.of(7, 3, sample)).collect()
    }

    fn area([top, left, bottom, right]: [f32; 4]) -> f64 {
        f64::from(bottom - top) * f64::from(right - left)
    }

    #[test]
    fn nothing_is_the_image_itself() {
        assert!(all(NONE).iter().all(|mix| *mix == Mix::NONE));
    }

    /// Mean 1/2 and variance 1 / (4 (2 alpha + 1)), the beta distribution's, for small and large alpha.
    #[test]
    fn mixup_shares_have_the_moments_of_the_beta_distribution() {
        for alpha in [0.01, 0.2, 1.0, 4.0] {
            let mixes = all(Mixing { mixup_alpha: alpha, ..NONE });
            let n = mixes.len() as f64;
            assert!(mixes.iter().all(|mix| mix.share == mix.target && (0.0..=1.0).contains(&mix.share)));
            let shares = || mixes.iter().map(|mix| f64::from(mix.share));
            let mean = shares().sum::<f64>() / n;
            let variance = shares().map(|share| (share - 0.5).powi(2)).sum::<f64>() / n;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            // Five standard errors; the squares lie in 0 to 1/4, so that theirs is at most 1/8 / sqrt(n).
            assert!((mean - 0.5).abs() <= 5.0 * (expected / n).sqrt(), "{alpha}: {mean}");
            assert!((variance - expected).abs() <= 5.0 * 0.125 / n.sqrt(), "{alpha}: {variance}, {expected}");
        }
    }

    /// The target is the image's share of the pixels, and large parts of it are swapped as often as small ones are with alpha 1.
    #[test]
    fn cutmix_targets_are_areas() {
        let mixes = all(Mixing { cutmix_alpha: 1.0, ..NONE });
        for mix in &mixes {
            let [top, left, bottom, right] = mix.swapped;
            assert!(
                0.0 <= top
                    && top <= bottom
                    && bottom <= 24.0
                    && 0.0 <= left
                    && left <= right
                    && right <= 32.0
            );
            assert!(mix.swapped.iter().all(|edge| edge.fract() == 0.0) && mix.share == 1.0);
            assert_eq!(mix.target, (1.0 - area(mix.swapped) / (24.0 * 32.0)) as f32);
        }
        assert!(mixes.iter().any(|mix| mix.target < 0.2) && mixes.iter().any(|mix| mix.target > 0.95));
    }

    #[test]
    fn with_both_half_of_the_images_are_mixed_by_each() {
        let mixes = all(Mixing { mixup_alpha: 0.2, cutmix_alpha: 1.0, ..NONE });
        let swapped = mixes.iter().filter(|mix| mix.share == 1.0).count();
        // Five standard deviations.
        assert!((9_646..=10_354).contains(&swapped), "{swapped}");
    }

    #[test]
    fn a_quarter_of_the_images_has_an_erased_rectangle() {
        let mixes = all(Mixing { random_erase: 0.25, ..NONE });
        let erased: Vec<[f32; 4]> =
            mixes.iter().map(|mix| mix.erased).filter(|&erased| area(erased) > 0.0).collect();
        assert!((4_693..=5_307).contains(&erased.len()), "{}", erased.len());
        for &[top, left, bottom, right] in &erased {
            assert!(0.0 <= top && bottom <= 24.0 && 0.0 <= left && right <= 32.0);
            // The sides are rounded to whole pixels.
            let share = area([top, left, bottom, right]) / (24.0 * 32.0);
            assert!((0.01..=0.37).contains(&share), "{share}");
        }
        let mean =
            erased.iter().map(|&erased| area(erased)).sum::<f64>() / erased.len() as f64 / (24.0 * 32.0);
        assert!((0.14..=0.19).contains(&mean), "{mean}");
    }

    /// A square of 8 pixels around every pixel, cut off at the borders.
    #[test]
    fn cutout_erases_a_square_in_every_image() {
        let mixes = all(Mixing { cutout: 8, ..NONE });
        assert!(mixes.iter().all(|mix| (16.0..=64.0).contains(&area(mix.erased))));
        assert!(mixes.iter().any(|mix| mix.erased == [0.0, 0.0, 4.0, 4.0]));
        assert!(mixes.iter().any(|mix| area(mix.erased) == 64.0));
        assert_ne!(mixes[0].erased, Mixing { cutout: 8, ..NONE }.of(7, 4, 0).erased);
    }
}
