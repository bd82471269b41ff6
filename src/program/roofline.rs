//! A device's peak rates.

use crate::ops::Op;

/// A device's measured peak rates, each from work that does only one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// Floating-point operations per second, everything in registers.
    pub flops_per_second: f64,
    /// Bytes per second to and from memory, counted as in [`Op::bytes`].
    pub bytes_per_second: f64,
}

impl Roofline {
    /// The nanoseconds that an operation takes at these rates: the maximum of arithmetic time and memory time.
    ///
    /// An operation can be faster, if its tensors stay in a cache or its algorithm does less arithmetic than
    /// [`Op::flops`] counts.
    pub fn ns(&self, op: &Op) -> f64 {
        1e9 * (op.flops() as f64 / self.flops_per_second).max(op.bytes() as f64 / self.bytes_per_second)
    }
}
