//! What a device reaches at best.

use crate::ops::Op;

/// The rates that a device was measured to reach, by work that does only one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// Floating-point operations a second, everything in registers.
    pub flops_per_second: f64,
    /// Bytes a second to and from memory, counted as [`Op::bytes`] counts.
    pub bytes_per_second: f64,
}

impl Roofline {
    /// The nanoseconds that an operation takes at these rates: the longer of its arithmetic and its traffic.
    ///
    /// Some operations take less: tensors that stay in a cache, and algorithms that do less arithmetic than
    /// [`Op::flops`] counts.
    pub fn ns(&self, op: &Op) -> f64 {
        1e9 * (op.flops() as f64 / self.flops_per_second).max(op.bytes() as f64 / self.bytes_per_second)
    }
}
