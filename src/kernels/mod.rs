//! HOW an operation runs on a GPU: a table of variants, and the choice among them.
//!
//! A [`Variant`] is a row: an operation, a name, what it requires, and how to build its [`Kernel`] (one or more
//! dispatches) for given shapes. Nothing here knows of wgpu: [`Caps`] are plain facts about a device.

mod adam;
mod average;
mod avg_pool;
mod batch_norm;
mod bias;
mod caps;
mod cast;
mod choose;
mod clip;
mod conv;
mod conv_direct;
mod conv_tiled;
mod cooperative;
mod cross_entropy;
mod dropout;
mod lanes;
mod linear;
mod linear_tiled;
mod loss_scale;
mod matmul;
mod max_pool;
mod metrics;
mod parts;
mod prepare;
mod relu;
pub mod roofline;
mod sgd;
mod statistics;
mod tuned;
mod winograd;

pub use caps::{Caps, DeviceClass};
pub use choose::{SelectError, choose, exist, select};
pub use tuned::{TABLE, Tuned};

use crate::{ops::Op, shader::Source};

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

/// A row of the table. It computes the same on every device that it supports.
#[derive(Debug)]
pub struct Variant {
    /// The operation's name, as [`Op::name`].
    pub op: &'static str,
    /// The variant's name, unique within the operation.
    pub name: &'static str,
    /// Whether this variant can compute this operation on such a device.
    pub supports: fn(&Op, &Caps) -> bool,
    /// The speed to expect, in percent of [`speed::general`]; asked only where it is supported. The fastest row is
    /// chosen, among equals the first.
    pub speed: fn(&Op, &Caps) -> u32,
    /// The dispatches for an operation that it supports.
    pub build: fn(&Op, &Caps) -> Kernel,
}

/// What most rows expect of themselves. A row that is fast on some shapes only has a function of its own, with the
/// measurement that it stands on.
pub mod speed {
    use super::{Caps, Op};

    /// The measure of the others: a row that any device runs well.
    pub fn general(_: &Op, _: &Caps) -> u32 {
        100
    }

    /// Rows on matrix units: several times the arithmetic of the others.
    pub fn on_matrix_units(_: &Op, _: &Caps) -> u32 {
        300
    }

    /// Barrier-free rows without workgroup memory: three times the general one on a software adapter (measured on
    /// llvmpipe: 2 to 6), and far behind it on a GPU.
    pub fn on_software(_: &Op, caps: &Caps) -> u32 {
        if caps.software() { 300 } else { 30 }
    }
}

/// All rows: those of an operation in the order of preference.
pub fn variants() -> impl Iterator<Item = &'static Variant> {
    [
        prepare::VARIANTS,
        conv_tiled::FORWARD_VARIANTS,
        conv_tiled::GRAD_INPUT_VARIANTS,
        conv_tiled::GRAD_WEIGHT_VARIANTS,
        conv::VARIANTS,
        conv_direct::VARIANTS,
        winograd::VARIANTS,
        bias::VARIANTS,
        batch_norm::VARIANTS,
        relu::VARIANTS,
        max_pool::VARIANTS,
        avg_pool::VARIANTS,
        dropout::VARIANTS,
        linear_tiled::FORWARD_VARIANTS,
        linear_tiled::GRAD_INPUT_VARIANTS,
        linear_tiled::GRAD_WEIGHT_VARIANTS,
        linear_tiled::UPDATE_VARIANTS,
        linear::VARIANTS,
        cross_entropy::VARIANTS,
        metrics::VARIANTS,
        adam::VARIANTS,
        sgd::VARIANTS,
        average::VARIANTS,
        clip::VARIANTS,
        cast::VARIANTS,
        loss_scale::VARIANTS,
    ]
    .into_iter()
    .flatten()
}
