//! Centre crops and random crops.

/// Random crops cover this fraction of an image's area.
const SCALE: [f64; 2] = [0.08, 1.0];

/// The aspect ratios (width / height) of random crops.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// Attempts to draw a random crop that fits, before falling back to a centre crop.
const ATTEMPTS: u32 = 10;

/// A part of an image in whole pixels, not empty and inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Rectangle {
    /// The evaluation's centre crop of an image with height and width `source` for an input of `size`: the largest part with
    /// `size`'s aspect ratio, scaled by `size` / `resize` (of the shorter sides).
    ///
    /// The result is the same as resizing the shorter side to `resize` pixels and then cropping `size` from the centre, but
    /// only the visible part is resized. `None` keeps the full shorter side.
    pub fn centred(source: [usize; 2], size: [usize; 2], resize: Option<usize>) -> Self {
        let [height, width] = source.map(|side| side as u64);
        let [high, wide] = size.map(|side| side.max(1) as u64);
        let shorter = high.min(wide);
        let resize = resize.map_or(shorter, |resize| (resize as u64).max(shorter));
        let part = |side: u64| (side * shorter + resize / 2) / resize;
        let whole = [(width * high / wide).clamp(1, height), (height * wide / high).clamp(1, width)];
        let [height, width] = whole.map(|side| part(side).max(1) as usize);
        Self { top: (source[0] - height) / 2, left: (source[1] - width) / 2, height, width }
    }

    /// A crop of 8 to 100 % of the area with an aspect ratio from 3:4 to 4:3; `words` returns four random words per attempt.
    ///
    /// # Source
    /// Szegedy et al.: "Going Deeper with Convolutions" (2015). As in torchvision's `RandomResizedCrop`, the aspect ratio is
    /// drawn on a logarithmic scale, with a centre crop after ten attempts that do not fit.
    pub(super) fn random([height, width]: [usize; 2], words: impl Fn(u32) -> [u32; 4]) -> Self {
        let area = (height * width) as f64;
        for attempt in 0..ATTEMPTS {
            let [scale, ratio, down, right] = words(attempt);
            let between = |word: u32, [low, high]: [f64; 2]| {
                low + (high - low) * (f64::from(word) + 0.5) / 4_294_967_296.0
            };
            let part = area * between(scale, SCALE);
            let ratio = between(ratio, RATIO.map(f64::ln)).exp();
            let [h, w] = [(part / ratio).sqrt(), (part * ratio).sqrt()].map(|side| side.round() as usize);
            if (1..=height).contains(&h) && (1..=width).contains(&w) {
                let below = |word: u32, bound: usize| ((u64::from(word) * bound as u64) >> 32) as usize;
                let (top, left) = (below(down, height - h + 1), below(right, width - w + 1));
                return Self { top, left, height: h, width: w };
            }
        }
        let bound = |side: f64| (side.round() as usize).max(1);
        let (h, w) = (height as f64, width as f64);
        let (height_, width_) = match w / h {
            ratio if ratio < RATIO[0] => (bound(w / RATIO[0]).min(height), width),
            ratio if ratio > RATIO[1] => (height, bound(h * RATIO[1]).min(width)),
            _ => (height, width),
        };
        Self { top: (height - height_) / 2, left: (width - width_) / 2, height: height_, width: width_ }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::philox4x32;

    #[test]
    fn the_centre_is_what_resizing_and_cutting_leave() {
        let rectangle = |top, left, height, width| Rectangle { top, left, height, width };
        // 500 x 375 resized to 256 along the shorter side is 341 x 256; 224 of 256 is 328 of 375.
        assert_eq!(Rectangle::centred([375, 500], [224, 224], Some(256)), rectangle(23, 86, 328, 328));
        assert_eq!(Rectangle::centred([375, 500], [224, 224], None), rectangle(0, 62, 375, 375));
        assert_eq!(Rectangle::centred([32, 32], [32, 32], None), rectangle(0, 0, 32, 32));
        assert_eq!(Rectangle::centred([1, 900], [224, 224], Some(256)), rectangle(0, 449, 1, 1));
        assert_eq!(Rectangle::centred([100, 100], [20, 40], None), rectangle(25, 0, 50, 100));
    }

    #[test]
    fn random_parts_are_inside_and_as_described() {
        let words = |sample: u32| move |attempt| philox4x32([sample, 0, attempt, 5], [1, 2]);
        let (mut areas, mut wide) = (Vec::new(), 0);
        for sample in 0..4000 {
            let r = Rectangle::random([300, 400], words(sample));
            assert!(r.top + r.height <= 300 && r.left + r.width <= 400, "{r:?}");
            let (area, ratio) = ((r.height * r.width) as f64, r.width as f64 / r.height as f64);
            // Up to the rounding of both sides.
            assert!((0.074..=1.01).contains(&(area / 120_000.0)), "{r:?}");
            assert!((0.74..=1.35).contains(&ratio), "{r:?}");
            areas.push(area / 120_000.0);
            wide += u32::from(ratio > 1.0);
        }
        let mean = areas.iter().sum::<f64>() / 4000.0;
        // Another program found 0.433 and 2304 over 400,000 draws; four standard deviations of 4000.
        assert!((mean - 0.433).abs() <= 0.014, "{mean}");
        assert!((2179..=2429).contains(&wide), "{wide}");
        // No crop with those aspect ratios fits into a stripe.
        let stripe = Rectangle::random([10, 1000], |_| [u32::MAX; 4]);
        assert_eq!(stripe, Rectangle { top: 0, left: 493, height: 10, width: 13 });
        let stripe = Rectangle::random([1000, 3], |_| [u32::MAX; 4]);
        assert_eq!(stripe, Rectangle { top: 498, left: 0, height: 4, width: 3 });
        assert_eq!(Rectangle::random([1, 1], words(0)), Rectangle { top: 0, left: 0, height: 1, width: 1 });
    }
}
