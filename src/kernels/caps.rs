//! What kernels know of a device: plain facts, without wgpu.

/// What sort of device it is, as far as it tells where a kernel is fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the CPU's memory, with fewer cores and less bandwidth.
    Integrated,
    /// A CPU that plays a GPU, such as llvmpipe: loads are the cost, workgroup memory and barriers do not pay.
    Software,
    /// The driver does not say, or a GPU lent to a virtual machine.
    Unknown,
}

/// What kernels need to know of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Caps {
    /// What it is.
    pub class: DeviceClass,
    /// 16-bit floats in shaders and buffers.
    pub f16: bool,
    /// The side of the matrices, 16 or 8, that its matrix units multiply from f16 to f32 in subgroups of 32; `None` without.
    pub matrix_side: Option<usize>,
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
        class: DeviceClass::Unknown,
        f16: false,
        matrix_side: None,
        subgroup_sizes: None,
        binding_bytes: 128 << 20,
        workgroup_bytes: 16 << 10,
        workgroup_invocations: 256,
        storage_buffers: 8,
    };

    /// A discrete GPU as they are today, to plan for where there is none.
    pub const DISCRETE: Self = Self {
        class: DeviceClass::Discrete,
        f16: true,
        matrix_side: Some(16),
        subgroup_sizes: Some([32, 32]),
        binding_bytes: (1 << 31) - 4,
        workgroup_bytes: 48 << 10,
        workgroup_invocations: 1024,
        storage_buffers: 32,
    };

    /// Whether it is a CPU that plays a GPU.
    pub fn software(&self) -> bool {
        self.class == DeviceClass::Software
    }
}
