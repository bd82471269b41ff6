//! What an adapter reaches at best, to measure kernels by: one shader that only computes, one that only copies.

use super::Dispatch;
use crate::shader::Source;

const WORKGROUP: usize = 256;

/// A dispatch that does nothing but one kind of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The dispatch; its bindings are no operands, but buffers of [`Probe::buffer_bytes`] each.
    pub dispatch: Dispatch,
    /// The size of each of its buffers.
    pub buffer_bytes: u64,
    /// The work of one dispatch: floating-point operations, or bytes.
    pub work: f64,
}

/// A million invocations that only multiply and add: 12.9 GFLOP.
pub fn arithmetic() -> Probe {
    const WORKGROUPS: usize = 4096;
    const ROUNDS: usize = 32;
    let invocations = WORKGROUPS * WORKGROUP;
    let source = Source::new([include_str!("../../shaders/roofline/fma.wgsl")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("ROUNDS", ROUNDS);
    Probe {
        dispatch: Dispatch::new("fma", source, WORKGROUPS as u64),
        buffer_bytes: 4 * invocations as u64,
        // Three vectors of four, two operations each, sixteen times a round.
        work: (invocations * ROUNDS * 16 * 3 * 4 * 2) as f64,
    }
}

/// A copy of so many bytes, rounded down to what whole workgroups copy.
pub fn copy(bytes: u64) -> Probe {
    let vectors = (bytes / 16) as usize / (4 * WORKGROUP) * (4 * WORKGROUP);
    let files =
        [include_str!("../../shaders/shared/grid.wgsl"), include_str!("../../shaders/roofline/copy.wgsl")];
    let source = Source::new(files).constant("WORKGROUP", WORKGROUP).constant("LEN", vectors);
    Probe {
        dispatch: Dispatch::new("copy", source, (vectors / (4 * WORKGROUP)) as u64),
        buffer_bytes: 16 * vectors as u64,
        work: 32.0 * vectors as f64,
    }
}
