//! Random crops, flips, rotations and translations, as pure functions of (seed, epoch, sample).

use super::{
    RandAugment, Rectangle,
    affine::{inverse_of, then},
};
use crate::rng::{key, philox4x32, stream};

/// The identity transform.
pub const IDENTITY: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

/// Random augmentation of training images, in this order: crop, flip, shift by whole pixels, [`RandAugment`], rotation, translation.
///
/// An image is rotated about its centre `((W - 1) / 2, (H - 1) / 2)` by an angle uniform in `-rotate_degrees` to
/// `rotate_degrees`, visually counter-clockwise for positive angles, and then translated by `(dx, dy)` pixels, with
/// `dx` uniform within `translate * W` and `dy` within `translate * H` to either side, right and down for positive values
/// and not rounded to whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    rotate_degrees: f32,
    translate: f32,
    resized_crop: bool,
    flip: bool,
    padding: u32,
    rand_augment: Option<RandAugment>,
}

impl Augmentation {
    /// No augmentation.
    pub const NONE: Self = Self {
        rotate_degrees: 0.0,
        translate: 0.0,
        resized_crop: false,
        flip: false,
        padding: 0,
        rand_augment: None,
    };

    /// Rotation within `rotate_degrees` (0 to 180) and translation within the fraction `translate` (0 to 1)
    /// of the width and of the height.
    ///
    /// # Errors
    /// [`AugmentationError`] if a value is out of range or not finite.
    pub fn new(rotate_degrees: f32, translate: f32) -> Result<Self, AugmentationError> {
        if !(0.0..=180.0).contains(&rotate_degrees) {
            return Err(AugmentationError::Rotate { value: rotate_degrees });
        }
        if !(0.0..=1.0).contains(&translate) {
            return Err(AugmentationError::Translate { value: translate });
        }
        Ok(Self { rotate_degrees, translate, ..Self::NONE })
    }

    /// Also crops a random part of each image, 8 to 100 % of its area with an aspect ratio of 3:4 to 4:3, and resizes it to
    /// the full size.
    pub const fn resized_crop(self, resized_crop: bool) -> Self {
        Self { resized_crop, ..self }
    }

    /// Also mirrors images horizontally, with probability 1 / 2.
    pub const fn flip(self, flip: bool) -> Self {
        Self { flip, ..self }
    }

    /// Also shifts each image by up to `padding` whole pixels along both axes, as a random crop of the image padded with
    /// `padding` black pixels does.
    pub const fn crop_padded(self, padding: u32) -> Self {
        Self { padding, ..self }
    }

    /// Also applies random operations to each image, those on positions after the shift by whole pixels.
    pub const fn rand_augment(self, rand_augment: Option<RandAugment>) -> Self {
        Self { rand_augment, ..self }
    }

    /// Applies RandAugment's operations on values to the image `[H, W, C]` of a sample in one epoch.
    pub(super) fn tone(&self, seed: u64, epoch: u32, sample: u32, size: [usize; 2], pixels: &mut [u8]) {
        if let Some(rand_augment) = self.rand_augment {
            rand_augment.apply(seed, epoch, sample, size, pixels);
        }
    }

    /// The largest angle, in degrees.
    pub const fn rotate_degrees(&self) -> f32 {
        self.rotate_degrees
    }

    /// The largest translation, as a fraction of the width and of the height.
    pub const fn translate(&self) -> f32 {
        self.translate
    }

    /// The transform `[a, b, tx, c, d, ty]` of one image in one epoch.
    ///
    /// It is the inverse transform: it maps a position `(x, y)` of the result to its position
    /// `(a x + b y + tx, c x + d y + ty)` in the source, both in pixels of the source (x to the right, y down, pixel
    /// centres at whole numbers). The forward transform is [`Augmentation`]'s: rotate, then translate.
    /// Exactly [`IDENTITY`] without augmentation. The centres of a crop's corner pixels map to those of the image's, so that
    /// nothing outside the crop is visible.
    ///
    /// # Numerics
    /// The Philox block with counter `[sample, epoch, 0, AUGMENT]` determines the angle, dx, dy and, by its last bit, the
    /// flip; the next block determines the shift by whole pixels, and the blocks after it the crop. Computed in f64 and
    /// rounded to f32 once.
    pub fn inverse_affine(
        &self,
        seed: u64,
        epoch: u32,
        sample: u32,
        height: usize,
        width: usize,
    ) -> [f32; 6] {
        if *self == Self::NONE {
            return IDENTITY;
        }
        let words = words(seed, epoch, sample, 0);
        // The midpoints of 2^32 equal parts of (-1, 1): symmetric, both ends excluded.
        let [turn, right, down, _] = words.map(|word| (f64::from(word) + 0.5) / 2_147_483_648.0 - 1.0);
        let degrees = turn * f64::from(self.rotate_degrees);
        let dx = right * f64::from(self.translate) * width as f64;
        let dy = down * f64::from(self.translate) * height as f64;
        let mut inverse = inverse_of(degrees, dx, dy, height, width);
        // The steps before the rotation, in reverse order.
        if let Some(rand_augment) = self.rand_augment {
            inverse = rand_augment.inverse_affine(inverse, seed, epoch, sample, [height, width]);
        }
        if self.padding > 0 {
            let [right, down, ..] = self::words(seed, epoch, sample, 1);
            let bound = 2 * u64::from(self.padding) + 1;
            let shift = |word: u32| f64::from(self.padding) - ((u64::from(word) * bound) >> 32) as f64;
            inverse = then(inverse, [1.0, shift(right), 1.0, shift(down)]);
        }
        if self.flip && words[3] & 1 == 1 {
            inverse = then(inverse, [-1.0, width as f64 - 1.0, 1.0, 0.0]);
        }
        if let Some(part) = self.crop(seed, epoch, sample, [height, width]) {
            let scale = |part: usize, whole: usize| (part as f64 - 1.0) / (whole as f64 - 1.0).max(1.0);
            let (x, y) = (scale(part.width, width), scale(part.height, height));
            inverse = then(inverse, [x, part.left as f64, y, part.top as f64]);
        }
        inverse.map(|value| value as f32)
    }

    /// The crop of an image with height and width `size` in one epoch, if images are cropped.
    pub fn crop(&self, seed: u64, epoch: u32, sample: u32, size: [usize; 2]) -> Option<Rectangle> {
        let words = |attempt| words(seed, epoch, sample, 2 + attempt);
        self.resized_crop.then(|| Rectangle::random(size, words))
    }
}

/// Four random words of an image in an epoch.
fn words(seed: u64, epoch: u32, sample: u32, block: u32) -> [u32; 4] {
    philox4x32([sample, epoch, block, stream::AUGMENT], key(seed))
}

/// An augmentation with a value out of range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum AugmentationError {
    /// The angle is out of range.
    #[error("rotation of {value} degrees: give a number from 0 (none) to 180 (any angle)")]
    Rotate {
        /// The value given.
        value: f32,
    },
    /// The fraction is out of range.
    #[error("translation of {value}: give a fraction of the image's size, from 0 (none) to 1, such as 0.05")]
    Translate {
        /// The value given.
        value: f32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(m: [f64; 6], x: f32, y: f32) -> (f32, f32) {
        let m = m.map(|value| value as f32);
        (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5])
    }

    fn assert_near(found: (f32, f32), expected: (f32, f32)) {
        let error = (found.0 - expected.0).abs().max((found.1 - expected.1).abs());
        assert!(found.0.is_finite() && found.1.is_finite(), "{found:?}");
        assert!(error <= 1e-5, "{found:?}, expected {expected:?}");
    }

    /// A quarter turn counter-clockwise moves the point right of the centre to above it.
    #[test]
    fn a_quarter_turn() {
        let m = inverse_of(90.0, 0.0, 0.0, 28, 28);
        assert_near(apply(m, 13.5, 3.5), (23.5, 13.5)); // above, seen after <- right, before
        assert_near(apply(m, 3.5, 13.5), (13.5, 3.5)); // left <- above
        assert_near(apply(m, 13.5, 13.5), (13.5, 13.5)); // the centre stays
        assert_near(apply(m, 0.0, 0.0), (27.0, 0.0)); // top left <- top right
    }

    #[test]
    fn the_centre_is_that_of_a_non_square_image() {
        let m = inverse_of(180.0, 0.0, 0.0, 3, 5);
        assert_near(apply(m, 2.0, 1.0), (2.0, 1.0));
        assert_near(apply(m, 0.0, 0.0), (4.0, 2.0));
    }

    /// A translation by (2, 3), right and down, moves the pixel at (8, 7) to (10, 10).
    #[test]
    fn a_translation_moves_right_and_down() {
        let m = inverse_of(0.0, 2.0, 3.0, 28, 20);
        assert_eq!(m, [1.0, 0.0, -2.0, 0.0, 1.0, -3.0]);
        assert_near(apply(m, 10.0, 10.0), (8.0, 7.0));
    }

    /// Rotation comes first: the translation is along the image's sides, not along turned axes.
    #[test]
    fn rotation_comes_before_translation() {
        let m = inverse_of(90.0, 2.0, 0.0, 28, 28);
        assert_near(apply(m, 15.5, 13.5), (13.5, 13.5));
    }

    /// Half of the images are mirrored, and nothing else happens to them.
    #[test]
    fn a_flip_mirrors_half_of_the_images() {
        let augmentation = Augmentation::NONE.flip(true);
        let all: Vec<[f32; 6]> = (0..2000).map(|i| augmentation.inverse_affine(3, 0, i, 8, 10)).collect();
        let mirrored = all.iter().filter(|m| **m == [-1.0, 0.0, 9.0, 0.0, 1.0, 0.0]).count();
        let kept = all.iter().filter(|m| **m == IDENTITY).count();
        assert_eq!(mirrored + kept, 2000);
        // Four standard deviations.
        assert!((911..=1089).contains(&mirrored), "{mirrored}");
        assert_ne!(
            all[..64],
            (0..64).map(|i| augmentation.inverse_affine(3, 1, i, 8, 10)).collect::<Vec<_>>()
        );
    }

    /// All shifts by -4 to 4 pixels along both axes are about equally frequent.
    #[test]
    fn a_padded_crop_moves_by_whole_pixels() {
        let augmentation = Augmentation::NONE.crop_padded(4);
        let mut seen = std::collections::BTreeMap::new();
        for sample in 0..8100 {
            let [a, b, tx, c, d, ty] = augmentation.inverse_affine(1, 0, sample, 32, 32);
            assert_eq!([a, b, c, d], [1.0, 0.0, 0.0, 1.0]);
            assert!(tx.fract() == 0.0 && ty.fract() == 0.0 && tx.abs() <= 4.0 && ty.abs() <= 4.0);
            *seen.entry((tx as i32, ty as i32)).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 81);
        // Five standard deviations around 100.
        assert!(seen.values().all(|count| (50..=150).contains(count)), "{seen:?}");
    }

    /// The corners of the image show the corners of the crop, mirrored if it is also flipped.
    #[test]
    fn a_crop_is_seen_at_the_size_of_the_whole() {
        for flip in [false, true] {
            let augmentation = Augmentation::NONE.resized_crop(true).flip(flip);
            for sample in 0..50 {
                let part = augmentation.crop(5, 2, sample, [24, 32]).unwrap();
                let m = augmentation.inverse_affine(5, 2, sample, 24, 32).map(f64::from);
                let (left, right) = (part.left as f32, (part.left + part.width - 1) as f32);
                let bottom = (part.top + part.height - 1) as f32;
                let mirrored = m[0] < 0.0;
                assert!(flip || !mirrored);
                assert_near(apply(m, 0.0, 0.0), (if mirrored { right } else { left }, part.top as f32));
                assert_near(apply(m, 31.0, 23.0), (if mirrored { left } else { right }, bottom));
            }
        }
        assert_eq!(Augmentation::NONE.flip(true).crop(5, 2, 0, [24, 32]), None);
    }

    /// Adding crops and flips did not change the earlier draws.
    #[test]
    fn the_draws_never_change() {
        let m = Augmentation::new(8.0, 0.04).unwrap().inverse_affine(0, 0, 0, 28, 28);
        // Computed by a separate program.
        assert_eq!(m, [0.9975029, 0.07062542, -0.023475325, -0.07062542, 0.9975029, 2.0299394]);
    }

    #[test]
    fn nothing_random_is_the_identity() {
        assert_eq!(Augmentation::NONE.inverse_affine(9, 9, 9, 28, 28), IDENTITY);
        assert_eq!(Augmentation::new(0.0, 0.0).unwrap().inverse_affine(1, 2, 3, 5, 7), IDENTITY);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for bad in [-1.0, 180.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = Augmentation::new(bad, 0.0).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad} degrees")), "{error}");
        }
        for bad in [-0.1, 1.1, f32::NAN] {
            assert!(matches!(Augmentation::new(0.0, bad), Err(AugmentationError::Translate { .. })));
        }
        assert!(Augmentation::new(180.0, 1.0).is_ok());
    }

    /// Over many samples the angle and the translations fill their ranges evenly.
    #[test]
    fn draws_are_uniform_within_their_ranges() {
        let augmentation = Augmentation::new(10.0, 0.05).unwrap();
        let (n, width, height) = (20_000u32, 20, 40);
        let (mut low, mut high, mut sum, mut squares) = ([f64::MAX; 3], [f64::MIN; 3], [0.0; 3], [0.0; 3]);
        for sample in 0..n {
            let m = augmentation.inverse_affine(1, 2, sample, height, width).map(f64::from);
            let (sin, cos) = (m[3], m[0]);
            // The image of the centre: solve m * p = centre for p.
            let (ex, ey) = (9.5 - m[2], 19.5 - m[5]);
            let (dx, dy) = (cos * ex + sin * ey - 9.5, cos * ey - sin * ex - 19.5);
            for (i, value) in [sin.asin().to_degrees() / 10.0, dx, dy / 2.0].into_iter().enumerate() {
                low[i] = low[i].min(value);
                high[i] = high[i].max(value);
                sum[i] += value / f64::from(n);
                squares[i] += value * value / f64::from(n);
            }
        }
        for i in 0..3 {
            assert!(low[i] >= -1.00001 && low[i] <= -0.999, "{low:?}");
            assert!(high[i] <= 1.00001 && high[i] >= 0.999, "{high:?}");
            // Four standard errors of a uniform value's mean and mean square.
            assert!(sum[i].abs() <= 4.0 * 0.577 / 141.0, "{sum:?}");
            assert!((squares[i] - 1.0 / 3.0).abs() <= 4.0 * 0.298 / 141.0, "{squares:?}");
        }
    }

    proptest! {
        /// A transform depends only on its arguments, is rigid, and differs between samples and epochs.
        #[test]
        fn a_transform_is_a_pure_function(seed: u64, epoch: u32, sample: u32, degrees in 0.1f32..180.0) {
            let augmentation = Augmentation::new(degrees, 0.1).unwrap();
            let m = augmentation.inverse_affine(seed, epoch, sample, 28, 28);
            prop_assert_eq!(m, augmentation.inverse_affine(seed, epoch, sample, 28, 28));
            prop_assert!((m[0] * m[4] - m[1] * m[3] - 1.0).abs() <= 1e-6);
            prop_assert_ne!(m, augmentation.inverse_affine(seed, epoch.wrapping_add(1), sample, 28, 28));
            prop_assert_ne!(m, augmentation.inverse_affine(seed, epoch, sample.wrapping_add(1), 28, 28));
            prop_assert_ne!(m, augmentation.inverse_affine(seed ^ (1 << 40), epoch, sample, 28, 28));
        }
    }
}
