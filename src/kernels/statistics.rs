//! What kernels give of the columns of their results besides the results: what a batch norm next to them needs.

use super::{
    Dispatch, Kernel,
    parts::{Chunks, Elem, Merge, WORKSPACE},
};
use crate::{
    dtype::DType,
    ops::{
        BatchNormStatistics, ConvForward, ConvGradInput, GradStatistics, activation_kernels as activation,
        batch_norm::kernels as batch_norm,
    },
    shader::{Fragment, Source, fragment},
};

const NONE: Fragment = fragment!("shared/chunk_no_statistics.wgsl");
const MOMENTS: Fragment = fragment!("shared/chunk_statistics.wgsl");
const SUMS: Fragment = fragment!("shared/chunk_grad_statistics.wgsl");

/// What there is to know of a column, and for what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistics {
    /// Nothing.
    None,
    /// Of an output: its mean and its variance.
    Moments,
    /// Of a gradient behind a batch norm: the sums that lead to those of gamma and beta.
    Sums(GradStatistics),
}

impl From<&ConvForward> for Statistics {
    fn from(op: &ConvForward) -> Self {
        if op.statistics { Self::Moments } else { Self::None }
    }
}

impl From<&ConvGradInput> for Statistics {
    fn from(op: &ConvGradInput) -> Self {
        op.statistics.map_or(Self::None, Self::Sums)
    }
}

impl Statistics {
    /// The files for a kernel whose invocations work the rows of a chunk: they call `observe` and `report`.
    pub(crate) fn files(self) -> Vec<Fragment> {
        match self {
            Self::None => vec![NONE],
            Self::Moments => vec![MOMENTS],
            Self::Sums(sums) => vec![activation::file(Some(sums.activation)), SUMS],
        }
    }

    /// The constants of those files.
    pub(crate) fn constants(self, source: Source) -> Source {
        match self {
            Self::Sums(sums) => activation::slope(Some(sums.activation), "SLOPE", source),
            _ => source,
        }
    }

    /// A kernel that leaves them of each chunk of rows in the workspace, with the dispatch behind it that merges them.
    pub(crate) fn merged(
        self,
        kernel: Kernel,
        [rows, columns]: [usize; 2],
        chunks: Chunks,
        how: Merge,
    ) -> Kernel {
        let elem = Elem::of(columns);
        let merge = match self {
            Self::None => return kernel,
            Self::Moments => {
                let norm = BatchNormStatistics { rows, channels: columns, rows_before: 0 };
                batch_norm::statistics_merge(&norm, chunks, elem, how)
            }
            Self::Sums(sums) => {
                batch_norm::grad_statistics_merge(columns, sums.accumulate, chunks, elem, how)
            }
        };
        let merge = Dispatch { label: "statistics_merge", ..merge };
        kernel.then(Kernel::new(vec![merge])).workspace(WORKSPACE, 4 * 2 * chunks.count * columns)
    }

    /// A kernel that gives nothing but its result, with dispatches behind it that look at that.
    pub(crate) fn behind(
        self,
        kernel: Kernel,
        [rows, columns]: [usize; 2],
        how: Merge,
        storage: DType,
    ) -> Kernel {
        let elem = Elem::of(columns);
        let (mut behind, rebind): (_, &[_]) = match self {
            Self::None => return kernel,
            Self::Moments => {
                let norm = BatchNormStatistics { rows, channels: columns, rows_before: 0 };
                (batch_norm::statistics(&norm, storage, elem, how), &[("input", "output")])
            }
            Self::Sums(sums) => {
                let norm = sums.of_rows(rows, columns);
                let behind = batch_norm::grad_statistics(&norm, storage, elem, how);
                (behind, &[("grad_output", "grad_input")])
            }
        };
        for (dispatch, label) in behind.dispatches.iter_mut().zip(["statistics", "statistics_merge"]) {
            dispatch.label = label;
            dispatch.rebind = rebind;
        }
        kernel.then(behind)
    }
}
