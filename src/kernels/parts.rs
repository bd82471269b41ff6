//! What the rows of the table are put together from.

use super::{Caps, Dispatch, Kernel};
use crate::{dtype::DType, ops::Op, shader::Source};

const READ_PLAIN: &str = include_str!("../../shaders/shared/read_plain.wgsl");
const READ_NORMALIZED: &str = include_str!("../../shaders/shared/read_normalized.wgsl");

/// How a kernel reads its input: as it is, or through batch norm and ReLU.
pub(super) fn read(normalized: bool) -> &'static str {
    if normalized { READ_NORMALIZED } else { READ_PLAIN }
}

/// What takes the loss's scale out of gradients, where they carry one.
pub(super) fn scaling(scaled: bool) -> &'static [&'static str] {
    if scaled { &[LOSS_SCALE, SCALE_LOSS] } else { &[SCALE_NONE] }
}

/// Invocations in a workgroup of the kernels that do not say otherwise. A multiple of every subgroup in use.
pub(super) const WORKGROUP: usize = 64;

/// The name of the scratch buffer of kernels that need only one.
pub(super) const WORKSPACE: &str = "workspace";

pub(super) const GRID: &str = include_str!("../../shaders/shared/grid.wgsl");
pub(super) const CONTROL: &str = include_str!("../../shaders/shared/control.wgsl");
pub(super) const LOSS_SCALE: &str = include_str!("../../shaders/shared/loss_scale.wgsl");
const SCALE_NONE: &str = include_str!("../../shaders/shared/scale_none.wgsl");
const SCALE_LOSS: &str = include_str!("../../shaders/shared/scale_loss.wgsl");
pub(super) const PHILOX: &str = include_str!("../../shaders/shared/philox.wgsl");
pub(super) const MOMENTS: &str = include_str!("../../shaders/shared/moments.wgsl");
pub(super) const REDUCE: &str = include_str!("../../shaders/shared/reduce.wgsl");

/// The operation that a row is for. The table never hands a row another one.
macro_rules! unpack {
    ($op:expr, $variant:ident) => {{
        let crate::ops::Op::$variant(op) = $op.plain() else {
            unreachable!("a row for {} got {}", stringify!($variant), $op.name())
        };
        op
    }};
}
pub(super) use unpack;

/// What an operation computes, whatever its operands are stored as, where the device can store them so: for rows that take
/// both f32 and f16.
pub(super) fn stored<'a>(op: &'a Op, caps: &Caps) -> Option<&'a Op> {
    (op.storage() == DType::F32 || caps.f16).then(|| op.plain())
}

/// A source with the constants that every kernel has.
pub(super) fn source(files: &[&'static str]) -> Source {
    let mut all = vec![GRID];
    all.extend(files);
    Source::new(all).constant("WORKGROUP", WORKGROUP)
}

/// What an invocation of an elementwise kernel touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elem {
    /// One f32.
    Scalar,
    /// Four that lie together.
    Vec4,
}

impl Elem {
    /// The widest that so many channels take.
    pub(super) fn of(channels: usize) -> Self {
        if channels.is_multiple_of(4) { Self::Vec4 } else { Self::Scalar }
    }

    /// How many values.
    pub(super) fn lanes(self) -> usize {
        match self {
            Self::Scalar => 1,
            Self::Vec4 => 4,
        }
    }

    /// Tells a source what `<operand>_elem` is, how many values it has, and as what it is stored: `<operand>_stored`.
    pub(super) fn named(self, storage: DType, operand: &str, source: Source) -> Source {
        let (target, half) = match self {
            Self::Scalar => ("f32", "f16"),
            Self::Vec4 => ("vec4<f32>", "vec4<f16>"),
        };
        source
            .alias(&format!("{operand}_elem"), target)
            .alias(&format!("{operand}_stored"), if storage == DType::F16 { half } else { target })
            .constant(&format!("{}_LANES", operand.to_uppercase()), self.lanes())
    }

    /// Tells a source how many `elem`s a row of `n` values has.
    pub(super) fn columns(self, n: usize, source: Source) -> Source {
        source.constant("COLUMNS", n / self.lanes()).constant("LANES", self.lanes())
    }

    /// Tells a source what `elem`, `index` and `bools` are.
    pub(super) fn alias(self, source: Source) -> Source {
        self.over(DType::F32, source)
    }

    /// As [`Elem::alias`] for kernels whose large operands are stored as f32 or f16, which they declare as `stored`.
    pub(super) fn over(self, storage: DType, source: Source) -> Source {
        let half = storage == DType::F16;
        let source = if half { source.enable("f16") } else { source };
        match self {
            Self::Scalar => source
                .alias("elem", "f32")
                .alias("stored", if half { "f16" } else { "f32" })
                .alias("index", "u32")
                .alias("bools", "bool"),
            Self::Vec4 => source
                .alias("elem", "vec4<f32>")
                .alias("stored", if half { "vec4<f16>" } else { "vec4<f32>" })
                .alias("index", "vec4<u32>")
                .alias("bools", "vec4<bool>"),
        }
    }
}

/// A dispatch with an invocation for each of `invocations` pieces of work.
pub(super) fn dispatch(label: &'static str, source: Source, invocations: usize) -> Dispatch {
    Dispatch::new(label, source, invocations.div_ceil(WORKGROUP) as u64)
}

/// A kernel of one dispatch without a workspace.
pub(super) fn single(source: Source, invocations: usize) -> Kernel {
    Kernel::new(vec![dispatch("", source, invocations)])
}

/// How the chunks of a column become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// A workgroup a channel, in a fixed tree.
    Tree,
    /// An invocation an elem of channels, in order.
    Serial,
}

/// Rows of `[rows, channels]` in chunks that are reduced apart and then merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    /// Rows in a chunk; the last may have fewer.
    pub(super) rows: usize,
    /// How many chunks.
    pub(super) count: usize,
}

impl Chunks {
    /// Chunks of at least this many rows are worth an invocation.
    const LEAST: usize = 32;
    /// Chunks in all, at most: enough invocations for a large GPU, few enough to merge quickly.
    const MOST: usize = 1024;

    pub(super) fn of(rows: usize) -> Self {
        Self::of_at_least(Self::LEAST, rows)
    }

    /// As [`Chunks::of`], where chunks of `least` rows are worth an invocation.
    pub(super) fn of_at_least(least: usize, rows: usize) -> Self {
        let size = rows.div_ceil(Self::MOST).max(least);
        Self { rows: size, count: rows.div_ceil(size) }
    }

    /// Up to this many chunks are merged in order by any row.
    const FEW: usize = 16;

    /// The dispatch that merges the chunks of `channels` columns; `tree` are the files of the tree, `serial` the other.
    /// `finish` adds the constants that both have, `C` excepted.
    pub(super) fn merge(
        self,
        how: Merge,
        elem: Elem,
        channels: usize,
        (tree, serial): ([&'static str; 2], &'static str),
        finish: impl Fn(Source) -> Source,
    ) -> Dispatch {
        if how == Merge::Serial || self.count <= Self::FEW {
            let columns = channels / elem.lanes();
            let source = elem.alias(source(&[serial])).constant("C", columns);
            dispatch("merge", self.constants(finish(source)), columns)
        } else {
            let source = source(&tree).constant("C", channels);
            Dispatch::new("merge", self.constants(finish(source)), channels as u64)
        }
    }

    pub(super) fn constants(self, source: Source) -> Source {
        source.constant("CHUNK", self.rows).constant("CHUNKS", self.count)
    }
}
