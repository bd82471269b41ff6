//! Vector instructions beyond those that every machine of the architecture has.

pub(super) use pulp::{Simd, WithSimd};

/// Runs `work`, compiled for the widest vectors of this machine.
///
/// For loops that the compiler turns into vector instructions: the binary is built for the oldest machine of the
/// architecture, and this picks AVX2 or AVX-512 where they are. The operations and their order are the same, and
/// no two are fused, so no result changes.
///
/// A short closure will do. A longer one is not inlined, and then compiled for the oldest machine after all; it has
/// to be a struct whose [`WithSimd::with_simd`] is `#[inline(always)]`.
#[inline(always)]
pub(super) fn wide<W: WithSimd>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(work)
}
