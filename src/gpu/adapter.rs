//! The adapters of this machine: what they are, what they can do, and which of their limits matter here.

use std::fmt;

use super::capture::renderdoc_is_loaded;
use crate::{
    kernels::{Caps, DeviceClass, MatrixUnits},
    program::DeviceLimits,
};

/// A graphics API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// Vulkan: Linux, Windows, Android.
    Vulkan,
    /// Metal: Apple.
    Metal,
    /// Direct3D 12: Windows.
    Dx12,
}

/// The APIs to search for adapters.
const BACKENDS: [Backend; 3] = [Backend::Vulkan, Backend::Metal, Backend::Dx12];

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Vulkan => "Vulkan",
            Self::Metal => "Metal",
            Self::Dx12 => "DX12",
        })
    }
}

/// The kind of an adapter, in `auto`'s order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// A GPU with dedicated memory.
    Discrete,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A GPU passed through to a virtual machine.
    Virtual,
    /// The driver does not say.
    Other,
    /// A GPU emulated on the CPU, such as llvmpipe.
    Software,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Other => "GPU",
            Self::Software => "software",
        })
    }
}

/// The limits of an adapter that matter to compute kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterLimits {
    /// The largest buffer, in bytes.
    pub buffer_bytes: u64,
    /// The largest part of a buffer that can be bound, in bytes; at most 2^31 - 1.
    pub binding_bytes: u64,
    /// Alignment in bytes of the offset of a binding.
    pub offset_alignment: u32,
    /// Storage buffers that one dispatch binds.
    pub storage_buffers: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations in a workgroup.
    pub workgroup_invocations: u32,
    /// Invocations along each axis of a workgroup.
    pub workgroup_size: [u32; 3],
    /// Workgroups along each axis of a dispatch.
    pub workgroups: u32,
}

/// The optional features of an adapter that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterFeatures {
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Smallest and largest subgroup; `None` without subgroup operations.
    pub subgroup_sizes: Option<[u32; 2]>,
    /// Timestamps at the borders of passes.
    pub timestamps: bool,
    /// Whether a Vulkan driver is to check every buffer access: [`Adapter::with_robust_buffers`].
    pub robust_buffers: bool,
    /// The side, 16 or 8, of the f16 matrices that its matrix units multiply to f32, where WGSL has access to them.
    pub matrix_side: Option<usize>,
}

/// The properties of an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its number in [`devices`], which `--device N` takes.
    pub index: usize,
    /// The name that the driver reports.
    pub name: String,
    /// Its API; a GPU may be listed once per API.
    pub backend: Backend,
    /// Its kind.
    pub kind: DeviceKind,
    /// The PCI vendor ID, where the API reports it.
    pub vendor_id: u32,
    /// The PCI device ID.
    pub device_id: u32,
    /// The driver's name.
    pub driver: String,
    /// The driver's version and more.
    pub driver_info: String,
    /// Its limits.
    pub limits: AdapterLimits,
    /// Its optional features.
    pub features: AdapterFeatures,
    /// Bytes of its memory, where the API reports them (Vulkan does).
    pub memory_bytes: Option<u64>,
}

impl DeviceInfo {
    /// Whether it is emulated on the CPU.
    pub fn software(&self) -> bool {
        self.kind == DeviceKind::Software
    }
}

impl fmt::Display for DeviceInfo {
    /// As `llvmpipe (LLVM 15.0.6, 256 bits) [software, Vulkan]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}, {}]", self.name, self.kind, self.backend)
    }
}

/// An adapter that a device can be opened on.
#[derive(Clone, Debug)]
pub struct Adapter {
    info: DeviceInfo,
    pub(super) raw: wgpu::Adapter,
}

impl Adapter {
    /// Its properties.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The same adapter without its matrix units.
    pub fn without_matrix_units(mut self) -> Self {
        self.info.features.matrix_side = None;
        self
    }

    /// The same adapter, whose driver checks every buffer access, as wgpu has it by default on Vulkan. The checks multiply the instructions of
    /// memory accesses on NVIDIA's GPUs, and no kernel needs them: the tests find every access out of bounds.
    pub fn with_robust_buffers(mut self) -> Self {
        self.info.features.robust_buffers = true;
        self
    }

    /// The same adapter with lower limits, to run a program as on a smaller one. Limits are never raised.
    pub fn limited(mut self, lower: impl FnOnce(&mut AdapterLimits)) -> Self {
        let real = self.info.limits;
        let l = &mut self.info.limits;
        lower(l);
        l.buffer_bytes = l.buffer_bytes.min(real.buffer_bytes);
        l.binding_bytes = l.binding_bytes.min(real.binding_bytes);
        l.offset_alignment = l.offset_alignment.max(real.offset_alignment);
        l.storage_buffers = l.storage_buffers.min(real.storage_buffers);
        l.workgroup_bytes = l.workgroup_bytes.min(real.workgroup_bytes);
        l.workgroup_invocations = l.workgroup_invocations.min(real.workgroup_invocations);
        l.workgroup_size = std::array::from_fn(|axis| l.workgroup_size[axis].min(real.workgroup_size[axis]));
        l.workgroups = l.workgroups.min(real.workgroups);
        self
    }

    /// The capabilities for the choice of kernels.
    pub fn caps(&self) -> Caps {
        let limits = &self.info.limits;
        Caps {
            class: match self.info.kind {
                DeviceKind::Discrete => DeviceClass::Discrete,
                DeviceKind::Integrated => DeviceClass::Integrated,
                DeviceKind::Software => DeviceClass::Software,
                DeviceKind::Virtual | DeviceKind::Other => DeviceClass::Unknown,
            },
            f16: self.info.features.f16,
            matrix_units: self.matrix_units(),
            subgroup_sizes: self.info.features.subgroup_sizes,
            binding_bytes: limits.binding_bytes,
            workgroup_bytes: limits.workgroup_bytes,
            workgroup_invocations: limits.workgroup_invocations,
            storage_buffers: limits.storage_buffers,
        }
    }

    /// The size of a subgroup is a constant of the kernels, so matrix units are used only where it is known; the self-test would
    /// catch a wrong one. Metal reports no size, but GPUs with 8 x 8 matrices have subgroups of 32. Mesa's driver for AMD (RADV)
    /// compiles such shaders for subgroups of 64 wherever it has a choice.
    fn matrix_units(&self) -> Option<MatrixUnits> {
        let DeviceInfo { features, backend, driver, .. } = &self.info;
        let side = features.matrix_side?;
        let subgroup = match features.subgroup_sizes {
            _ if side == 8 && *backend == Backend::Metal => 32,
            Some([_, 64]) if driver == "radv" => 64,
            Some([least, most]) if least == most && [8, 32, 64].contains(&least) => least,
            _ => return None,
        };
        Some(MatrixUnits { side, subgroup })
    }

    /// The limits for lowering a program.
    pub fn limits(&self) -> DeviceLimits {
        let limits = &self.info.limits;
        // The limit on a whole buffer does not matter here: slices of a tensor share one buffer anyway.
        DeviceLimits {
            binding_bytes: limits.binding_bytes,
            offset_alignment: limits.offset_alignment.into(),
            f16: self.info.features.f16,
        }
    }
}

/// All adapters of Vulkan, Metal and DX12 on this machine; empty without drivers.
///
/// The order, and so [`DeviceInfo::index`], is stable: by kind as [`DeviceKind`] lists them, then by backend,
/// then in the driver's order. Duplicates are dropped.
pub fn adapters() -> Vec<Adapter> {
    let mut seen = Vec::new();
    let mut adapters = Vec::new();
    for (backend, raw) in BACKENDS.into_iter().flat_map(raw_adapters) {
        let info = raw.get_info();
        let identity = (
            backend,
            info.vendor,
            info.device,
            info.device_pci_bus_id.clone(),
            [info.name.clone(), info.driver.clone(), info.driver_info.clone()],
        );
        // Two GPUs of one model differ in their bus address. Without an address only software counts as a duplicate.
        let known = info.device_type == wgpu::DeviceType::Cpu || !info.device_pci_bus_id.is_empty();
        if known && seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        adapters.push(Adapter { info: describe(&raw, info, backend), raw });
    }
    adapters.sort_by_key(|a| (a.info.kind, a.info.backend));
    for (index, adapter) in adapters.iter_mut().enumerate() {
        adapter.info.index = index;
    }
    adapters
}

/// The properties of all [`adapters`], in their order.
pub fn devices() -> Vec<DeviceInfo> {
    adapters().into_iter().map(|a| a.info).collect()
}

/// The adapters of a backend, in its drivers' order. Each backend has its own instance, because the flags differ.
fn raw_adapters(backend: Backend) -> Vec<(Backend, wgpu::Adapter)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = match backend {
        Backend::Vulkan => wgpu::Backends::VULKAN,
        Backend::Metal => wgpu::Backends::METAL,
        Backend::Dx12 => wgpu::Backends::DX12,
    };
    descriptor.flags = instance_flags(backend, debugger_attached(backend)).with_env();
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found.into_iter().map(|raw| (backend, raw)).collect()
}

/// `DEBUG` embeds the source in the shaders. On Vulkan it also passes labels to the driver and looks up the line of every instruction,
/// which takes as long as parsing; on DX12 it also turns optimisation off. Only a debugger needs it. Metal always gets labels.
fn instance_flags(backend: Backend, debugger: bool) -> wgpu::InstanceFlags {
    match backend {
        Backend::Vulkan | Backend::Dx12 if debugger => wgpu::InstanceFlags::DEBUG,
        Backend::Vulkan | Backend::Dx12 | Backend::Metal => wgpu::InstanceFlags::empty(),
    }
}

fn describe(raw: &wgpu::Adapter, info: wgpu::AdapterInfo, backend: Backend) -> DeviceInfo {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => DeviceKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => DeviceKind::Integrated,
        wgpu::DeviceType::VirtualGpu => DeviceKind::Virtual,
        wgpu::DeviceType::Other => DeviceKind::Other,
        wgpu::DeviceType::Cpu => DeviceKind::Software,
    };
    let (limits, features) = (raw.limits(), raw.features());
    let has = |feature| features.contains(feature);
    let subgroups = has(wgpu::Features::SUBGROUP).then_some([info.subgroup_min_size, info.subgroup_max_size]);
    DeviceInfo {
        index: 0,
        name: info.name,
        backend,
        kind,
        vendor_id: info.vendor,
        device_id: info.device,
        driver: info.driver,
        driver_info: info.driver_info,
        limits: AdapterLimits {
            buffer_bytes: limits.max_buffer_size,
            binding_bytes: limits.max_storage_buffer_binding_size.min(i32::MAX as u64),
            offset_alignment: limits.min_storage_buffer_offset_alignment,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_size: [
                limits.max_compute_workgroup_size_x,
                limits.max_compute_workgroup_size_y,
                limits.max_compute_workgroup_size_z,
            ],
            workgroups: limits.max_compute_workgroups_per_dimension,
        },
        features: AdapterFeatures {
            f16: has(wgpu::Features::SHADER_F16),
            subgroup_sizes: subgroups,
            timestamps: has(wgpu::Features::TIMESTAMP_QUERY),
            robust_buffers: false,
            matrix_side: matrix_side(raw).filter(|_| has(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX)),
        },
        memory_bytes: memory_bytes(raw),
    }
}

/// The side of the f16 matrices that the matrix units multiply to f32: the largest that the kernels support.
fn matrix_side(adapter: &wgpu::Adapter) -> Option<usize> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let properties = adapter.cooperative_matrix_properties();
    let has = |side| {
        properties
            .iter()
            .any(|p| [p.m_size, p.n_size, p.k_size] == [side; 3] && (p.ab_type, p.cr_type) == (F16, F32))
    };
    [16, 8].into_iter().find(|&side| has(side)).map(|side| side as usize)
}

/// The size of the largest heap that is local to the device.
#[cfg(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn memory_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    // SAFETY: nothing is destroyed through the handles, and they do not outlive the guard.
    let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let (instance, device) = (vulkan.shared_instance().raw_instance(), vulkan.raw_physical_device());
    // SAFETY: the guard keeps the instance, and the instance its physical devices.
    let memory = unsafe { instance.get_physical_device_memory_properties(device) };
    // VK_MEMORY_HEAP_DEVICE_LOCAL_BIT is 1.
    let local = memory.memory_heaps_as_slice().iter().filter(|heap| heap.flags.as_raw() & 1 != 0);
    local.map(|heap| heap.size).max()
}

#[cfg(not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn memory_bytes(_: &wgpu::Adapter) -> Option<u64> {
    None
}

/// Whether a debugger that can capture work of this API is attached to the process. Metal does not report it, so the answer there
/// is always yes.
pub fn debugger_attached(backend: Backend) -> bool {
    match backend {
        Backend::Metal => true,
        Backend::Vulkan | Backend::Dx12 => renderdoc_is_loaded(),
    }
}

/// The adapter for unit tests; `None` if `VGG_SKIP_GPU=1` skips those that need one.
#[cfg(test)]
pub(crate) fn test_adapter() -> Option<Adapter> {
    if std::env::var_os("VGG_SKIP_GPU").is_some_and(|v| v == "1") {
        return None;
    }
    Some(adapters().into_iter().next().expect("no adapter: run scripts/test, or set VGG_SKIP_GPU=1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without `DEBUG` wgpu-hal lets DXC and FXC optimise.
    #[test]
    fn only_a_debugger_gets_shaders_with_their_source() {
        let debug =
            |backend, debugger| instance_flags(backend, debugger).contains(wgpu::InstanceFlags::DEBUG);
        for backend in [Backend::Vulkan, Backend::Dx12] {
            assert_eq!([false, true].map(|debugger| debug(backend, debugger)), [false, true]);
        }
    }
}
