//! The device properties that kernels depend on, without wgpu.

/// The class of a device, as far as it matters for the speed of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A GPU with dedicated memory.
    Discrete,
    /// A GPU that shares the CPU's memory, with fewer cores and less bandwidth.
    Integrated,
    /// A GPU emulated on the CPU, such as llvmpipe: loads dominate, workgroup memory and barriers do not pay off.
    Software,
    /// The driver does not say, or a GPU lent to a virtual machine.
    Unknown,
}

/// The matrix units of a device: they multiply `side` x `side` matrices from f16 to f32, each by one subgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixUnits {
    /// Rows and columns of a matrix: 16 or 8.
    pub side: usize,
    /// Invocations of the subgroup that multiplies: 8, 32 or 64.
    pub subgroup: u32,
}

/// The capabilities of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Caps {
    /// Its class.
    pub class: DeviceClass,
    /// 16-bit floats in shaders and buffers.
    pub f16: bool,
    /// Its matrix units, if it has any.
    pub matrix_units: Option<MatrixUnits>,
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
    /// The minimum that every WebGPU device has.
    pub const WEBGPU: Self = Self {
        class: DeviceClass::Unknown,
        f16: false,
        matrix_units: None,
        subgroup_sizes: None,
        binding_bytes: 128 << 20,
        workgroup_bytes: 16 << 10,
        workgroup_invocations: 256,
        storage_buffers: 8,
    };

    /// A typical discrete GPU, for planning on machines without one.
    pub const DISCRETE: Self = Self {
        class: DeviceClass::Discrete,
        f16: true,
        matrix_units: Some(MatrixUnits { side: 16, subgroup: 32 }),
        subgroup_sizes: Some([32, 32]),
        binding_bytes: (1 << 31) - 4,
        workgroup_bytes: 48 << 10,
        workgroup_invocations: 1024,
        storage_buffers: 32,
    };

    /// Whether it is emulated on the CPU.
    pub fn software(&self) -> bool {
        self.class == DeviceClass::Software
    }
}
