//! Checks the kernels on a device against the CPU in f64: the cases, their inputs and the tolerances.
//!
//! `vgg verify`, `vgg tune` and the parity tests share this module, so that a binary alone checks what the tests check.

pub(crate) mod check;
mod compare;
mod matrix_units;
mod reference;
pub(crate) mod shapes;

pub(crate) use check::halved;
pub use check::{cases, input_bytes};
pub use compare::{Tolerance, check};
pub use matrix_units::open;
pub use reference::{Reference, Verdict};
