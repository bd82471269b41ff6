//! Options for running a program.

use std::{path::PathBuf, time::Duration};

use super::compile::Compilation;
use crate::{
    kernels::{self, Caps, Tuned, Variant},
    ops::Op,
};

/// Options for running a program.
#[derive(Clone, Debug)]
pub struct Options {
    /// Keeps the driver's and naga's bounds checks, loop bounding and zeroing of workgroup memory, and marks the bindings that are accessed out of bounds
    /// ([`GpuExecutor::out_of_bounds`](super::GpuExecutor::out_of_bounds)). Much slower, and no kernel here needs it: for tests.
    pub checked: bool,
    /// Forced variants per operation, in order of preference, as `("conv.forward", "tiled_64x64")`.
    pub variants: Vec<(String, String)>,
    /// The variants that were measured to be the fastest on this device.
    pub tuned: Tuned,
    /// Lets [`Executor::time`](crate::program::Executor::time) use timestamps, where the adapter has them.
    pub timestamps: bool,
    /// The time that one submission should stay under; a step is split into as many submissions as needed.
    pub submit_budget: Duration,
    /// Captures this training step, counted from 1 since opening, in the attached graphics debugger.
    pub capture: Option<u64>,
    /// The folder where a Vulkan driver's compiled pipelines are kept for the next process, in a file for each adapter.
    pub pipelines: Option<PathBuf>,
    /// Counts the kernels as they are compiled.
    pub compilation: Compilation,
}

impl Options {
    /// The row for an operation on a device.
    pub(super) fn choose(&self, op: &Op, caps: &Caps) -> Result<&'static Variant, String> {
        kernels::choose(op, caps, &self.variants, &self.tuned).map_err(|error| error.to_string())
    }
}

impl Default for Options {
    /// The submission budget is a quarter of what the strictest watchdogs allow.
    fn default() -> Self {
        Self {
            checked: false,
            variants: Vec::new(),
            tuned: Tuned::default(),
            timestamps: false,
            submit_budget: Duration::from_millis(500),
            capture: None,
            pipelines: None,
            compilation: Compilation::default(),
        }
    }
}
