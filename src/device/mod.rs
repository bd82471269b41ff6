//! From a request to a running program: one call finds a device, one plans a network on it and refuses what does not fit,
//! one opens it.
//!
//! The command line and users of the library make the same calls and get the same checks: limits and memory are checked
//! before anything is allocated, and a GPU's matrix units are tested before f16 relies on them.

mod error;
mod memory;
mod planned;

use std::sync::OnceLock;

pub use error::{DeviceError, bytes};
pub use memory::system_memory;
pub use planned::Planned;

use crate::{
    cpu::{self, CpuExecutor},
    gpu::{self, Adapter, DeviceChoice, DeviceRequest, Options, Requirements, Selection},
    program::{DeviceLimits, Executor, Program, Roofline},
    verify,
};

/// A device that programs run on: the CPU, or a GPU with options.
#[derive(Clone)]
pub struct Device {
    selection: Selection,
    options: Options,
    /// Why the matrix units are not used; set when a program with f16 is opened on a device where they fail.
    matrix_units_failure: OnceLock<String>,
}

impl Device {
    /// The device for a request: `auto` (a hardware GPU, else the CPU), `cpu`, `vulkan`, `metal`, `dx12`, a number in
    /// [`gpu::devices`] or part of a device's name.
    ///
    /// # Errors
    /// [`DeviceError::Select`] if there is no such device.
    pub fn find(request: &str) -> Result<Self, DeviceError> {
        let Ok(request) = request.parse::<DeviceRequest>();
        Ok(gpu::select(&request)?.into())
    }

    /// The first adapter; a software one if there is nothing else.
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`].
    pub fn first_adapter() -> Result<Self, DeviceError> {
        let first = gpu::adapters().into_iter().next().ok_or(DeviceError::NoAdapter)?;
        let reason = "auto: the first that `vgg devices` lists".to_owned();
        Ok(Selection { device: DeviceChoice::Gpu(first), reason }.into())
    }

    /// The same device, with options for the programs that are opened on it.
    pub fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The same device, whose driver checks every buffer access ([`Adapter::with_robust_buffers`]). The CPU device has no driver.
    pub fn with_robust_buffers(mut self) -> Self {
        if let DeviceChoice::Gpu(adapter) = self.selection.device {
            self.selection.device = DeviceChoice::Gpu(adapter.with_robust_buffers());
        }
        self
    }

    /// The options for the programs that are opened.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The adapter; `None` is the CPU device.
    pub fn adapter(&self) -> Option<&Adapter> {
        match &self.selection.device {
            DeviceChoice::Gpu(adapter) => Some(adapter),
            DeviceChoice::Cpu => None,
        }
    }

    /// Why this device was chosen.
    pub fn reason(&self) -> &str {
        &self.selection.reason
    }

    /// Whether it is a GPU rather than the CPU or a software adapter.
    pub fn is_hardware_gpu(&self) -> bool {
        self.adapter().is_some_and(|adapter| !adapter.info().software())
    }

    /// The limits that shape a program.
    pub fn limits(&self) -> DeviceLimits {
        self.adapter().map_or(DeviceLimits::NONE, Adapter::limits)
    }

    /// The bytes that a program may use: a GPU's own memory, or the machine's free memory. `None` if unknown.
    pub fn memory(&self) -> Option<u64> {
        match self.adapter() {
            Some(adapter) if !adapter.info().software() => adapter.info().memory_bytes,
            _ => system_memory(),
        }
    }

    /// The device's name.
    pub fn name(&self) -> String {
        match self.adapter() {
            Some(adapter) => adapter.info().to_string(),
            None => {
                let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                format!("CPU, {threads} threads")
            }
        }
    }

    /// The driver and its version; the processor's architecture for the CPU device.
    pub fn driver(&self) -> String {
        match self.adapter() {
            Some(adapter) => format!("{} {}", adapter.info().driver, adapter.info().driver_info),
            None => std::env::consts::ARCH.to_owned(),
        }
    }

    /// Its peak rates, measured now.
    ///
    /// # Errors
    /// [`DeviceError::Open`].
    pub fn roofline(&self) -> Result<Roofline, DeviceError> {
        Ok(match self.adapter() {
            Some(adapter) => gpu::roofline(adapter)?,
            None => cpu::roofline(),
        })
    }

    /// A program's requirements of the adapter; `None` on the CPU device, which has no limits.
    ///
    /// # Errors
    /// [`DeviceError::Open`] if a requested kernel does not exist or does not fit.
    pub fn requirements(&self, program: &Program) -> Result<Option<Requirements>, DeviceError> {
        let of = |adapter| Requirements::of(program, adapter, &self.options);
        Ok(self.adapter().map(of).transpose()?)
    }

    /// An executor for a program. For a program with f16 the matrix units are tested first, and not used if they fail.
    ///
    /// # Errors
    /// [`DeviceError::Open`].
    pub fn executor(&self, program: Program) -> Result<Box<dyn Executor>, DeviceError> {
        let Some(adapter) = self.adapter() else { return Ok(Box::new(CpuExecutor::<f32>::new(program))) };
        let (executor, failure) = verify::open(adapter, program, &self.options)?;
        if let Some(failure) = failure {
            // Every program on this device sees the same failure.
            let _ = self.matrix_units_failure.set(failure);
        }
        Ok(Box::new(executor))
    }

    /// Why the matrix units are not used, if they failed: measurements without them have to say so.
    pub fn matrix_units_failure(&self) -> Option<&str> {
        self.matrix_units_failure.get().map(String::as_str)
    }
}

impl From<Selection> for Device {
    fn from(selection: Selection) -> Self {
        Self { selection, options: Options::default(), matrix_units_failure: OnceLock::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        program::{Mode, Precision, Settings},
        train::TrainConfig,
    };

    #[test]
    fn a_device_remembers_that_its_matrix_units_fail() {
        let device = Device::find("cpu").unwrap();
        assert_eq!(device.matrix_units_failure(), None);
        device.matrix_units_failure.set("linear.forward/cooperative: NaN".to_owned()).unwrap();
        let device = device.with_options(Options::default());
        assert_eq!(device.matrix_units_failure(), Some("linear.forward/cooperative: NaN"));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_largest_batch_that_does() {
        let config = TrainConfig::builtin("quick").unwrap();
        let network = config.vgg(1, 10).network().unwrap();
        let device = Device::find("cpu").unwrap();
        let settings = Settings {
            batch: 64,
            source: [28, 28],
            mean: vec![0.5],
            std: vec![0.5],
            mode: Mode::Evaluate,
            precision: Precision::F32,
            limits: device.limits(),
        };
        let planned = Planned::unlimited(&device, network, settings).unwrap();
        let peak = planned.peak().unwrap();
        assert!(planned.refuse_beyond(None).is_ok() && planned.refuse_beyond(Some(peak)).is_ok());
        let error = planned.refuse_beyond(Some(peak / 2)).err().unwrap();
        let DeviceError::Memory { batch: 64, needs, has, largest: Some(largest) } = error else {
            panic!("{error}")
        };
        assert!((needs, has) == (peak, peak / 2) && (1..64).contains(&largest), "{largest}");
        assert!(planned.largest_batch(0).is_none());
    }
}
