//! A network planned on a device.

use super::{Device, DeviceError};
use crate::{
    model::Network,
    program::{Lowered, MemoryPlan, Settings, lower},
    train::Session,
};

/// The upper end of the search for the largest batch.
const MAX_BATCH: usize = 65_536;

/// A network planned on a device.
pub struct Planned<'a> {
    device: &'a Device,
    network: Network,
    settings: Settings,
    /// Its program.
    pub lowered: Lowered,
}

impl<'a> Planned<'a> {
    pub(super) fn new(device: &'a Device, network: Network, settings: Settings) -> Result<Self, DeviceError> {
        let planned = Self::unlimited(device, network, settings)?;
        planned.refuse_beyond(device.memory())?;
        Ok(planned)
    }

    /// Plans a network without checking its memory.
    ///
    /// # Errors
    /// [`DeviceError::Lower`].
    pub fn unlimited(device: &'a Device, network: Network, settings: Settings) -> Result<Self, DeviceError> {
        let lowered = lower(&network, &settings)?;
        Ok(Self { device, network, settings, lowered })
    }

    /// The device.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// How it was lowered.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The bytes that it needs, workspaces included.
    ///
    /// # Errors
    /// [`DeviceError::Open`] if a kernel does not fit the adapter.
    pub fn peak(&self) -> Result<u64, DeviceError> {
        let workspace =
            self.device.requirements(&self.lowered.program)?.map_or(0, |needs| needs.workspace_bytes);
        Ok(MemoryPlan::new(&self.lowered.program).bytes().saturating_add(workspace))
    }

    /// Refuses a program that needs more memory than `memory`.
    ///
    /// # Errors
    /// [`DeviceError::Memory`], with the largest batch that fits.
    pub fn refuse_beyond(&self, memory: Option<u64>) -> Result<(), DeviceError> {
        let (Some(has), needs) = (memory, self.peak()?) else { return Ok(()) };
        if needs <= has {
            return Ok(());
        }
        let (batch, largest) = (self.settings.batch, self.largest_batch(has));
        Err(DeviceError::Memory { batch, needs, has, largest })
    }

    /// The largest batch whose plan fits in `memory` bytes, by bisection: memory grows with the batch.
    pub fn largest_batch(&self, memory: u64) -> Option<usize> {
        let fits = |batch: usize| {
            let settings = Settings { batch, ..self.settings.clone() };
            let planned = Self::unlimited(self.device, self.network.clone(), settings);
            planned.and_then(|planned| planned.peak()).is_ok_and(|bytes| bytes <= memory)
        };
        let (mut low, mut high) = (0, MAX_BATCH + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        (low > 0).then_some(low)
    }

    /// Allocates it on the device.
    ///
    /// # Errors
    /// [`DeviceError::Open`].
    pub fn open(self) -> Result<Session, DeviceError> {
        let executor = self.device.executor(self.lowered.program.clone())?;
        Ok(Session::new(executor, &self.lowered, self.network))
    }
}
