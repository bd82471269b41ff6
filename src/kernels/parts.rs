//! Building blocks for the rows of the table.

use super::{Dispatch, Kernel};
use crate::{
    dtype::DType,
    shader::{Fragment, Source, fragment},
};

/// The fragments for the factor of an update's gradients, with or without loss scaling.
pub(crate) fn scaling(scaled: bool) -> &'static [Fragment] {
    if scaled { &[LOSS_SCALE, SCALE_LOSS] } else { &[SCALE_NONE] }
}

/// What an optimiser step leaves in a parameter: the new value, or 0 where a `sparse` parameter is exactly 0.
pub(crate) fn updated(sparse: bool) -> Fragment {
    if sparse { UPDATED_NONZERO } else { UPDATED_ALL }
}

/// The default number of invocations in a workgroup. A multiple of every subgroup size in use.
pub(crate) const WORKGROUP: usize = 64;

/// The name of the scratch buffer of kernels that need only one.
pub(crate) const WORKSPACE: &str = "workspace";

const EACH: Fragment = fragment!("entry/each.wgsl");
const ANY_LENGTH: Fragment = fragment!("entry/any_length.wgsl");
const WORKGROUPS: Fragment = fragment!("entry/workgroups.wgsl");
const SUBGROUPS: Fragment = fragment!("entry/subgroups.wgsl");
pub(crate) const CONTROL: Fragment = fragment!("shared/control.wgsl");
pub(crate) const LOSS_SCALE: Fragment = fragment!("shared/loss_scale.wgsl");
const UPDATED_ALL: Fragment = fragment!("shared/updated_all.wgsl");
const UPDATED_NONZERO: Fragment = fragment!("shared/updated_nonzero.wgsl");
const SCALE_NONE: Fragment = fragment!("shared/scale_none.wgsl");
const SCALE_LOSS: Fragment = fragment!("shared/scale_loss.wgsl");
pub(crate) const PHILOX: Fragment = fragment!("shared/philox.wgsl");
pub(crate) const MOMENTS: Fragment = fragment!("shared/moments.wgsl");
pub(crate) const REDUCE: Fragment = fragment!("shared/reduce.wgsl");

/// `1 - decay`, computed in f64: in f32 it would lose the last digits of a decay near 1.
pub(crate) fn complement(decay: f32) -> f32 {
    (1.0 - f64::from(decay)) as f32
}

/// The element of an elementwise kernel's invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elem {
    /// One f32.
    Scalar,
    /// Four adjacent f32.
    Vec4,
}

impl Elem {
    /// The widest element that divides `channels`.
    pub(crate) fn of(channels: usize) -> Self {
        if channels.is_multiple_of(4) { Self::Vec4 } else { Self::Scalar }
    }

    /// The number of values.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Self::Scalar => 1,
            Self::Vec4 => 4,
        }
    }

    /// Defines `<operand>_elem`, its number of values, and its storage type `<operand>_stored` in a source.
    pub(crate) fn named(self, storage: DType, operand: &str, source: Source) -> Source {
        let (target, half) = match self {
            Self::Scalar => ("f32", "f16"),
            Self::Vec4 => ("vec4<f32>", "vec4<f16>"),
        };
        source
            .alias(&format!("{operand}_elem"), target)
            .alias(&format!("{operand}_stored"), if storage == DType::F16 { half } else { target })
            .constant(&format!("{}_LANES", operand.to_uppercase()), self.lanes())
    }

    /// Defines the number of `elem`s in a row of `n` values in a source.
    pub(crate) fn columns(self, n: usize, source: Source) -> Source {
        source.constant("COLUMNS", n / self.lanes()).constant("LANES", self.lanes())
    }

    /// Defines `elem`, `index` and `bools` in a source.
    pub(crate) fn alias(self, source: Source) -> Source {
        self.over(DType::F32, source)
    }

    /// As [`Elem::alias`], for kernels that declare large operands, stored as f32 or f16, as `stored`.
    pub(crate) fn over(self, storage: DType, source: Source) -> Source {
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

/// A dispatch that calls `each(i)` for every i below `count`.
pub(crate) fn each(label: &'static str, source: Source, count: usize) -> Dispatch {
    each_in(label, source, WORKGROUP, count)
}

/// As [`each`], in workgroups of `size` invocations.
pub(crate) fn each_in(label: &'static str, source: Source, size: usize, count: usize) -> Dispatch {
    let source = source.constant("COUNT", count).constant("WORKGROUP", size).with(EACH);
    Dispatch::new(label, source, count.div_ceil(size) as u64)
}

/// As [`each`] for a kernel that takes the count from the length of a buffer, so that one pipeline serves all sizes.
pub(crate) fn any_length(label: &'static str, source: Source, count: usize) -> Dispatch {
    let source = source.constant("WORKGROUP", WORKGROUP).with(ANY_LENGTH);
    Dispatch::new(label, source, count.div_ceil(WORKGROUP) as u64)
}

/// A dispatch of `count` workgroups of `size` invocations that call `run(group, local)`.
pub(crate) fn workgroups(label: &'static str, source: Source, size: usize, count: usize) -> Dispatch {
    let source = source.constant("WORKGROUP", size).constant("WORKGROUPS", count).with(WORKGROUPS);
    Dispatch::new(label, source, count as u64)
}

/// A dispatch of `count` subgroups of `LANES` invocations that call `run(group, lane)`.
pub(crate) fn subgroups(label: &'static str, source: Source, count: usize) -> Dispatch {
    Dispatch::new(label, source.constant("WORKGROUPS", count).with(SUBGROUPS), count as u64)
}

/// A kernel of one dispatch without a workspace.
pub(crate) fn only(dispatch: Dispatch) -> Kernel {
    Kernel::new(vec![dispatch])
}

/// A kernel that only calls `each(i)` for every i below `count`.
pub(crate) fn single(source: Source, count: usize) -> Kernel {
    only(each("", source, count))
}

/// How the chunks of a column are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// One workgroup per channel, in a fixed tree.
    Tree,
    /// One invocation per elem of channels, in order.
    Serial,
}

/// The files that merge the chunks of a column in the two ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MergeFiles {
    pub(crate) tree: [Fragment; 2],
    /// Invocations of a workgroup that merges in a tree.
    pub(crate) workgroup: usize,
    pub(crate) serial: Fragment,
}

/// Rows of `[rows, channels]` in chunks that are reduced separately and then merged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    /// Rows in a chunk; the last may have fewer.
    pub(crate) rows: usize,
    /// The number of chunks.
    pub(crate) count: usize,
}

impl Chunks {
    /// Chunks of at least this many rows are worth an invocation.
    const LEAST: usize = 32;
    /// The maximum number of chunks: enough invocations for a large GPU, few enough to merge quickly.
    const MOST: usize = 1024;

    pub(crate) fn of(rows: usize) -> Self {
        Self::of_at_least(Self::LEAST, rows)
    }

    /// Invocations that keep a large GPU busy.
    const ENOUGH: usize = 1 << 17;

    /// As [`Chunks::of`], with enough chunks for a large GPU if an invocation takes one of only a few `vectors` of columns.
    pub(crate) fn of_vectors(rows: usize, vectors: usize) -> Self {
        let most = Self::MOST.max(Self::ENOUGH / vectors);
        let size = rows.div_ceil(most).max(Self::LEAST);
        Self { rows: size, count: rows.div_ceil(size) }
    }

    /// As [`Chunks::of`], with chunks of at least `least` rows.
    pub(crate) fn of_at_least(least: usize, rows: usize) -> Self {
        let size = rows.div_ceil(Self::MOST).max(least);
        Self { rows: size, count: rows.div_ceil(size) }
    }

    /// Up to this many chunks are merged in order by any row.
    const FEW: usize = 16;

    /// The dispatch that merges the chunks of `channels` columns. `finish` adds the constants common to both ways, except `C`.
    pub(crate) fn merge(
        self,
        how: Merge,
        elem: Elem,
        channels: usize,
        files: &MergeFiles,
        finish: impl Fn(Source) -> Source,
    ) -> Dispatch {
        if how == Merge::Serial || self.count <= Self::FEW {
            let columns = channels / elem.lanes();
            let source = elem.alias(Source::new([files.serial])).constant("C", columns);
            each("merge", self.constants(finish(source)), columns)
        } else {
            let source = Source::new(files.tree).constant("C", channels);
            workgroups("merge", self.constants(finish(source)), files.workgroup, channels)
        }
    }

    pub(crate) fn constants(self, source: Source) -> Source {
        source.constant("CHUNK", self.rows).constant("CHUNKS", self.count)
    }
}
