//! The division of a convolution into tiles, and of a batch into chunks whose workspaces fit.

use crate::{dtype::DType, kernels::Caps, ops::Conv};

/// The workspaces: tiles of inputs and of outputs at the points of the transform, and filters.
pub(super) const INPUTS: &str = "winograd_input";
pub(super) const OUTPUTS: &str = "winograd_output";
pub(super) const FILTERS: &str = "winograd_filter";
/// The scales of a product's two operands, and what they are computed from.
pub(super) const SCALES: &str = "scales";
pub(super) const MAXIMA: &str = "maxima";

/// The kind of products that a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Tiles through workgroup memory.
    Tiled,
    /// The registers of one subgroup: software adapters.
    Lanes,
    /// Matrix units, in f32 as products of values split in two f16.
    Split,
}

/// Winograd's `F(outputs x outputs, 3x3)` by one family of products.
#[derive(Clone, Copy, Debug)]
pub(super) struct Winograd {
    /// Outputs per side of a tile: 2 or 4.
    pub(super) outputs: usize,
    /// The kind of products.
    pub(super) family: Family,
    /// The storage type of a convolution's operands, except the weights' gradient; workspaces are f32.
    pub(super) storage: DType,
}

/// The three passes, by their transforms of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// From the weights in their layout.
    Forward,
    /// From the rotated and transposed weights.
    GradInput,
    /// To the weights' gradient.
    GradWeight,
}

/// The target size in bytes of a chunk's workspace: enough work for a large GPU in each dispatch.
const BUDGET: u64 = 256 << 20;
/// The same on a software adapter: two such workspaces stay in the last-level cache.
const SOFTWARE_BUDGET: u64 = 4 << 20;
/// Bindings begin at multiples of this many values, a power of two: 256 bytes of f32, or of f16.
const ALIGNMENT: [usize; 2] = [64, 128];

/// The images per chunk, and the number of chunks in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Images in a chunk; the last may have fewer.
    pub(super) images: usize,
    /// The number of chunks.
    pub(super) count: usize,
}

impl Winograd {
    /// Inputs per side of a tile, which is also its number of products in one dimension.
    pub(super) fn points(self) -> usize {
        self.outputs + 2
    }

    /// Products of a tile.
    pub(super) fn products(self) -> usize {
        self.points() * self.points()
    }

    /// Tiles along height and width.
    pub(super) fn grid(self, conv: &Conv) -> [usize; 2] {
        [conv.h.div_ceil(self.outputs), conv.w.div_ceil(self.outputs)]
    }

    /// Channels as stored in the workspaces: padded so that the products need no guards.
    pub(super) fn padded(self, channels: usize) -> usize {
        channels.next_multiple_of(match self.family {
            Family::Tiled => 4,
            Family::Lanes => 16,
            Family::Split => 8,
        })
    }

    /// Words of the transformed tiles of some images.
    pub(super) fn words(self, conv: &Conv, images: usize, channels: usize) -> usize {
        let [h, w] = self.grid(conv);
        self.products() * images * h * w * self.padded(channels)
    }

    /// Words of the transformed filters.
    pub(super) fn filter_words(self, conv: &Conv) -> usize {
        self.products() * self.padded(conv.c) * self.padded(conv.k)
    }

    /// The chunks of a batch, as close to the budget as the alignment of bindings allows; `None` if no workspace that the
    /// device can bind is large enough.
    pub(super) fn chunks(self, conv: &Conv, caps: &Caps) -> Option<Chunks> {
        let words = |images| self.words(conv, images, conv.c.max(conv.k));
        let fits = |words: usize| 4 * words as u64 <= caps.binding_bytes;
        let budget = caps.binding_bytes.min(if caps.software() { SOFTWARE_BUDGET } else { BUDGET });
        let wanted = usize::try_from(budget / (4 * words(1)) as u64).unwrap_or(usize::MAX).clamp(1, conv.n);
        // Images whose inputs and outputs end where a binding can begin.
        let pixels = conv.h * conv.w;
        let alignment = ALIGNMENT[usize::from(self.family != Family::Lanes)];
        let aligned = |channels: usize| {
            alignment >> (pixels * channels).trailing_zeros().min(alignment.trailing_zeros())
        };
        let group = aligned(conv.c).max(aligned(conv.k));
        let count = conv.n.div_ceil(wanted);
        let images = conv.n.div_ceil(count).next_multiple_of(group).min(conv.n);
        let chunks = Chunks { images, count: conv.n.div_ceil(images) };
        (fits(words(images)) && fits(self.filter_words(conv))).then_some(chunks)
    }
}

impl Winograd {
    /// The ratio of the direct convolution's multiply-adds to those of the products.
    fn saving(self, conv: &Conv) -> f64 {
        let [h, w] = self.grid(conv);
        (9 * conv.h * conv.w) as f64 / (self.products() * h * w) as f64
    }

    /// The expected speed in percent of a tiled direct convolution.
    pub(super) fn speed(self, conv: &Conv, caps: &Caps, pass: Pass) -> u32 {
        match (self.family, caps.software()) {
            (Family::Tiled, false) => self.speed_on_gpu(conv),
            (Family::Lanes, true) => self.speed_on_software(conv, pass),
            // Never timed on a GPU: only `vgg tune` chooses it, where it is the fastest.
            _ => 0,
        }
    }

    /// Estimated, not measured: the transforms' memory traffic takes as long as the products of 64 channels. With few channels
    /// or pixels the products' tiles are mostly empty.
    fn speed_on_gpu(self, conv: &Conv) -> u32 {
        if conv.c.min(conv.k) < 32 || conv.pixels() < 4096 {
            return 0;
        }
        let narrow = conv.c.min(conv.k) as f64;
        (100.0 * self.saving(conv) * narrow / (narrow + 64.0)) as u32
    }

    /// Measured on llvmpipe relative to the direct `lanes` rows (300) on the layers of VGG16 at 28 px: the cost of a transformed
    /// value of a tile and of a filter, in multiply-adds of a product. Machines differ: a value of F(4x4)'s tiles cost 64 to 69
    /// on an AMD EPYC and 13 to 26 on an Intel Xeon; the constants are geometric means.
    fn speed_on_software(self, conv: &Conv, pass: Pass) -> u32 {
        let (tile, filter) = match (self.outputs, pass) {
            (4, Pass::Forward) => (40.0, 35.0),
            (4, Pass::GradInput) => (40.0, 45.0),
            (4, Pass::GradWeight) => (40.0, 77.0),
            (_, Pass::Forward) => (28.0, 20.0),
            (_, Pass::GradInput) => (28.0, 50.0),
            (_, Pass::GradWeight) => (28.0, 42.0),
        };
        let transforms = tile * (1.0 / conv.c as f64 + 1.0 / conv.k as f64);
        let filters = filter * self.products() as f64 / (9 * conv.pixels()) as f64;
        (300.0 / ((1.0 + transforms) / self.saving(conv) + filters)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::DeviceClass;

    #[test]
    fn chunks_cover_the_batch_within_the_limits() {
        let winograd = Winograd { outputs: 4, family: Family::Tiled, storage: DType::F16 };
        for binding_bytes in [1 << 20, 128 << 20, 2 << 30] {
            for class in [DeviceClass::Discrete, DeviceClass::Software] {
                let caps = Caps { class, binding_bytes, ..Caps::WEBGPU };
                for (n, side, c, k) in [(64, 224, 64, 64), (64, 14, 512, 512), (7, 5, 3, 5), (130, 9, 6, 7)] {
                    let conv = Conv { n, h: side, w: side, c, k };
                    let Some(Chunks { images, count }) = winograd.chunks(&conv, &caps) else { continue };
                    assert!(images * count >= n && images * (count - 1) < n, "{conv:?}");
                    assert!(4 * winograd.words(&conv, images, c.max(k)) as u64 <= binding_bytes, "{conv:?}");
                    let aligned =
                        |channels: usize| (images * side * side * channels).is_multiple_of(ALIGNMENT[1]);
                    assert!(count == 1 || aligned(c) && aligned(k), "{conv:?}");
                }
            }
        }
        let large = Conv { n: 64, h: 224, w: 224, c: 64, k: 64 };
        assert_eq!(winograd.chunks(&large, &Caps::WEBGPU), Some(Chunks { images: 4, count: 16 }));
        assert_eq!(winograd.chunks(&large, &Caps { binding_bytes: 1 << 20, ..Caps::WEBGPU }), None);
    }
}
