//! Finds the fastest variant for each operation and shape on a device, and stores the results in a file.
//!
//! [`jobs`] lists the operations of a program with a choice, [`measure`] times their variants, a [`TuningFile`] stores the
//! results for one adapter and driver, and [`load`] finds the files that apply. Nothing is measured unless requested.

mod file;
mod load;
mod measure;
mod smaller;

pub use file::{Choice, Ignored, TuningFile};
pub use load::{Loaded, Source, default_path, load};
pub use measure::{Job, Measured, jobs, measure};
