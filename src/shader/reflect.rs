//! The declarations of a shader: its bindings, workgroup size and structs.

use naga::{
    AddressSpace, Module, ShaderStage, StorageAccess, TypeInner,
    valid::{Capabilities, FunctionInfo, ValidationFlags, Validator},
};
use thiserror::Error;

use super::contract::ContractError;

/// The name of every kernel's entry point.
const ENTRY_POINT: &str = "main";

/// A storage buffer that a shader binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `@group`.
    pub group: u32,
    /// `@binding`.
    pub binding: u32,
    /// The variable's name: that of an operand, or `workspace`.
    pub name: String,
    /// Whether it is declared `read_write`.
    pub writable: bool,
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name.
    pub name: String,
    /// The offset in the struct, in bytes.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// A struct that a shader declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// The name.
    pub name: String,
    /// Bytes, padding included.
    pub size: u32,
    /// The members in order.
    pub members: Vec<Member>,
}

/// A shader's interface to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Invocations along each axis of a workgroup.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory that `main` uses.
    pub workgroup_bytes: u32,
    /// The storage buffers that `main` uses, by group and binding, without unused declarations.
    pub bindings: Vec<Binding>,
    /// All named structs.
    pub structs: Vec<Struct>,
    /// Whether it uses 16-bit floats.
    pub f16: bool,
    /// Whether it uses cooperative matrices.
    pub cooperative_matrices: bool,
}

/// A shader that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReflectError {
    /// Its parts do not fit together.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// It is not WGSL.
    #[error("{message}")]
    Parse {
        /// The line, counted from 1, if known.
        line: Option<u32>,
        /// The compiler's message.
        message: String,
    },
    /// It is invalid WGSL.
    #[error("{message}")]
    Invalid {
        /// The line, counted from 1, if known.
        line: Option<u32>,
        /// The compiler's message.
        message: String,
    },
    /// There is no compute entry point `main`.
    #[error("no compute entry point `main`; the shader has {found}")]
    EntryPoint {
        /// The existing entry points.
        found: String,
    },
    /// A binding that is not a storage buffer.
    #[error("binding `{name}` is not a storage buffer; kernels take nothing else")]
    NotStorage {
        /// The variable.
        name: String,
    },
}

impl ReflectError {
    /// The error with its message prefixed by the `place` of its line.
    pub(super) fn located(mut self, place: impl Fn(u32) -> String) -> Self {
        if let Self::Parse { line: Some(line), message } | Self::Invalid { line: Some(line), message } =
            &mut self
        {
            message.insert_str(0, &format!("{}: ", place(*line)));
        }
        self
    }
}

/// The name of the text in the compiler's messages.
const TEXT: &str = "assembled text";

/// Parses and validates a shader and lists its declarations.
///
/// It does not check the features of a device: the device does that when it creates the pipeline.
///
/// # Errors
/// [`ReflectError`], with the line of the source if known.
pub(super) fn reflect(wgsl: &str) -> Result<Interface, ReflectError> {
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|error| ReflectError::Parse {
        line: error.location(wgsl).map(|at| at.line_number),
        message: error.emit_to_string_with_path(wgsl, TEXT),
    })?;
    let info =
        Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).map_err(|error| {
            ReflectError::Invalid {
                line: error.location(wgsl).map(|at| at.line_number),
                message: error.emit_to_string_with_path(wgsl, TEXT),
            }
        })?;
    let is_main = |e: &naga::EntryPoint| e.name == ENTRY_POINT && e.stage == ShaderStage::Compute;
    let Some(index) = module.entry_points.iter().position(is_main) else {
        let names: Vec<&str> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
        let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(ReflectError::EntryPoint { found });
    };
    let main = info.get_entry_point(index);
    let has = |test: &dyn Fn(&TypeInner) -> bool| module.types.iter().any(|(_, ty)| test(&ty.inner));
    Ok(Interface {
        workgroup_size: module.entry_points[index].workgroup_size,
        workgroup_bytes: workgroup_bytes(&module, main),
        bindings: bindings(&module, main)?,
        structs: structs(&module),
        f16: has(&|inner| inner.scalar() == Some(naga::Scalar::F16)),
        cooperative_matrices: has(&|inner| matches!(inner, TypeInner::CooperativeMatrix { .. })),
    })
}

fn workgroup_bytes(module: &Module, main: &FunctionInfo) -> u32 {
    let used = |(handle, variable): &(naga::Handle<naga::GlobalVariable>, &naga::GlobalVariable)| {
        variable.space == AddressSpace::WorkGroup && !main[*handle].is_empty()
    };
    // The limit counts each variable as a multiple of 16 bytes.
    let size = |(_, variable): (_, &naga::GlobalVariable)| {
        module.types[variable.ty].inner.size(module.to_ctx()).next_multiple_of(16)
    };
    module.global_variables.iter().filter(used).map(size).sum()
}

fn bindings(module: &Module, main: &FunctionInfo) -> Result<Vec<Binding>, ReflectError> {
    let mut bindings = Vec::new();
    for (handle, variable) in module.global_variables.iter() {
        let Some(at) = variable.binding else { continue };
        if main[handle].is_empty() {
            continue;
        }
        let name = variable.name.clone().unwrap_or_default();
        let AddressSpace::Storage { access } = variable.space else {
            return Err(ReflectError::NotStorage { name });
        };
        let writable = access.contains(StorageAccess::STORE);
        bindings.push(Binding { group: at.group, binding: at.binding, name, writable });
    }
    bindings.sort_by_key(|b| (b.group, b.binding));
    Ok(bindings)
}

fn structs(module: &Module) -> Vec<Struct> {
    let mut structs = Vec::new();
    for (_, ty) in module.types.iter() {
        let (Some(name), TypeInner::Struct { members, span }) = (&ty.name, &ty.inner) else { continue };
        let members = members
            .iter()
            .map(|m| Member {
                name: m.name.clone().unwrap_or_default(),
                offset: m.offset,
                size: module.types[m.ty].inner.size(module.to_ctx()),
            })
            .collect();
        structs.push(Struct { name: name.clone(), size: *span, members });
    }
    structs
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHADER: &str = "
        struct Control { step: u32, rates: vec3<f32>, tail: array<u32, 2> }
        @group(0) @binding(3) var<storage, read> control: Control;
        @group(0) @binding(0) var<storage, read> input: array<f32>;
        @group(0) @binding(1) var<storage, read_write> output: array<f32>;
        @group(0) @binding(2) var<storage, read_write> unused: array<f32>;
        var<workgroup> tile: array<f32, 70>;
        var<workgroup> unused_tile: array<f32, 99>;
        fn half(x: f32) -> f32 { return x / f32(control.step); }
        @compute @workgroup_size(8, 4)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            tile[id.x % 70u] = input[id.x];
            output[id.x] = half(tile[id.x % 70u]);
        }";

    #[test]
    fn it_lists_what_main_uses() {
        let interface = reflect(SHADER).unwrap();
        assert_eq!(interface.workgroup_size, [8, 4, 1]);
        assert_eq!(interface.workgroup_bytes, 288);
        let bindings: Vec<_> =
            interface.bindings.iter().map(|b| (b.group, b.binding, b.name.as_str(), b.writable)).collect();
        assert_eq!(bindings, [(0, 0, "input", false), (0, 1, "output", true), (0, 3, "control", false)]);
    }

    #[test]
    fn it_lays_structs_out_as_wgsl_does() {
        let interface = reflect(SHADER).unwrap();
        let control = interface.structs.iter().find(|s| s.name == "Control").unwrap();
        let members: Vec<_> = control.members.iter().map(|m| (m.name.as_str(), m.offset, m.size)).collect();
        assert_eq!(members, [("step", 0, 4), ("rates", 16, 12), ("tail", 28, 8)]);
        assert_eq!(control.size, 48);
    }

    #[test]
    fn errors_show_the_line() {
        let parse = reflect("@compute @workgroup_size(1)\nfn main() { let x = missing; }").unwrap_err();
        assert!(matches!(parse, ReflectError::Parse { line: Some(2), .. }));
        assert!(parse.to_string().contains("let x = missing"), "{parse}");
        let invalid = reflect(
            "@group(0) @binding(0) var<storage, read> a: array<f32>;
             @compute @workgroup_size(1)
             fn main() { a[0] = 1.0; }",
        );
        assert!(invalid.unwrap_err().to_string().contains("a[0]"));
        let other = reflect("@compute @workgroup_size(1) fn start() {}").unwrap_err();
        assert_eq!(other, ReflectError::EntryPoint { found: "start".into() });
    }
}
