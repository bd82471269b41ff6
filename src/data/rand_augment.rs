//! RandAugment: the same number of random operations on every training image, as pure functions of (seed, epoch, sample).

use super::affine::{composed, inverse_of};
use crate::rng::{key, philox4x32, stream};

/// How many operations an image has, and how strong they are.
///
/// # Source
/// Cubuk et al.: "RandAugment: practical automated data augmentation with a reduced search space" (2020), with the fourteen operations,
/// the strengths and the roundings of torchvision's `RandAugment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandAugment {
    /// Operations on each image, of which several may be the same.
    pub operations: u32,
    /// The strength, 0 to [`RandAugment::STRONGEST`].
    pub magnitude: u32,
}

/// One operation with its strength, as torchvision names and measures them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tone {
    /// The image times a factor.
    Brightness(f64),
    /// Between the grey image and the image, or beyond; nothing for grey images.
    Color(f64),
    /// Between the mean grey and the image, or beyond.
    Contrast(f64),
    /// Between the blurred image and the image, or beyond.
    Sharpness(f64),
    /// Only the highest bits of each value.
    Posterize(u32),
    /// Values from this one on are inverted.
    Solarize(f64),
    /// Each channel from 0 to 255.
    AutoContrast,
    /// Each channel with an even histogram.
    Equalize,
}

/// One operation on an image: on positions, on values, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AugmentStep {
    /// None.
    Identity,
    /// The inverse transform, as [`Augmentation`](super::Augmentation) has it.
    Affine([f64; 6]),
    /// On values.
    Tone(Tone),
}

/// The number of kinds of operations.
const KINDS: u64 = 14;

/// The first of the Philox blocks that determine the operations.
const FIRST_BLOCK: u32 = 192;

impl RandAugment {
    /// The largest strength.
    pub const STRONGEST: u32 = 30;

    /// The operations on one image of `height` and `width` pixels in one epoch, in their order.
    ///
    /// # Numerics
    /// The Philox block with counter `[sample, epoch, 192 + i, AUGMENT]` determines the kind of operation `i` and its sign.
    fn operations(
        self,
        seed: u64,
        epoch: u32,
        sample: u32,
        size: [usize; 2],
    ) -> impl Iterator<Item = AugmentStep> {
        (0..self.operations).map(move |index| {
            let [kind, sign, ..] =
                philox4x32([sample, epoch, FIRST_BLOCK + index, stream::AUGMENT], key(seed));
            self.operation((u64::from(kind) * KINDS) >> 32, sign & 1 == 1, size)
        })
    }

    /// The operation of a kind, in torchvision's order; `negative` where the strength has a sign.
    pub fn operation(self, kind: u64, negative: bool, [height, width]: [usize; 2]) -> AugmentStep {
        let share = f64::from(self.magnitude) / f64::from(Self::STRONGEST);
        // torch.linspace, in f32, from both ends to the middle.
        let of = |largest: f64| {
            let (steps, largest) = (Self::STRONGEST, largest as f32);
            let step = largest / steps as f32;
            let strength = match self.magnitude {
                few if few < steps.div_ceil(2) => step * few as f32,
                many => largest - step * (steps - many) as f32,
            };
            f64::from(if negative { -strength } else { strength })
        };
        let tone = AugmentStep::Tone;
        match kind {
            1 => AugmentStep::Affine(shear_x(of(0.3))),
            2 => AugmentStep::Affine(shear_y(of(0.3))),
            3 => AugmentStep::Affine([1.0, 0.0, -of(150.0 / 331.0 * width as f64).trunc(), 0.0, 1.0, 0.0]),
            4 => AugmentStep::Affine([1.0, 0.0, 0.0, 0.0, 1.0, -of(150.0 / 331.0 * height as f64).trunc()]),
            5 => AugmentStep::Affine(inverse_of(of(30.0), 0.0, 0.0, height, width)),
            6 => tone(Tone::Brightness(1.0 + of(0.9))),
            7 => tone(Tone::Color(1.0 + of(0.9))),
            8 => tone(Tone::Contrast(1.0 + of(0.9))),
            9 => tone(Tone::Sharpness(1.0 + of(0.9))),
            // Halves are rounded to even, as by torch.round.
            10 => tone(Tone::Posterize(8 - (4.0 * share).round_ties_even() as u32)),
            11 => tone(Tone::Solarize(255.0 * (1.0 - share))),
            12 => tone(Tone::AutoContrast),
            13 => tone(Tone::Equalize),
            _ => AugmentStep::Identity,
        }
    }

    /// The inverse transform of the operations on positions, after `inverse`, that of what follows them.
    pub(super) fn inverse_affine(
        self,
        inverse: [f64; 6],
        seed: u64,
        epoch: u32,
        sample: u32,
        size: [usize; 2],
    ) -> [f64; 6] {
        let operations: Vec<AugmentStep> = self.operations(seed, epoch, sample, size).collect();
        operations.into_iter().rev().fold(inverse, |inverse, operation| match operation {
            AugmentStep::Affine(matrix) => composed(matrix, inverse),
            _ => inverse,
        })
    }

    /// Applies the operations on values to an image `[H, W, C]`.
    pub(super) fn apply(self, seed: u64, epoch: u32, sample: u32, size: [usize; 2], pixels: &mut [u8]) {
        for operation in self.operations(seed, epoch, sample, size) {
            if let AugmentStep::Tone(tone) = operation {
                tone.apply(pixels, size);
            }
        }
    }
}

/// The inverse of torchvision's shear by `slope` along x: about the corner of the first pixel.
fn shear_x(slope: f64) -> [f64; 6] {
    [1.0, slope, 0.5 * slope, 0.0, 1.0, 0.0]
}

fn shear_y(slope: f64) -> [f64; 6] {
    [1.0, 0.0, 0.0, slope, 1.0, 0.5 * slope]
}

impl Tone {
    /// Applies it to an image `[H, W, C]` of one channel or three.
    pub fn apply(self, pixels: &mut [u8], [height, width]: [usize; 2]) {
        let channels = pixels.len() / (height * width);
        match self {
            Self::Brightness(factor) => blend(pixels, factor, |_| 0.0),
            Self::Color(factor) => {
                for pixel in pixels.chunks_exact_mut(3).filter(|_| channels == 3) {
                    let grey = f32::from(grey(pixel));
                    blend(pixel, factor, |_| grey);
                }
            }
            Self::Contrast(factor) => {
                let sum: u64 = pixels.chunks_exact(channels).map(|pixel| u64::from(grey(pixel))).sum();
                let mean = (sum as f64 / (height * width) as f64) as f32;
                blend(pixels, factor, |_| mean);
            }
            Self::Sharpness(factor) => sharpen(pixels, factor, [height, width, channels]),
            Self::Posterize(bits) => {
                let mask = !(0xffu32 >> bits) as u8;
                pixels.iter_mut().for_each(|value| *value &= mask);
            }
            Self::Solarize(threshold) => {
                let inverted = pixels.iter_mut().filter(|value| f64::from(**value) >= threshold);
                inverted.for_each(|value| *value = 255 - *value);
            }
            Self::AutoContrast => {
                for channel in 0..channels {
                    let values = || pixels.iter().skip(channel).step_by(channels).copied();
                    let [Some(lowest), Some(highest)] = [values().min(), values().max()] else { continue };
                    if lowest < highest {
                        let scale = 255.0 / f32::from(highest - lowest);
                        let table: Vec<u8> = (0..=255u8)
                            .map(|value| {
                                ((f32::from(value) - f32::from(lowest)) * scale).clamp(0.0, 255.0) as u8
                            })
                            .collect();
                        look_up(pixels, channel, channels, &table);
                    }
                }
            }
            Self::Equalize => {
                for channel in 0..channels {
                    if let Some(table) = equalizing(pixels.iter().skip(channel).step_by(channels)) {
                        look_up(pixels, channel, channels, &table);
                    }
                }
            }
        }
    }
}

/// The grey value of a pixel, as torchvision truncates it.
fn grey(pixel: &[u8]) -> u8 {
    match *pixel {
        [r, g, b] => (0.2989 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)) as u8,
        [value, ..] => value,
        [] => 0,
    }
}

/// `factor value + (1 - factor) other`, each product and the sum rounded to f32, truncated to a byte.
fn blend(values: &mut [u8], factor: f64, other: impl Fn(usize) -> f32) {
    let [own, rest] = [factor as f32, (1.0 - factor) as f32];
    for (index, value) in values.iter_mut().enumerate() {
        *value = (own * f32::from(*value) + rest * other(index)).clamp(0.0, 255.0) as u8;
    }
}

/// Blends with the image under the kernel of five in the centre and ones around it; pixels at the border stay.
fn sharpen(pixels: &mut [u8], factor: f64, [height, width, channels]: [usize; 3]) {
    if height <= 2 || width <= 2 {
        return;
    }
    let source = pixels.to_vec();
    let row = width * channels;
    let blurred = |index: usize| {
        let (y, x) = (index / row, index % row / channels);
        if y == 0 || y + 1 == height || x == 0 || x + 1 == width {
            return f32::from(source[index]);
        }
        let around = |at: usize| {
            [at - channels, at, at + channels].map(|at| u32::from(source[at])).iter().sum::<u32>()
        };
        let sum = around(index - row) + around(index) + around(index + row) + 4 * u32::from(source[index]);
        // No multiple of 1/13 lies halfway between two numbers.
        ((2 * sum + 13) / 26) as f32
    };
    blend(pixels, factor, blurred);
}

fn look_up(pixels: &mut [u8], channel: usize, channels: usize, table: &[u8]) {
    let values = pixels.iter_mut().skip(channel).step_by(channels);
    values.for_each(|value| *value = table[usize::from(*value)]);
}

/// The table that makes a histogram even; `None` if it already is as even as it gets.
fn equalizing<'a>(values: impl Iterator<Item = &'a u8>) -> Option<Vec<u8>> {
    let mut counts = [0u64; 256];
    values.for_each(|&value| counts[usize::from(value)] += 1);
    let last = counts.iter().rfind(|&&count| count > 0)?;
    let step = (counts.iter().sum::<u64>() - last) / 255;
    if step == 0 {
        return None;
    }
    let mut below = 0;
    let table = counts.iter().map(|count| {
        let level = if below == 0 { 0 } else { ((below + step / 2) / step).min(255) };
        below += count;
        level as u8
    });
    Some(table.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind comes up equally often, with either sign.
    #[test]
    fn operations_are_drawn_evenly() {
        let of = RandAugment { operations: 2, magnitude: 9 };
        let all: Vec<AugmentStep> =
            (0..14_000).flat_map(|sample| of.operations(3, 1, sample, [24, 32])).collect();
        assert_eq!(all.len(), 28_000);
        let kinds = (0..14).flat_map(|kind| [false, true].map(|sign| of.operation(kind, sign, [24, 32])));
        for operation in kinds {
            let count = all.iter().filter(|&&drawn| drawn == operation).count() as f64;
            let signed = operation != of.operation(0, false, [1, 1])
                && !matches!(
                    operation,
                    AugmentStep::Tone(
                        Tone::Posterize(_) | Tone::Solarize(_) | Tone::AutoContrast | Tone::Equalize
                    )
                );
            let expected = if signed { 1000.0 } else { 2000.0 };
            // Five standard deviations.
            assert!((count - expected).abs() <= 5.0 * f64::sqrt(expected), "{operation:?}: {count}");
        }
        let again: Vec<AugmentStep> = of.operations(3, 1, 77, [24, 32]).collect();
        assert_eq!(again, all[154..156]);
        assert_ne!(
            of.operations(3, 2, 77, [24, 32]).collect::<Vec<_>>(),
            of.operations(4, 1, 77, [24, 32]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn transforms_are_applied_in_their_order() {
        let half = composed(shear_x(0.5), [1.0, 0.0, 2.0, 0.0, 1.0, 4.0]);
        // First moved by (2, 4), then sheared.
        assert_eq!(half, [1.0, 0.5, 4.25, 0.0, 1.0, 4.0]);
    }
}
