//! HOW an operation runs on a GPU: a table of variants, and the choice among them.
//!
//! A [`Variant`] is a row: an operation, a name, what it requires, and how to build its [`Kernel`] (one or more
//! dispatches) for given shapes. The rows of an operation are in its own folder; here is what they are put together from.
//! Nothing here knows of wgpu: [`Caps`] are plain facts about a device.

mod caps;
mod choose;
pub(crate) mod cooperative;
pub(crate) mod lanes;
pub(crate) mod matmul;
pub(crate) mod parts;
pub(crate) mod prologue;
pub mod roofline;
pub(crate) mod row;
pub(crate) mod statistics;
mod tuned;

pub use caps::{Caps, DeviceClass};
pub use choose::{SelectError, choose, exist, select};
pub(crate) use row::{Requirement, Row, Rows, elementwise_rows, needs, product_rows, reduction_rows, speed};
pub use row::{Stores, Variant, variants};
pub use tuned::{TABLE, Tuned};

use crate::shader::Source;

/// One dispatch of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// What it is within its kernel, as `partials` or `merge`; empty where there is only one.
    pub label: &'static str,
    /// The WGSL; its entry point is `main`. Each binding is named like an operand of the operation or a
    /// workspace of the kernel.
    pub source: Source,
    /// How many workgroups. The executor folds counts above 65,535 to two dimensions, so that kernels compute
    /// their linear index as `shaders/shared/grid.wgsl` does and guard against those beyond the last.
    pub workgroups: u64,
    /// Bindings that do not have the name of what they bind: (binding, operand or workspace).
    pub rebind: &'static [(&'static str, &'static str)],
    /// What is bound in part only; the rest is bound whole.
    pub parts: Vec<Part>,
}

/// The part of an operand or a workspace that a dispatch binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The operand or workspace.
    pub name: &'static str,
    /// Where it begins: a multiple of 256, the most that a device may ask for.
    pub offset_bytes: u64,
    /// How much of it.
    pub bytes: u64,
}

impl Part {
    /// A part of something that consists of words of four bytes.
    pub fn words(name: &'static str, offset: usize, words: usize) -> Self {
        Self { name, offset_bytes: 4 * offset as u64, bytes: 4 * words as u64 }
    }
}

impl Dispatch {
    /// A dispatch whose bindings have the names of what they bind.
    pub fn new(label: &'static str, source: Source, workgroups: u64) -> Self {
        Self { label, source, workgroups, rebind: &[], parts: Vec::new() }
    }

    /// The operand or workspace that a binding binds.
    pub fn bound<'a>(&self, binding: &'a str) -> &'a str {
        self.rebind.iter().find(|(from, _)| *from == binding).map_or(binding, |(_, to)| to)
    }
}

/// A scratch buffer that the dispatches of a kernel share. It holds nothing before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// The name of its binding; kernels with the same name share one buffer.
    pub name: &'static str,
    /// Its size, as far as this kernel needs it.
    pub bytes: u64,
}

impl Workspace {
    /// Makes its namesake among `all` at least as large, or enters it.
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

    /// With at least so many bytes of the scratch buffer of a name.
    pub fn workspace(mut self, name: &'static str, bytes: usize) -> Self {
        Workspace { name, bytes: bytes as u64 }.join(&mut self.workspaces);
        self
    }

    /// This, then `next`.
    pub fn then(mut self, next: Self) -> Self {
        self.dispatches.extend(next.dispatches);
        next.workspaces.iter().fold(self, |kernel, w| kernel.workspace(w.name, w.bytes as usize))
    }
}
