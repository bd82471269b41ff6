//! HOW an operation runs on a GPU: a table of variants, and the choice among them.
//!
//! A [`Variant`] is a row: an operation, a name, what it requires, and how to build its [`Kernel`] (one or more
//! dispatches) for given shapes. Nothing here knows of wgpu: [`Caps`] are plain facts about a device.

use crate::{ops::Op, shader::Source};

/// What kernels need to know of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Caps {
    /// A software adapter such as llvmpipe: loads are the cost, workgroup memory and barriers do not pay.
    pub software: bool,
    /// Smallest and largest subgroup size; `None` without subgroup operations.
    pub subgroup_sizes: Option<[u32; 2]>,
    /// The largest part of a buffer that can be bound, in bytes.
    pub binding_bytes: u64,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations in a workgroup.
    pub workgroup_invocations: u32,
    /// Storage buffers that one dispatch binds.
    pub storage_buffers: u32,
}

/// One dispatch of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// What it is within its kernel, as `partials` or `merge`; empty where there is only one.
    pub label: &'static str,
    /// The WGSL; its entry point is `main`. Each binding is named like an operand of the operation, or `workspace`.
    pub source: Source,
    /// How many workgroups. The executor folds counts above 65,535 to two dimensions, so that kernels compute
    /// their linear index as `shaders/shared/grid.wgsl` does and guard against those beyond the last.
    pub workgroups: u64,
}

/// The dispatches that compute an operation, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// The dispatches.
    pub dispatches: Vec<Dispatch>,
    /// Bytes of the scratch buffer `workspace` that they share; 0 without one. It holds nothing before and after.
    pub workspace_bytes: u64,
}

/// A row of the table.
pub struct Variant {
    /// The operation's name, as [`Op::name`].
    pub op: &'static str,
    /// The variant's name, unique within the operation.
    pub name: &'static str,
    /// Whether this variant can compute this operation on such a device.
    pub supports: fn(&Op, &Caps) -> bool,
    /// The dispatches for an operation that it supports.
    pub build: fn(&Op, &Caps) -> Kernel,
}
