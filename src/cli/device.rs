//! Choosing a device and opening a program on it.

use anyhow::{Result, bail};

use super::{
    Usage, args,
    kernels::{self, Kernels},
    output::note,
    plan,
    table::bytes,
};
use crate::{
    cpu::{self, CpuExecutor},
    gpu::{self, Adapter, DeviceChoice, DeviceRequest, Options, Selection},
    program::{DeviceLimits, Executor, Program, Roofline},
    verify,
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

    /// The same, with changed options for the programs that are opened.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.kernels.options);
        self
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

    /// Opens a program. Where it has f16, the matrix units are tried first, and left alone with a note where they fail.
    pub(super) fn open(&self, program: Program) -> Result<Box<dyn Executor>> {
        let Some(adapter) = self.adapter() else { return Ok(Box::new(CpuExecutor::<f32>::new(program))) };
        let (executor, failure) = verify::open(adapter, program, self.options())?;
        if let Some(failure) = failure {
            let text = format!("kernels   f16 without matrix units, which fail their self-test: {failure}");
            note(false, &text);
        }
        Ok(Box::new(executor))
    }

    /// What it reaches at best, measured now.
    pub(super) fn roofline(&self) -> Result<Roofline> {
        Ok(match self.adapter() {
            Some(adapter) => gpu::roofline(adapter)?,
            None => cpu::roofline(),
        })
    }

    /// The device's name.
    pub(super) fn name(&self) -> String {
        match self.adapter() {
            Some(adapter) => adapter.info().to_string(),
            None => {
                let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                format!("CPU, {threads} threads")
            }
        }
    }

    /// The driver and its version; the processor's architecture for the CPU device.
    pub(super) fn driver(&self) -> String {
        match self.adapter() {
            Some(adapter) => format!("{} {}", adapter.info().driver, adapter.info().driver_info),
            None => std::env::consts::ARCH.to_owned(),
        }
    }

    /// The device and why it was chosen, in one line; a line for each file of measured choices behind it.
    pub(super) fn describe(&self) -> String {
        let memory = self.adapter().and_then(|adapter| adapter.info().memory_bytes);
        let memory = memory.map_or_else(String::new, |memory| format!(", {}", bytes(memory)));
        let device = format!("device    {}{memory} ({})", self.name(), self.selection.reason);
        [device].iter().chain(&self.kernels.notes).cloned().collect::<Vec<_>>().join("\n")
    }
}
