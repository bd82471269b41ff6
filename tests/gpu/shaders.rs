//! Every assembled shader through naga: validation and the three back ends, without any device.
//!
//! `VGG_TEST_DUMP=DIR` writes the HLSL, which DXC compiles as wgpu does: `dxc -T cs_6_2 -E main -HV 2018 -Ges
//! -enable-16bit-types`. The tests themselves do not run DXC.

use std::{collections::BTreeSet, fs, io::Write, path::PathBuf, process::Command, sync::LazyLock};

use naga::{
    back::{hlsl, msl, spv},
    valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator},
};
use vgg_wgpu::{
    kernels::{Caps, DeviceClass, MatrixUnits, Variant, roofline, select, variants},
    ops::Op,
    verify::cases,
};

/// The smallest possible device, with 16-bit floats.
const SMALLEST: Caps = Caps { f16: true, ..Caps::WEBGPU };

/// Devices that together run every row: the smallest, a software adapter with subgroups, and those with matrix units of
/// either side: an NVIDIA GPU on Vulkan, which has room for the largest tiles, and an Apple GPU on Metal.
static DEVICES: [Caps; 4] = [
    SMALLEST,
    Caps { class: DeviceClass::Software, subgroup_sizes: Some([8, 8]), ..SMALLEST },
    Caps {
        class: DeviceClass::Discrete,
        subgroup_sizes: Some([32, 32]),
        matrix_units: Some(MatrixUnits { side: 16, subgroup: 32 }),
        workgroup_bytes: 48 << 10,
        ..SMALLEST
    },
    Caps {
        class: DeviceClass::Integrated,
        subgroup_sizes: Some([4, 64]),
        matrix_units: Some(MatrixUnits { side: 8, subgroup: 32 }),
        workgroup_bytes: 32 << 10,
        ..SMALLEST
    },
];

/// The matrices of the kernels, by their names in WGSL.
const MATRICES: [&str; 2] = ["coop_mat16x16", "coop_mat8x8"];

/// The cases that a row supports, each with a device.
fn pairs(variant: &Variant) -> Vec<(Op, &'static Caps)> {
    let cases = cases(variant.op);
    let of = |caps: &'static Caps| {
        let able = cases.iter().filter(move |op| variant.supports(op, caps));
        able.map(move |op| (op.clone(), caps))
    };
    DEVICES.iter().flat_map(of).collect()
}

struct Shader {
    name: String,
    wgsl: String,
    module: naga::Module,
    info: ModuleInfo,
}

/// Every distinct WGSL text of every row on every case, valid.
static SHADERS: LazyLock<Vec<Shader>> = LazyLock::new(|| {
    let valid = |(name, wgsl): (String, String)| {
        let (module, info) = validate(&name, &wgsl);
        Shader { name, wgsl, module, info }
    };
    texts().into_iter().map(valid).collect()
});

fn texts() -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for variant in variants() {
        let mut of_row = 0;
        for (op, caps) in pairs(variant) {
            for dispatch in variant.build(&op, caps).dispatches {
                if let Err(error) = dispatch.source.check() {
                    panic!("{}/{} {}: {error}", variant.op, variant.name, dispatch.label);
                }
                let wgsl = dispatch.source.assemble();
                if seen.insert(wgsl.clone()) {
                    of_row += 1;
                    all.push((format!("{}/{} {} {op:?}", variant.op, variant.name, dispatch.label), wgsl));
                }
            }
        }
        assert!(of_row > 0, "{}/{}: it supports no case on any device", variant.op, variant.name);
    }
    for probe in [vec![roofline::arithmetic()], roofline::memory(1 << 20)].concat() {
        all.push((format!("roofline/{}", probe.dispatch.label), probe.dispatch.source.assemble()));
    }
    all
}

fn validate(name: &str, wgsl: &str) -> (naga::Module, ModuleInfo) {
    let module =
        naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(wgsl)));
    let mut validator = Validator::new(
        ValidationFlags::all(),
        Capabilities::SUBGROUP
            | Capabilities::SHADER_FLOAT16
            | Capabilities::SHADER_FLOAT16_IN_FLOAT32
            | Capabilities::COOPERATIVE_MATRIX,
    );
    validator.subgroup_stages(ShaderStages::COMPUTE).subgroup_operations(SubgroupOperationSet::all());
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(wgsl)));
    (module, info)
}

/// HLSL as wgpu writes it, with or without naga's checks.
fn hlsl(name: &str, module: &naga::Module, info: &ModuleInfo, checked: bool) -> String {
    let options = hlsl::Options {
        // 16-bit floats need shader model 6.2, which is below what wgpu uses.
        shader_model: hlsl::ShaderModel::V6_2,
        fake_missing_bindings: true,
        // The buffer with the number of workgroups.
        special_constants_binding: Some(hlsl::BindTarget::default()),
        zero_initialize_workgroup_memory: checked,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..hlsl::Options::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
        .write(module, info, None)
        .unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
    assert!(text.contains("numthreads"), "{name}: no entry point in HLSL");
    text
}

/// The first function that an HLSL text defines twice: a line that is not indented begins its definition.
fn defined_twice(hlsl: &str) -> Option<&str> {
    let mut seen = BTreeSet::new();
    let begins = |line: &&str| line.contains('(') && !line.starts_with([' ', '/']) && !line.ends_with(';');
    hlsl.lines().filter(begins).find(|line| !seen.insert(line.trim_end_matches('{').trim_end()))
}

#[test]
fn every_shader_translates_to_every_api() {
    let dump = std::env::var_os("VGG_TEST_DUMP").map(PathBuf::from);
    let dump = |file: String, text: &str| {
        let Some(folder) = &dump else { return };
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
    };
    let mut twice = Vec::new();
    for (index, Shader { name, wgsl, module, info }) in SHADERS.iter().enumerate() {
        // MSL has matrices of 8 x 8, HLSL none.
        let [large, small] = MATRICES.map(|name| wgsl.contains(name));
        // Subgroup operations need MSL 2.4, which is below what wgpu uses.
        let options =
            msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..msl::Options::default() };
        if !large {
            msl::write_string(module, info, &options, &msl::PipelineOptions::default())
                .unwrap_or_else(|e| panic!("{name}: MSL: {e}"));
        }
        if large || small {
            continue;
        }
        for (mode, checked) in [("release", false), ("checked", true)] {
            let text = hlsl(name, module, info, checked);
            dump(format!("{index:05}.{mode}.hlsl"), &format!("// {name}\n{text}"));
            twice.extend(defined_twice(&text).map(|line| format!("{name} ({mode}): {line}")));
        }
    }
    assert!(
        twice.is_empty(),
        "{} HLSL texts define a function twice, which DXC refuses:\n{}",
        twice.len(),
        twice.join("\n")
    );
}

/// naga names the constructor of an array by its element and length, and writes one for each of two spellings of the type.
#[test]
fn a_constructor_that_is_defined_twice_is_found() {
    let shader = |three: &str| {
        format!(
            "alias Three = array<f32, 3>;
            @group(0) @binding(0) var<storage, read_write> data: array<f32>;
            fn named(x: f32) -> {three} {{ return {three}(x, x, x); }}
            fn plain(x: f32) -> array<f32, 3> {{ return array<f32, 3>(x, x, x); }}
            @compute @workgroup_size(1) fn main() {{ data[0] = named(1.0)[0] + plain(2.0)[1]; }}"
        )
    };
    let hlsl = |wgsl: String| {
        let (module, info) = validate("example", &wgsl);
        hlsl("example", &module, &info, false)
    };
    let text = hlsl(shader("Three"));
    assert!(defined_twice(&text).is_some_and(|line| line.contains("Constructarray3_float_")), "{text}");
    assert_eq!(defined_twice(&hlsl(shader("array<f32, 3>"))), None);
}

/// Each row on matrix units is translated with the matrices of either side.
#[test]
fn matrices_of_either_side_are_translated() {
    let rows: Vec<_> = variants().filter(|row| row.name == "cooperative").collect();
    assert!(!rows.is_empty());
    for row in rows {
        let texts = || {
            let kernels = pairs(row).into_iter().map(|(op, caps)| row.build(&op, caps));
            kernels.flat_map(|kernel| kernel.dispatches).map(|dispatch| dispatch.source.assemble())
        };
        for matrix in MATRICES {
            assert!(texts().any(|wgsl| wgsl.contains(matrix)), "{}: no shader with {matrix}", row.op);
        }
    }
}

/// spirv-val is in Debian's spirv-tools; without it, the SPIR-V has only naga's own checks.
#[test]
fn every_shader_is_valid_spirv() {
    let validator = Command::new("spirv-val").arg("--version").output().is_ok();
    if !validator {
        eprintln!("spirv-val is not installed: SPIR-V is written but not validated");
    }
    let folder = tempfile::tempdir().unwrap();
    for (index, Shader { name, wgsl, module, info }) in SHADERS.iter().enumerate() {
        let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
        let words =
            spv::write_vec(module, info, &options, None).unwrap_or_else(|e| panic!("{name}: SPIR-V: {e}"));
        // Every shape of a kernel is much the same: one in four covers every kernel.
        if validator && index % 4 == 0 {
            let path = folder.path().join("shader.spv");
            fs::File::create(&path).unwrap().write_all(bytemuck::cast_slice(&words)).unwrap();
            let output =
                Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(&path).output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            // Debian 12's validator is older than cooperative matrices (capability 6022).
            if wgsl.contains("coop_mat") && text.contains("Invalid capability operand: 6022") {
                eprintln!("{name}: this spirv-val does not know cooperative matrices");
                continue;
            }
            assert!(output.status.success(), "{name}: {text}");
        }
    }
}

/// A device with WebGPU's minimum limits runs every case.
#[test]
fn every_case_has_a_row_on_the_smallest_device() {
    for op in Op::NAMES.iter().flat_map(|name| cases(name)) {
        let row = select(&op, &SMALLEST, &[]).unwrap();
        let kernel = row.build(&op, &SMALLEST);
        for workspace in &kernel.workspaces {
            assert!(workspace.bytes <= SMALLEST.binding_bytes, "{op:?} {workspace:?}");
        }
        for dispatch in kernel.dispatches {
            let interface = dispatch.source.reflect().unwrap();
            let invocations: u32 = interface.workgroup_size.iter().product();
            assert!(invocations <= SMALLEST.workgroup_invocations, "{op:?}");
            assert!(interface.workgroup_bytes <= SMALLEST.workgroup_bytes, "{op:?}");
            assert!(interface.bindings.len() as u32 <= SMALLEST.storage_buffers, "{op:?}");
        }
    }
}

/// A row's requirements cover the workgroup memory and the invocations of its kernels: Winograd's products choose their tile by
/// the device.
#[test]
fn rows_fit_the_smallest_device_if_they_support_it() {
    let mut seen = BTreeSet::new();
    for variant in variants() {
        for op in cases(variant.op).iter().filter(|op| variant.supports(op, &SMALLEST)) {
            for dispatch in variant.build(op, &SMALLEST).dispatches {
                if !seen.insert(dispatch.source.assemble()) {
                    continue;
                }
                let interface = dispatch.source.reflect().unwrap();
                let invocations: u32 = interface.workgroup_size.iter().product();
                let (most, bytes) = (SMALLEST.workgroup_invocations, interface.workgroup_bytes);
                let fits = invocations <= most && bytes <= SMALLEST.workgroup_bytes;
                assert!(fits, "{variant:?} {op:?}: {invocations} invocations, {bytes} bytes");
            }
        }
    }
}

/// Each binding is an operand of the operation or a workspace of the kernel, and is written only where the operand is.
#[test]
fn bindings_are_the_operands() {
    for variant in variants() {
        for (op, caps) in pairs(variant).into_iter().take(1) {
            let mut bound = BTreeSet::new();
            let kernel = variant.build(&op, caps);
            for dispatch in &kernel.dispatches {
                let interface = dispatch.source.reflect().unwrap();
                bound.extend(interface.bindings.iter().map(|b| dispatch.bound(&b.name).to_owned()));
            }
            for operand in op.operands() {
                assert!(
                    bound.remove(operand.name),
                    "{}/{}: {} is not bound",
                    variant.op,
                    variant.name,
                    operand.name
                );
            }
            for workspace in &kernel.workspaces {
                assert!(
                    bound.remove(workspace.name),
                    "{}/{}: {workspace:?} is not bound",
                    variant.op,
                    variant.name
                );
            }
            assert!(bound.is_empty(), "{}/{}: {bound:?} are not operands", variant.op, variant.name);
        }
    }
}
