//! Which variant is the fastest for each operation and shape on a device: measured, kept in a file, found again.
//!
//! [`jobs`] lists what a program leaves to choose, [`measure`] times it, a [`TuningFile`] holds the result for one
//! adapter and driver, and [`load`] finds what holds here. Nothing is measured unless it is asked for.

mod file;
mod load;
mod measure;
mod smaller;

pub use file::{Choice, Ignored, TuningFile};
pub use load::{Loaded, Source, default_path, load};
pub use measure::{Job, Measured, jobs, measure};
