//! Choosing a device and opening a program on it.

use anyhow::{Result, bail};

use super::{
    Usage, args,
    kernels::{self, Kernels},
    plan,
    table::bytes,
};
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
    kernels: Kernels,
}

impl Device {
    /// Finds the device that `--device` asks for, and the kernels that it is to run with.
    pub(super) fn choose(request: &str, kernels: &args::KernelFlags) -> Result<Self> {
        let Ok(request) = request.parse::<DeviceRequest>();
        let selection = gpu::select(&request)?;
        let adapter = match &selection.device {
            DeviceChoice::Gpu(adapter) => Some(adapter),
            DeviceChoice::Cpu => None,
        };
        let kernels = kernels::choose(kernels, adapter)?;
        Ok(Self { selection, kernels })
    }

    /// As [`Device::choose`] for commands about kernels: never the CPU device, and `auto` is the first adapter there is.
    pub(super) fn choose_gpu(request: &str) -> Result<Self> {
        let Ok(parsed) = request.parse::<DeviceRequest>();
        let selection = match parsed {
            DeviceRequest::Cpu => {
                let text = "--device cpu: the CPU device has no kernels; it is what they are checked against";
                bail!(Usage(text.to_owned()))
            }
            DeviceRequest::Auto => match gpu::adapters().into_iter().next() {
                Some(first) => {
                    let reason = "auto: the first that `vgg devices` lists".to_owned();
                    Selection { device: DeviceChoice::Gpu(first), reason }
                }
                None => bail!("no Vulkan, Metal or DX12 adapter was found. {CPU_HINT}"),
            },
            other => gpu::select(&other)?,
        };
        Ok(Self { selection, kernels: Kernels::default() })
    }

    /// The adapter of a device from [`Device::choose_gpu`].
    pub(super) fn gpu(&self) -> Result<&Adapter> {
        self.adapter().ok_or_else(|| Usage("the CPU device has no kernels".to_owned()).into())
    }

    /// How its programs are to be run.
    pub(super) fn options(&self) -> &Options {
        &self.kernels.options
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
            Some(adapter) => Box::new(GpuExecutor::open(adapter, program, self.options())?),
            None => Box::new(CpuExecutor::<f32>::new(program)),
        })
    }

    /// The device and why it was chosen, in one line; a line for each file of measured choices behind it.
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
        let device = format!("device    {name} ({})", self.selection.reason);
        [device].iter().chain(&self.kernels.notes).cloned().collect::<Vec<_>>().join("\n")
    }
}
