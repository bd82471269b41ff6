//! Image preparation: bytes to network input.

mod check;
mod cpu;
mod kernels;

use super::{Each, Extent, F32, Family, Operation, Read, Stored, U8, Write, operand::operands};

/// Rotates, translates, resizes and normalises a batch of images in one pass.
///
/// An output pixel `(oy, ox)` lies at `x = clamp((ox + 0.5) * W / OW - 0.5, 0, W - 1)` of the source, likewise
/// `y` (bilinear resize without antialiasing, pixel centres, `align_corners = false`). The image's transform
/// `[a, b, tx, c, d, ty]`, in pixels of the source, maps it to `(a x + b y + tx, c x + d y + ty)`, where the four neighbours
/// are interpolated; neighbours outside the image are 0, or with `reflect` those mirrored at its first or last pixel. The result is `(value / 255 - mean) / std`.
#[derive(Clone, Debug, PartialEq)]
pub struct PrepareImages {
    /// Images in the batch.
    pub n: usize,
    /// Height and width of the source.
    pub source: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Mean of each channel, in units of 0 to 1; its length is the number of channels.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// Whether images go on outside as their mirror image, which PyTorch calls reflection padding; what is more than a side away is as its
    /// nearest pixel there.
    pub reflect: bool,
}

operands! {
    /// The operands of [`PrepareImages`].
    PrepareImagesOperands { images: Read<U8>, transforms: Read<F32>, output: Write<Stored> }
}

impl PrepareImages {
    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }
}

impl Operation for PrepareImages {
    const NAME: &'static str = "prepare.images";
    type Operands<F: Family> = PrepareImagesOperands<F>;

    fn operands(&self) -> PrepareImagesOperands<Each<Extent>> {
        let [h, w] = self.source;
        let [oh, ow] = self.output;
        PrepareImagesOperands {
            images: [self.n, h, w, self.channels()].into(),
            transforms: [self.n, 6].into(),
            output: [self.n, oh, ow, self.channels()].into(),
        }
    }

    fn flops(&self) -> u64 {
        (self.n * self.output[0] * self.output[1] * self.channels() * 10) as u64
    }
}
