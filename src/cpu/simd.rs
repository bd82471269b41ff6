//! Vector instructions beyond those that every machine of the architecture has.

/// Runs `work`, compiled for the widest vectors of this machine.
///
/// For loops that the compiler turns into vector instructions: the binary is built for the oldest machine of the
/// architecture, and this picks AVX2 or AVX-512 where they are. The operations and their order are the same, and
/// no two are fused, so no result changes.
#[inline(always)]
pub(super) fn wide<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
