//! Holds the kernels of this device against the CPU in f64: the cases, their inputs and the tolerances.
//!
//! `vgg verify`, `vgg tune` and the parity tests share it, so that a carried binary checks what the tests check.

mod cases;
mod compare;
mod inputs;
mod matrix_units;
mod reference;
mod tolerance;
mod winograd;

pub use cases::cases;
pub use compare::{Tolerance, check};
pub use inputs::bytes as input;
pub use matrix_units::{matrix_units, open};
pub use reference::{Reference, Verdict};
