//! How an operation runs on a GPU: a table of variants, and the choice among them.
//!
//! A [`Variant`] is a row: an operation, a name, what it requires, and how to build its [`Kernel`] (one or more
//! dispatches) for given shapes. The rows of an operation are in its own folder; this module has their building blocks.
//! Nothing here depends on wgpu: [`Caps`] are plain facts about a device.

mod caps;
mod choose;
pub(crate) mod cooperative;
pub(crate) mod lanes;
pub(crate) mod matmul;
pub(crate) mod parts;
mod predict;
pub(crate) mod products;
pub(crate) mod prologue;
pub mod roofline;
mod row;
pub(crate) mod rows;
pub(crate) mod statistics;
mod table;
mod tuned;

pub use caps::{Caps, DeviceClass, MatrixUnits};
pub use choose::{SelectError, choose, exist, select};
pub use predict::{GpuModel, Prediction};
pub(crate) use products::product_rows;
pub use row::Stores;
pub(crate) use row::{Requirement, Row, Rows, needs, speed};
pub(crate) use rows::{elementwise_rows, reduction_rows};
pub use table::{Variant, variants};
pub use tuned::{TABLE, Tuned};

use crate::shader::{OUT_OF_BOUNDS, Source};

/// One dispatch of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// Its name within the kernel, as `partials` or `merge`; empty if it is the only one.
    pub label: &'static str,
    /// The WGSL; its entry point is `main`. Each binding is named like an operand of the operation or a
    /// workspace of the kernel.
    pub source: Source,
    /// The number of workgroups. The executor folds counts above 65,535 into two dimensions, so entry points compute a linear
    /// index and guard against workgroups beyond the last (`shaders/entry/`).
    pub workgroups: u64,
    /// Bindings whose name differs from the operand or workspace: (binding, operand or workspace).
    pub rebind: &'static [(&'static str, &'static str)],
    /// Operands or workspaces that are bound only in part; all others are bound whole.
    pub parts: Vec<Part>,
}

/// The part of an operand or a workspace that a dispatch binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The operand or workspace.
    pub name: &'static str,
    /// Its offset: a multiple of 256, the largest alignment that a device may require.
    pub offset_bytes: u64,
    /// Its length.
    pub bytes: u64,
}

impl Part {
    /// A part of an operand or workspace of 4-byte words.
    pub fn words(name: &'static str, offset: usize, words: usize) -> Self {
        Self { name, offset_bytes: 4 * offset as u64, bytes: 4 * words as u64 }
    }
}

impl Dispatch {
    /// A dispatch whose bindings are named like their operands and workspaces.
    pub fn new(label: &'static str, source: Source, workgroups: u64) -> Self {
        Self { label, source, workgroups, rebind: &[], parts: Vec::new() }
    }

    fn marking(self) -> Self {
        Self { source: self.source.marking(), ..self }
    }

    /// The operand or workspace that a binding binds.
    pub fn bound<'a>(&self, binding: &'a str) -> &'a str {
        self.rebind.iter().find(|(from, _)| *from == binding).map_or(binding, |(_, to)| to)
    }
}

/// A scratch buffer shared by the dispatches of a kernel. Its contents are undefined before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// The name of its binding; kernels with the same name share one buffer.
    pub name: &'static str,
    /// Its size, as far as this kernel needs it.
    pub bytes: u64,
}

impl Workspace {
    /// Grows the workspace of the same name in `all`, or adds it.
    pub fn join(self, all: &mut Vec<Self>) {
        match all.iter_mut().find(|w| w.name == self.name) {
            Some(known) => known.bytes = known.bytes.max(self.bytes),
            None => all.push(self),
        }
    }
}

/// The dispatches that compute an operation, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// The dispatches.
    pub dispatches: Vec<Dispatch>,
    /// The scratch buffers, by name.
    pub workspaces: Vec<Workspace>,
}

impl Kernel {
    /// Dispatches without scratch memory.
    pub fn new(dispatches: Vec<Dispatch>) -> Self {
        Self { dispatches, workspaces: Vec::new() }
    }

    /// Adds a scratch buffer of at least `bytes` bytes.
    pub fn workspace(mut self, name: &'static str, bytes: usize) -> Self {
        Workspace { name, bytes: bytes as u64 }.join(&mut self.workspaces);
        self
    }

    /// The same, marking the bindings that it accesses out of bounds in a scratch buffer ([`Source::marking`]).
    pub fn marking(mut self) -> Self {
        self.dispatches = self.dispatches.into_iter().map(Dispatch::marking).collect();
        self.workspace(OUT_OF_BOUNDS, 4)
    }

    /// This, then `next`.
    pub fn then(mut self, next: Self) -> Self {
        self.dispatches.extend(next.dispatches);
        next.workspaces.iter().fold(self, |kernel, w| kernel.workspace(w.name, w.bytes as usize))
    }
}
