//! Probes for an adapter's peak rates: one shader that only computes, some that only move data.

use super::{
    Dispatch,
    parts::{each_in, workgroups},
};
use crate::shader::{Source, fragment};

const WORKGROUP: usize = 256;

/// A dispatch that does only one kind of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The dispatch; its bindings are not operands but buffers of [`Probe::buffer_bytes`] each.
    pub dispatch: Dispatch,
    /// The size of each of its buffers.
    pub buffer_bytes: u64,
    /// The work of one dispatch: floating-point operations, or bytes.
    pub work: f64,
}

/// A million invocations that only multiply and add: 12.9 GFLOP.
pub fn arithmetic() -> Probe {
    const ROUNDS: usize = 32;
    let invocations = 4096 * WORKGROUP;
    let source = Source::new([fragment!("roofline/fma.wgsl")]).constant("ROUNDS", ROUNDS);
    Probe {
        dispatch: each_in("fma", source, WORKGROUP, invocations),
        buffer_bytes: 4 * invocations as u64,
        // Three vectors of four, two operations each, sixteen times a round.
        work: (invocations * ROUNDS * 16 * 3 * 4 * 2) as f64,
    }
}

/// Buffers of `bytes` bytes, rounded down to whole workgroups, copied and updated in several ways: devices differ in which
/// is the fastest, and the best counts.
pub fn memory(bytes: u64) -> Vec<Probe> {
    const PARTS: usize = 4;
    let vectors = (bytes / 16) as usize / (PARTS * WORKGROUP) * (PARTS * WORKGROUP);
    let copy = |label, parts: usize, stride: usize| {
        let source = Source::new([fragment!("roofline/copy.wgsl")])
            .constant("PARTS", parts)
            .constant("STRIDE", stride);
        workgroups(label, source, WORKGROUP, vectors / (parts * WORKGROUP))
    };
    let update = Source::new([fragment!("roofline/update.wgsl")]);
    let dispatches = [
        copy("copy", 1, 1),
        copy("copy_strided", PARTS, WORKGROUP),
        copy("copy_blocks", PARTS, 1),
        each_in("update", update, WORKGROUP, vectors),
    ];
    let probe = |dispatch| Probe { dispatch, buffer_bytes: 16 * vectors as u64, work: 32.0 * vectors as f64 };
    dispatches.map(probe).into()
}
