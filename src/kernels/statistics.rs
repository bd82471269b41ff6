//! Per-channel reductions fused into a kernel's epilogue for the neighbouring batch norm.

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

/// The per-column statistics of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistics {
    /// None.
    None,
    /// The moments of an output.
    Moments,
    /// The sums of a gradient after a batch norm, for the gradients of gamma and beta.
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
    /// The files for a kernel whose invocations process the rows of a chunk: they call `accumulate` and `store_statistics`.
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

    /// A kernel that writes the statistics of each chunk of rows to the workspace, followed by the dispatch that merges them.
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

    /// A kernel that writes only its result, followed by dispatches that reduce it.
    pub(crate) fn after(
        self,
        kernel: Kernel,
        [rows, columns]: [usize; 2],
        how: Merge,
        storage: DType,
    ) -> Kernel {
        let elem = Elem::of(columns);
        let (mut reduction, rebind): (_, &[_]) = match self {
            Self::None => return kernel,
            Self::Moments => {
                let norm = BatchNormStatistics { rows, channels: columns, rows_before: 0 };
                (batch_norm::statistics(&norm, storage, elem, how), &[("input", "output")])
            }
            Self::Sums(sums) => {
                let norm = sums.of_rows(rows, columns);
                let reduction = batch_norm::grad_statistics(&norm, storage, elem, how);
                (reduction, &[("grad_output", "grad_input")])
            }
        };
        for (dispatch, label) in reduction.dispatches.iter_mut().zip(["statistics", "statistics_merge"]) {
            dispatch.label = label;
            dispatch.rebind = rebind;
        }
        kernel.then(reduction)
    }
}
