//! A network planned on a device, and the sessions and runs that are opened on one.

use super::{Device, error::DeviceError};
use crate::{
    data::{self, DataSets, DataSource, Normalization},
    model::{Network, QuantizedNetwork},
    program::{Lowered, MemoryPlan, Mode, Precision, Settings, lower, lower_quantized},
    train::{RunDirectory, Session, TrainConfig, Trainer},
    weights::{ModelInfo, QuantizedWeights, Trained, Weights},
};

/// The upper end of the search for the largest batch.
const MAX_BATCH: usize = 65_536;

/// A network planned on a device.
pub struct Planned<'a> {
    device: &'a Device,
    network: Network,
    /// The network on 8-bit integers, if that is what was planned.
    quantized: Option<&'a QuantizedNetwork>,
    settings: Settings,
    /// Its program.
    pub lowered: Lowered,
}

impl<'a> Planned<'a> {
    /// Plans a network without checking its memory.
    ///
    /// # Errors
    /// [`DeviceError::Lower`].
    pub fn unlimited(device: &'a Device, network: Network, settings: Settings) -> Result<Self, DeviceError> {
        let lowered = lower(&network, &settings)?;
        Ok(Self { device, network, quantized: None, settings, lowered })
    }

    fn unlimited_quantized(
        device: &'a Device,
        quantized: &'a QuantizedNetwork,
        settings: Settings,
    ) -> Result<Self, DeviceError> {
        let (lowered, network) = (lower_quantized(quantized, &settings)?, quantized.network.clone());
        Ok(Self { device, network, quantized: Some(quantized), settings, lowered })
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
            let planned = match self.quantized {
                Some(quantized) => Self::unlimited_quantized(self.device, quantized, settings),
                None => Self::unlimited(self.device, self.network.clone(), settings),
            };
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

impl Device {
    /// Plans a network, and refuses what does not fit before anything is allocated.
    ///
    /// # Errors
    /// [`DeviceError::Lower`], [`DeviceError::Open`], [`DeviceError::Memory`].
    pub fn plan(&self, network: Network, settings: Settings) -> Result<Planned<'_>, DeviceError> {
        let planned = Planned::unlimited(self, network, settings)?;
        planned.refuse_beyond(self.memory())?;
        Ok(planned)
    }

    /// A session that evaluates weights on `batch` images at a time.
    ///
    /// # Errors
    /// As [`Device::plan`], and [`DeviceError::Train`] if the weights do not belong to a network.
    pub fn evaluation(&self, weights: &Weights, batch: usize) -> Result<Session, DeviceError> {
        self.inference(weights, batch, weights.info.source_size(), Mode::Evaluate)
    }

    /// As [`Device::evaluation`], for images of another size, or to explain a layer.
    ///
    /// # Errors
    /// As [`Device::evaluation`].
    pub fn inference(
        &self,
        weights: &Weights,
        batch: usize,
        source: [usize; 2],
        mode: Mode,
    ) -> Result<Session, DeviceError> {
        let settings = self.settings(&weights.info, batch, source, mode);
        let mut session = self.plan(weights.network.clone(), settings)?.open()?;
        session.load(weights)?;
        Ok(session)
    }

    /// As [`Device::inference`], for a network on 8-bit integers.
    ///
    /// # Errors
    /// As [`Device::plan`].
    pub fn quantized_inference(
        &self,
        weights: &QuantizedWeights,
        batch: usize,
        source: [usize; 2],
    ) -> Result<Session, DeviceError> {
        let settings = self.settings(&weights.info, batch, source, Mode::Evaluate);
        let planned = Planned::unlimited_quantized(self, &weights.quantized, settings)?;
        planned.refuse_beyond(self.memory())?;
        let mut session = planned.open()?;
        session.load_quantized(weights)?;
        Ok(session)
    }

    /// A session that evaluates either kind of network on `batch` images of the size `source` at a time.
    ///
    /// # Errors
    /// As [`Device::evaluation`].
    pub fn session(
        &self,
        trained: &Trained,
        batch: usize,
        source: [usize; 2],
    ) -> Result<Session, DeviceError> {
        match trained {
            Trained::Float(weights) => self.inference(weights, batch, source, Mode::Evaluate),
            Trained::Quantized(weights) => self.quantized_inference(weights, batch, source),
        }
    }

    fn settings(&self, info: &ModelInfo, batch: usize, source: [usize; 2], mode: Mode) -> Settings {
        let Normalization { mean, std } = info.normalization();
        let (precision, limits) = (Precision::F32, self.limits());
        Settings { batch, source, mean, std, mode, precision, limits }
    }

    /// A new run of a configuration: opens its data set, creates its directory and its network.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::sync::atomic::AtomicBool;
    /// use vgg_wgpu::{device::Device, train::{Event, TrainConfig}};
    ///
    /// let mut trainer = Device::find("auto")?.trainer(TrainConfig::builtin("quick")?)?;
    /// trainer.run(&AtomicBool::new(false), &mut |_: &Event<'_>| {})?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Device::plan`], and the errors of the configuration, its data and its directory.
    pub fn trainer(&self, config: TrainConfig) -> Result<Trainer, DeviceError> {
        let source: DataSource = config.data.parse()?;
        let data = source.open(&data::Options::new(config.image_size))?;
        let network = config.vgg(data.train.channels(), data.train.classes()).network()?;
        let session = self.training(&config, &data, network)?;
        let directory = RunDirectory::create(&config)?;
        Ok(Trainer::new(session, config, &data, directory)?)
    }

    /// A session for training a network on data.
    ///
    /// # Errors
    /// As [`Device::plan`].
    pub fn training(
        &self,
        config: &TrainConfig,
        data: &DataSets,
        network: Network,
    ) -> Result<Session, DeviceError> {
        self.plan(network, config.settings(&*data.train, self.limits()))?.open()
    }
}
