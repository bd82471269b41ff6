//! Winograd rows for [`crate::ops::ConvForward`] and its gradients: transforms of tiles and filters, batched products,
//! a transform back.
//!
//! `winograd4` is F(4x4, 3x3) with 36 products for 16 outputs, `winograd2` F(2x2, 3x3) with 16 for 4; `_lanes` are the
//! variants for software adapters, which take f32 only, `_split` multiplies on matrix units with the accuracy of f32. A batch is
//! processed in chunks of images whose workspaces fit a budget. Prologue and epilogue of a convolution are fused into the transforms: no
//! pass over an activation is added, but for the one that finds the scale of split values.

mod plan;
mod products;
mod transforms;

use plan::{FILTERS, Family, INPUTS, MAXIMA, OUTPUTS, Pass, SCALES, Winograd};
use transforms::{ImageRange, Segments};

use super::{Conv, ConvForward, ConvGradInput, ConvGradWeight};
use crate::{
    dtype::DType,
    kernels::{Caps, Dispatch, Kernel, Row, Stores, cooperative, lanes::Lanes, needs},
};

const TILED4: Winograd = Winograd { outputs: 4, family: Family::Tiled, storage: DType::F32 };
const TILED2: Winograd = Winograd { outputs: 2, family: Family::Tiled, storage: DType::F32 };
const LANES4: Winograd = Winograd { outputs: 4, family: Family::Lanes, storage: DType::F32 };
const LANES2: Winograd = Winograd { outputs: 2, family: Family::Lanes, storage: DType::F32 };
const SPLIT4: Winograd = Winograd { outputs: 4, family: Family::Split, storage: DType::F32 };

macro_rules! rows {
    ($build:ident, $pass:expr) => {
        &[
            row!("winograd4", Both, TILED4, [], $build, $pass),
            row!("winograd2", Both, TILED2, [], $build, $pass),
            row!(
                "winograd4_split",
                Both,
                SPLIT4,
                [
                    needs(cooperative::UNITS, |_, caps| cooperative::fits(caps)),
                    needs("channels divisible by 8", |op, _| {
                        op.conv.c.is_multiple_of(8) && op.conv.k.is_multiple_of(8)
                    }),
                ],
                $build,
                $pass
            ),
            row!("winograd4_lanes", F32, LANES4, [], $build, $pass),
            row!("winograd2_lanes", F32, LANES2, [], $build, $pass),
        ]
    };
}

macro_rules! row {
    (
        $name:literal, $stores:ident, $winograd:ident, [$($needs:expr),* $(,)?], $build:ident, $pass:expr
    ) => {
        Row {
            name: $name,
            stores: Stores::$stores,
            requires: &[
                $($needs,)*
                needs("workspaces within the binding limit, room for the products", |op, caps| {
                    $winograd.fits(&op.conv, caps)
                }),
            ],
            speed: |op, caps| $winograd.speed(&op.conv, caps, $pass),
            build: |op, storage, caps| Winograd { storage, ..$winograd }.$build(op, caps),
        }
    };
}

pub(super) const FORWARD: &[Row<ConvForward>] = rows!(forward, Pass::Forward);
pub(super) const GRAD_INPUT: &[Row<ConvGradInput>] = rows!(grad_input, Pass::GradInput);
pub(super) const GRAD_WEIGHT: &[Row<ConvGradWeight>] = rows!(grad_weight, Pass::GradWeight);

impl Winograd {
    fn fits(self, conv: &Conv, caps: &Caps) -> bool {
        let able = match self.family {
            Family::Tiled => products::tiles_fit(caps),
            Family::Lanes => Lanes::fit(caps, self.padded(conv.k)),
            Family::Split => true,
        };
        able && self.chunks(conv, caps).is_some()
    }

    /// The images of each chunk.
    fn ranges(self, conv: &Conv, caps: &Caps) -> (ImageRange, Vec<ImageRange>) {
        let chunks = self.chunks(conv, caps).expect("`fits` has checked that there are chunks");
        let ranges = (0..chunks.count).map(|chunk| {
            let first = chunk * chunks.images;
            ImageRange { first, count: chunks.images.min(conv.n - first) }
        });
        let ranges: Vec<_> = ranges.collect();
        (ranges[0], ranges)
    }

    fn forward(self, op: &ConvForward, caps: &Caps) -> Kernel {
        let conv = &op.conv;
        let (largest, ranges) = self.ranges(conv, caps);
        let elem = self.elem(caps, conv.k);
        let segments = Segments::of(caps, self.tiles(conv, largest.count), conv.k / elem.lanes());
        let mut dispatches = self.filter_scale(conv);
        dispatches.push(self.filters(conv));
        for (chunk, &images) in ranges.iter().enumerate() {
            let tiles = self.tiles(conv, images.count);
            dispatches.extend(self.inputs(conv, caps, images, op.normalize()));
            dispatches.push(self.product(
                caps,
                [tiles, conv.k, conv.c],
                &[("left", INPUTS), ("right", FILTERS), ("product", OUTPUTS)],
            ));
            dispatches.push(self.outputs(op, caps, images, segments, chunk));
        }
        let mut kernel = self.kernel(conv, largest.count, dispatches);
        if op.statistics {
            let all = ranges.iter().map(|images| segments.within(self.tiles(conv, images.count))).sum();
            kernel = segments.merged(caps, conv.k, all, ranges.len(), kernel);
        }
        kernel
    }

    fn grad_input(self, op: &ConvGradInput, caps: &Caps) -> Kernel {
        let conv = &op.conv;
        let (largest, ranges) = self.ranges(conv, caps);
        let elem = self.elem(caps, conv.c);
        let segments = Segments::of(caps, self.tiles(conv, largest.count), conv.c / elem.lanes());
        let segments = if op.statistics.is_some() { segments.aligned() } else { segments };
        let mut dispatches = self.filter_scale(conv);
        dispatches.push(self.turned_filters(conv));
        for (chunk, &images) in ranges.iter().enumerate() {
            let tiles = self.tiles(conv, images.count);
            dispatches.extend(self.grad_outputs(conv, caps, images, op.through, false));
            dispatches.push(self.product(
                caps,
                [tiles, conv.c, conv.k],
                &[("left", OUTPUTS), ("right", FILTERS), ("product", INPUTS)],
            ));
            dispatches.push(self.grad_inputs(op, caps, images, segments, chunk));
        }
        let kernel = self.kernel(conv, largest.count, dispatches);
        match op.statistics {
            Some(statistics) => segments.summed(caps, conv.c, statistics, ranges.len(), kernel),
            None => kernel,
        }
    }

    fn grad_weight(self, op: &ConvGradWeight, caps: &Caps) -> Kernel {
        let conv = &op.conv;
        let (largest, ranges) = self.ranges(conv, caps);
        let splits = self.splits(caps, conv, self.tiles(conv, largest.count));
        let mut dispatches = Vec::new();
        for (chunk, &images) in ranges.iter().enumerate() {
            dispatches.extend(self.inputs(conv, caps, images, op.normalize()));
            dispatches.extend(self.grad_outputs(conv, caps, images, op.through, true));
            dispatches.push(self.outer_product(
                caps,
                conv,
                self.tiles(conv, images.count),
                splits,
                chunk > 0,
            ));
        }
        dispatches.push(self.grad_filters(op, splits));
        self.kernel(conv, largest.count, dispatches).workspace(FILTERS, 4 * splits * self.filter_words(conv))
    }

    /// A kernel with the workspaces common to all passes.
    fn kernel(self, conv: &Conv, images: usize, dispatches: Vec<Dispatch>) -> Kernel {
        let kernel = Kernel::new(dispatches)
            .workspace(INPUTS, 4 * self.words(conv, images, conv.c))
            .workspace(OUTPUTS, 4 * self.words(conv, images, conv.k))
            .workspace(FILTERS, 4 * self.filter_words(conv));
        match self.family {
            Family::Split => kernel.workspace(SCALES, 4 * 2).workspace(MAXIMA, 4 * transforms::MOST_MAXIMA),
            _ => kernel,
        }
    }
}
