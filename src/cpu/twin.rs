//! The contract of the operations' CPU implementations.

use super::{Scalar, Scratch, Sizes};
use crate::ops::{Operation, Slices};

/// The CPU twin of an operation: `src/ops/<op>/cpu.rs`.
pub(crate) trait Twin: Operation {
    /// The scratch memory that [`Twin::run`] needs.
    fn scratch<S: Scalar>(&self) -> Sizes {
        Sizes::default()
    }

    /// Computes the operation as documented, on slices of the declared extents. The contents of `scratch` are undefined
    /// before and after.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, scratch: &mut Scratch<S>);
}
