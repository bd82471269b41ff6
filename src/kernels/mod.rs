//! HOW an operation runs on a GPU: a table of variants, and the choice among them.
//!
//! A [`Variant`] is a row: an operation, a name, what it requires, and how to build its [`Kernel`] (one or more
//! dispatches) for given shapes. Nothing here knows of wgpu: [`Caps`] are plain facts about a device.

mod adam;
mod batch_norm;
mod bias;
mod conv;
mod cross_entropy;
mod dropout;
mod lanes;
mod linear;
mod matmul;
mod max_pool;
mod metrics;
mod parts;
mod prepare;
mod relu;

use thiserror::Error;

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

impl Caps {
    /// What every WebGPU device has at least.
    pub const WEBGPU: Self = Self {
        software: false,
        subgroup_sizes: None,
        binding_bytes: 128 << 20,
        workgroup_bytes: 16 << 10,
        workgroup_invocations: 256,
        storage_buffers: 8,
    };
}

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
}

impl Dispatch {
    /// A dispatch whose bindings have the names of what they bind.
    pub fn new(label: &'static str, source: Source, workgroups: u64) -> Self {
        Self { label, source, workgroups, rebind: &[] }
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
        let bytes = bytes as u64;
        match self.workspaces.iter_mut().find(|w| w.name == name) {
            Some(workspace) => workspace.bytes = workspace.bytes.max(bytes),
            None => self.workspaces.push(Workspace { name, bytes }),
        }
        self
    }

    /// This, then `next`.
    pub fn then(mut self, next: Self) -> Self {
        self.dispatches.extend(next.dispatches);
        next.workspaces.iter().fold(self, |kernel, w| kernel.workspace(w.name, w.bytes as usize))
    }
}

/// The devices that a variant was made for. It computes the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeFor {
    /// Any device.
    Any,
    /// Software adapters: barrier-free, without workgroup memory.
    Software,
}

/// A row of the table.
#[derive(Debug)]
pub struct Variant {
    /// The operation's name, as [`Op::name`].
    pub op: &'static str,
    /// The variant's name, unique within the operation.
    pub name: &'static str,
    /// Where it is chosen.
    pub made_for: MadeFor,
    /// Whether this variant can compute this operation on such a device.
    pub supports: fn(&Op, &Caps) -> bool,
    /// The dispatches for an operation that it supports.
    pub build: fn(&Op, &Caps) -> Kernel,
}

/// All rows: those of an operation in the order of preference.
pub fn variants() -> impl Iterator<Item = &'static Variant> {
    [
        prepare::VARIANTS,
        conv::VARIANTS,
        bias::VARIANTS,
        batch_norm::VARIANTS,
        relu::VARIANTS,
        max_pool::VARIANTS,
        dropout::VARIANTS,
        linear::VARIANTS,
        cross_entropy::VARIANTS,
        metrics::VARIANTS,
        adam::VARIANTS,
    ]
    .into_iter()
    .flatten()
}

/// A variant that cannot be had.
#[derive(Debug, Error, PartialEq)]
pub enum SelectError {
    /// A forced operation that does not exist.
    #[error("no operation {op}; there are {known}")]
    UnknownOp {
        /// What was asked for.
        op: String,
        /// The operations.
        known: String,
    },
    /// A forced variant that does not exist.
    #[error("{op} has no variant {name}; it has {known}")]
    UnknownVariant {
        /// The operation.
        op: String,
        /// What was asked for.
        name: String,
        /// Its variants.
        known: String,
    },
    /// A forced variant that cannot compute this shape on this device.
    #[error("{op}/{name} cannot run {shape} on this device; {able} can")]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The variant.
        name: &'static str,
        /// The operation with its attributes.
        shape: String,
        /// Those that can.
        able: String,
    },
    /// No variant at all.
    #[error("no kernel can run {shape} on this device")]
    None {
        /// The operation with its attributes.
        shape: String,
    },
}

/// The variant for an operation on a device: the forced one, else the first that was made for such a device.
///
/// `forced` lists (operation, variant) pairs by name; operations that it does not list are free.
///
/// # Errors
/// [`SelectError`] where a forced name does not exist or does not apply, or nothing applies.
pub fn select(op: &Op, caps: &Caps, forced: &[(String, String)]) -> Result<&'static Variant, SelectError> {
    let rows = || variants().filter(|v| v.op == op.name());
    let names = |rows: &mut dyn Iterator<Item = &'static Variant>| {
        rows.map(|v| v.name).collect::<Vec<_>>().join(", ")
    };
    if let Some((unknown, _)) = forced.iter().find(|(name, _)| !Op::NAMES.contains(&name.as_str())) {
        return Err(SelectError::UnknownOp { op: unknown.clone(), known: Op::NAMES.join(", ") });
    }
    let able = || rows().filter(|v| (v.supports)(op, caps));
    if let Some((_, name)) = forced.iter().find(|(name, _)| name == op.name()) {
        let Some(row) = rows().find(|v| v.name == name) else {
            let known = names(&mut rows());
            return Err(SelectError::UnknownVariant { op: op.name().into(), name: name.clone(), known });
        };
        if (row.supports)(op, caps) {
            return Ok(row);
        }
        let (shape, able) = (format!("{op:?}"), names(&mut able()));
        return Err(SelectError::Unsupported { op: row.op, name: row.name, shape, able });
    }
    let wanted = if caps.software { MadeFor::Software } else { MadeFor::Any };
    able()
        .find(|v| v.made_for == wanted)
        .or_else(|| able().next())
        .ok_or_else(|| SelectError::None { shape: format!("{op:?}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Conv, ConvForward, Relu};

    fn forced(op: &str, variant: &str) -> Vec<(String, String)> {
        vec![(op.into(), variant.into())]
    }

    #[test]
    fn names_are_unique_and_every_operation_has_a_row() {
        let rows: Vec<_> = variants().map(|v| (v.op, v.name)).collect();
        for (index, row) in rows.iter().enumerate() {
            assert!(!rows[..index].contains(row), "{row:?} twice");
            assert!(Op::NAMES.contains(&row.0), "{row:?} is of no operation");
        }
        for op in Op::NAMES {
            assert!(rows.iter().any(|row| row.0 == *op), "{op} has no row");
        }
    }

    #[test]
    fn the_choice_is_by_device_shape_and_flag() {
        let conv = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 8, k: 8 }));
        let odd = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 1, k: 8 }));
        let software = Caps { software: true, ..Caps::WEBGPU };
        assert_eq!(select(&conv, &Caps::WEBGPU, &[]).unwrap().name, "tiled");
        assert_eq!(select(&conv, &software, &[]).unwrap().name, "blocked");
        assert_eq!(select(&odd, &software, &[]).unwrap().name, "tiled");
        let lanes = Caps { subgroup_sizes: Some([8, 8]), ..software.clone() };
        let wide = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 1, k: 32 }));
        assert_eq!(select(&wide, &lanes, &[]).unwrap().name, "lanes");
        assert_eq!(select(&conv, &lanes, &[]).unwrap().name, "blocked");
        let tiled = forced("conv.forward", "tiled");
        assert_eq!(select(&conv, &software, &tiled).unwrap().name, "tiled");
        let error = select(&odd, &software, &forced("conv.forward", "blocked")).unwrap_err().to_string();
        assert!(error.contains("conv.forward/blocked cannot run") && error.contains("tiled can"), "{error}");
        let error = select(&conv, &software, &forced("conv.forward", "magic")).unwrap_err().to_string();
        assert!(error.contains("magic") && error.contains("tiled"), "{error}");
        let relu = Op::from(Relu { len: 3 });
        let error = select(&relu, &software, &forced("conv", "tiled")).unwrap_err().to_string();
        assert!(error.contains("no operation conv;"), "{error}");
    }
}
