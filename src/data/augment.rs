//! Random rotations and translations, as pure functions of (seed, epoch, sample).

use crate::rng::{key, philox4x32, stream};

/// The transform that leaves an image as it is.
pub const IDENTITY: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

/// How far training images are rotated and translated at random.
///
/// An image turns about its centre `((W - 1) / 2, (H - 1) / 2)` by an angle uniform in `-rotate_degrees` to
/// `rotate_degrees`, counter-clockwise as seen for positive angles, and then moves by `(dx, dy)` pixels,
/// `dx` uniform within `translate * W` and `dy` within `translate * H` to either side, right and down for
/// positive values and not rounded to whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    rotate_degrees: f32,
    translate: f32,
}

impl Augmentation {
    /// Leaves every image as it is.
    pub const NONE: Self = Self { rotate_degrees: 0.0, translate: 0.0 };

    /// Rotation within `rotate_degrees` (0 to 180) and translation within the fraction `translate` (0 to 1)
    /// of the width and of the height.
    ///
    /// # Errors
    /// [`AugmentationError`] where a value is outside its range or not finite.
    pub fn new(rotate_degrees: f32, translate: f32) -> Result<Self, AugmentationError> {
        if !(0.0..=180.0).contains(&rotate_degrees) {
            return Err(AugmentationError::Rotate { value: rotate_degrees });
        }
        if !(0.0..=1.0).contains(&translate) {
            return Err(AugmentationError::Translate { value: translate });
        }
        Ok(Self { rotate_degrees, translate })
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
    /// It leads backwards, from a position `(x, y)` of the result to the position of the source that is seen
    /// there, `(a x + b y + tx, c x + d y + ty)`, both in pixels of the source (x to the right, y down, pixel
    /// centres at whole numbers). The forward transform is [`Augmentation`]'s: rotate, then translate.
    /// Exactly [`IDENTITY`] where nothing is random.
    ///
    /// # Numerics
    /// One Philox block per image, counter `[sample, epoch, 0, AUGMENT]`; its first three words give the
    /// angle, dx and dy. Computed in f64 and rounded to f32 once.
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
        let words = philox4x32([sample, epoch, 0, stream::AUGMENT], key(seed));
        // The middles of 2^32 equal parts of (-1, 1): symmetric, both ends excluded.
        let [turn, right, down, _] = words.map(|word| (f64::from(word) + 0.5) / 2_147_483_648.0 - 1.0);
        let degrees = turn * f64::from(self.rotate_degrees);
        let dx = right * f64::from(self.translate) * width as f64;
        let dy = down * f64::from(self.translate) * height as f64;
        inverse_of(degrees, dx, dy, height, width)
    }
}

/// The inverse of: rotate by `degrees` counter-clockwise about the centre, then translate by `(dx, dy)` pixels.
///
/// With y down, a counter-clockwise turn takes `(x, y)` to `(x cos + y sin, y cos - x sin)`; its inverse is the
/// transpose.
fn inverse_of(degrees: f64, dx: f64, dy: f64, height: usize, width: usize) -> [f32; 6] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
    let tx = cx - cos * (cx + dx) + sin * (cy + dy);
    let ty = cy - sin * (cx + dx) - cos * (cy + dy);
    [cos, -sin, tx, sin, cos, ty].map(|value| value as f32)
}

/// An augmentation that cannot be.
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

    fn apply(m: [f32; 6], x: f32, y: f32) -> (f32, f32) {
        (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5])
    }

    fn assert_near(found: (f32, f32), expected: (f32, f32)) {
        let error = (found.0 - expected.0).abs().max((found.1 - expected.1).abs());
        assert!(found.0.is_finite() && found.1.is_finite(), "{found:?}");
        assert!(error <= 1e-5, "{found:?}, expected {expected:?}");
    }

    /// A quarter turn counter-clockwise brings what was right of the centre to above it.
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

    /// Moving right and down by (2, 3) shows at (10, 10) what was at (8, 7).
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

    /// Over many samples the angle and the moves fill their ranges evenly.
    #[test]
    fn draws_are_uniform_within_their_ranges() {
        let augmentation = Augmentation::new(10.0, 0.05).unwrap();
        let (n, width, height) = (20_000u32, 20, 40);
        let (mut low, mut high, mut sum, mut squares) = ([f64::MAX; 3], [f64::MIN; 3], [0.0; 3], [0.0; 3]);
        for sample in 0..n {
            let m = augmentation.inverse_affine(1, 2, sample, height, width).map(f64::from);
            let (sin, cos) = (m[3], m[0]);
            // Where the centre goes: solve m * p = centre for p.
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
        /// A transform depends on nothing but its arguments, is rigid, and differs between samples and epochs.
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
