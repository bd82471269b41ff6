//! Random erasing, cutout, mixup and CutMix of prepared images.

pub(super) mod check;
mod cpu;
mod kernels;

use super::{Each, Extent, F32, Family, Operation, Read, Stored, Write, operand::operands};

/// Erases a rectangle of each image, and mixes each image with the one before it in the batch (the first with the last).
///
/// With `erased(i)` image `i` with 0 in its erased rectangle, and `share` 0 in its swapped rectangle and elsewhere the image's own:
/// `output[i, y, x, c] = share * erased(i)[y, x, c] + (1 - share) * erased(i - 1)[y, x, c]`. Zero is the mean of normalised images.
///
/// A row of `mixes` is a [`Mix`]: the loss uses its `target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixImages {
    /// Images in the batch.
    pub n: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
}

/// The random numbers of one image, as a row of the operand `mixes`.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Mix {
    /// Top, left, bottom and right of the rectangle that is erased, in pixels, the ends excluded; empty: none.
    pub erased: [f32; 4],
    /// The rectangle in which the image before is seen instead.
    pub swapped: [f32; 4],
    /// The image's share of the pixels outside that rectangle.
    pub share: f32,
    /// The share of the image's own label in the target of the loss; the rest is that of the image before.
    pub target: f32,
}

impl Mix {
    /// The number of floats.
    pub const LEN: usize = 10;

    /// Leaves an image as it is.
    pub const NONE: Self = Self { erased: [0.0; 4], swapped: [0.0; 4], share: 1.0, target: 1.0 };
}

operands! {
    /// The operands of [`MixImages`].
    MixImagesOperands { images: Read<Stored>, mixes: Read<F32>, output: Write<Stored> }
}

impl Operation for MixImages {
    const NAME: &'static str = "mix.images";
    type Operands<F: Family> = MixImagesOperands<F>;

    fn operands(&self) -> MixImagesOperands<Each<Extent>> {
        let [h, w] = self.size;
        let images: Extent = [self.n, h, w, self.channels].into();
        MixImagesOperands { images: images.clone(), mixes: [self.n, Mix::LEN].into(), output: images }
    }

    fn flops(&self) -> u64 {
        3 * (self.n * self.size[0] * self.size[1] * self.channels) as u64
    }
}
