//! Test-time augmentation: the variants of an image whose answers are averaged.

use std::{fmt, str::FromStr};

/// Which variants of a test image are classified next to the image itself. Their probabilities are averaged, as Simonyan and Zisserman
/// average those of an image and its mirror image (2015, section 3.2). Others (airbench, timm) average logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestAugmentation {
    /// The mirror image.
    pub flip: bool,
    /// The image moved by a pixel, up and left, and down and right, each with half the weight of the image, as Jordan does (airbench,
    /// 2024). The missing edge is reflected.
    pub shift: bool,
}

/// A variant of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// Whether they are mirrored, left to right.
    pub flip: bool,
    /// How many pixels right and down they are moved, after mirroring.
    pub shift: isize,
    /// Its share of the average.
    pub weight: f32,
}

impl TestAugmentation {
    /// The image alone.
    pub const NONE: Self = Self { flip: false, shift: false };

    /// The variants, the image itself first; their weights add up to 1.
    pub fn variants(self) -> Vec<Variant> {
        let shifts: &[(isize, f32)] =
            if self.shift { &[(0, 0.5), (-1, 0.25), (1, 0.25)] } else { &[(0, 1.0)] };
        let flips: &[bool] = if self.flip { &[false, true] } else { &[false] };
        shifts
            .iter()
            .flat_map(|&(shift, weight)| {
                flips.iter().map(move |&flip| Variant { flip, shift, weight: weight / flips.len() as f32 })
            })
            .collect()
    }
}

impl Variant {
    /// The variant of images `[N, H, W, C]` of the size `[H, W, C]`.
    pub fn of(self, images: &[u8], [height, width, channels]: [usize; 3]) -> Vec<u8> {
        if !self.flip && self.shift == 0 {
            return images.to_vec();
        }
        let mut moved = Vec::with_capacity(images.len());
        for image in images.chunks_exact(height * width * channels) {
            for y in 0..height {
                let row = reflected(y as isize - self.shift, height) * width;
                for x in 0..width {
                    let x = reflected(x as isize - self.shift, width);
                    let x = if self.flip { width - 1 - x } else { x };
                    moved.extend_from_slice(&image[(row + x) * channels..][..channels]);
                }
            }
        }
        moved
    }
}

/// The place in an image of a place outside it, with the image mirrored at the centre of its last pixel.
fn reflected(at: isize, length: usize) -> usize {
    let last = length as isize - 1;
    let at = if at < 0 {
        -at
    } else if at > last {
        2 * last - at
    } else {
        at
    };
    at.clamp(0, last) as usize
}

/// A value of `--tta` that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a variant of an image: give flip, shift or both, as in flip,shift")]
pub struct TestAugmentationError(String);

impl FromStr for TestAugmentation {
    type Err = TestAugmentationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::NONE;
        for word in text.split(',').map(str::trim) {
            match word {
                "flip" => all.flip = true,
                "shift" => all.shift = true,
                _ => return Err(TestAugmentationError(word.to_owned())),
            }
        }
        Ok(all)
    }
}

impl fmt::Display for TestAugmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [("flip", self.flip), ("shift", self.shift)];
        let words: Vec<&str> = words.into_iter().filter(|(_, on)| *on).map(|(word, _)| word).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_mirrored_and_moved() {
        // Two images of 2 x 3 pixels and two channels.
        let images: Vec<u8> = (0..24).collect();
        let size = [2, 3, 2];
        let variant = |flip, shift| Variant { flip, shift, weight: 1.0 }.of(&images, size);
        assert_eq!(variant(false, 0), images);
        assert_eq!(variant(true, 0)[..12], [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7]);
        assert_eq!(variant(true, 0)[12..18], [16, 17, 14, 15, 12, 13]);
        // Down and right: the first row and column are the second ones of the image, reflected.
        assert_eq!(variant(false, 1)[..12], [8, 9, 6, 7, 8, 9, 2, 3, 0, 1, 2, 3]);
        assert_eq!(variant(false, -1)[..12], [8, 9, 10, 11, 8, 9, 2, 3, 4, 5, 2, 3]);
        let twice = Variant { flip: true, shift: 0, weight: 1.0 }.of(&variant(true, 0), size);
        assert_eq!(twice, images);
        let one = Variant { flip: true, shift: 1, weight: 1.0 };
        assert_eq!(one.of(&[7], [1, 1, 1]), [7]);
    }

    #[test]
    fn weights_add_up_and_words_are_read() {
        for (text, count) in [("flip", 2), ("shift", 3), ("flip,shift", 6), ("shift, flip", 6)] {
            let all: TestAugmentation = text.parse().unwrap();
            let variants = all.variants();
            assert_eq!((variants.len(), all.to_string().parse()), (count, Ok(all)));
            assert_eq!(variants.iter().map(|variant| variant.weight).sum::<f32>(), 1.0);
            assert!(!variants[0].flip && variants[0].shift == 0);
        }
        assert_eq!(TestAugmentation::NONE.variants().len(), 1);
        for text in ["", "mirror", "flip,,shift"] {
            assert!(text.parse::<TestAugmentation>().is_err(), "{text}");
        }
    }
}
