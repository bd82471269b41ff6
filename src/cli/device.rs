//! Choosing a device and opening a program on it.

use anyhow::Result;

use super::{plan, table::bytes};
use crate::{
    cpu::CpuExecutor,
    gpu::{self, Adapter, DeviceChoice, DeviceRequest, GpuExecutor, Options, Selection},
    program::{DeviceLimits, Executor, Program},
};

/// How to come by a software adapter.
pub(super) const CPU_HINT: &str = "The CPU device needs none. For a software adapter, as the tests use it: \
    apt-get install mesa-vulkan-drivers (Debian, Ubuntu), vulkan-swrast (Arch), mesa-vulkan-drivers (Fedora).";

/// A device that was chosen, with the reason.
pub(super) struct Device {
    selection: Selection,
}

impl Device {
    /// Finds the device that `--device` asks for.
    pub(super) fn choose(request: &str) -> Result<Self> {
        let Ok(request) = request.parse::<DeviceRequest>();
        Ok(Self { selection: gpu::select(&request)? })
    }

    /// The adapter, unless it is the CPU device.
    pub(super) fn adapter(&self) -> Option<&Adapter> {
        match &self.selection.device {
            DeviceChoice::Gpu(adapter) => Some(adapter),
            DeviceChoice::Cpu => None,
        }
    }

    /// Whether it is a GPU and not a CPU in one form or the other.
    pub(super) fn is_hardware_gpu(&self) -> bool {
        self.adapter().is_some_and(|adapter| !adapter.info().software())
    }

    /// The limits that shape a program.
    pub(super) fn limits(&self) -> DeviceLimits {
        self.adapter().map_or(DeviceLimits::NONE, Adapter::limits)
    }

    /// The bytes that a training may take: a GPU's own memory, or what the machine has left. `None` where that
    /// is not known.
    pub(super) fn memory(&self) -> Option<u64> {
        match self.adapter() {
            Some(adapter) if !adapter.info().software() => adapter.info().memory_bytes,
            _ => plan::system_memory(),
        }
    }

    /// Opens a program.
    pub(super) fn open(&self, program: Program) -> Result<Box<dyn Executor>> {
        Ok(match self.adapter() {
            Some(adapter) => Box::new(GpuExecutor::open(adapter, program, &Options::default())?),
            None => Box::new(CpuExecutor::<f32>::new(program)),
        })
    }

    /// The device and why it was chosen, in one line.
    pub(super) fn describe(&self) -> String {
        let name = match self.adapter() {
            Some(adapter) => {
                let info = adapter.info();
                let memory = info.memory_bytes.map_or_else(String::new, |m| format!(", {}", bytes(m)));
                format!("{info}{memory}")
            }
            None => {
                let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                format!("CPU, {threads} threads")
            }
        };
        format!("device    {name} ({})", self.selection.reason)
    }
}
