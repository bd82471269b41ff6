//! A network on a device: transfer of parameters, evaluation, prediction.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    checkpoint::Checkpoint,
    error::TrainError,
    metrics::Sums,
    probe::{self, LayerRow},
    sparsity,
};
use crate::{
    data::{Batch, Loader},
    model::{Network, Parameter},
    ops::{Control, LossScale, Metrics},
    program::{
        Executor, Explained, Inputs, Lowered, ParameterTensors, Pass, QuantizedTensors, TensorId, floats,
    },
    weights::{Part, Pretrained, QuantizedWeights, Weights},
};

/// Steps between two readings of the device's sums.
pub(super) const STEPS_PER_READING: usize = 10;

/// The maximum number of pending readings.
const IN_FLIGHT: usize = 3;

/// A network on a device.
pub struct Session {
    executor: Box<dyn Executor>,
    pub(super) inputs: Inputs,
    tensors: Vec<ParameterTensors>,
    loss_scale: Option<TensorId>,
    explained: Option<Explained>,
    quantized: Option<QuantizedTensors>,
    network: Network,
    /// The file that the weights were loaded from, for errors; `None` after training.
    pub(super) file: Option<String>,
    /// The temperature of the weights' probabilities; 1 after training.
    pub(super) temperature: f64,
}

impl Session {
    /// A session with the executor of a lowered network. Its parameters are not initialised yet.
    pub fn new(executor: Box<dyn Executor>, lowered: &Lowered, network: Network) -> Self {
        Self {
            executor,
            inputs: lowered.inputs,
            tensors: lowered.parameters.clone(),
            loss_scale: lowered.loss_scale,
            explained: lowered.explained,
            quantized: lowered.quantized.clone(),
            network,
            file: None,
            temperature: 1.0,
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The executor, for its allocations.
    pub fn executor(&self) -> &dyn Executor {
        &*self.executor
    }

    /// Images per step.
    pub fn batch_size(&self) -> usize {
        self.executor.program().tensor(self.inputs.labels).shape.elements()
    }

    /// Initialises every parameter and clears the optimiser state.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn initialize(&mut self, seed: u64) -> Result<(), TrainError> {
        self.begin(|index, parameter| parameter.initial(seed, index))
    }

    /// Initialises the parameters from a file, or from the seed where the file has none, and clears the optimiser state.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn begin_with(&mut self, pretrained: &Pretrained, seed: u64) -> Result<(), TrainError> {
        self.begin(|index, parameter| pretrained.values(index, parameter, seed))
    }

    /// Loads a file's weights and clears the optimiser state.
    ///
    /// # Errors
    /// As [`Weights::fits`]; [`TrainError::Executor`].
    pub fn load(&mut self, weights: &Weights) -> Result<(), TrainError> {
        weights.fits(&self.network)?;
        self.begin(|index, _| weights.values(index))?;
        self.file = Some(weights.path().to_owned());
        self.temperature = weights.info.temperature();
        Ok(())
    }

    /// Loads a quantised network into the session of its program.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    ///
    /// # Panics
    /// If the program is not one from [`lower_quantized`](crate::program::lower_quantized) for this network.
    pub fn load_quantized(&mut self, weights: &QuantizedWeights) -> Result<(), TrainError> {
        let tensors = self.quantized.clone().expect("the program of a quantised network");
        let quantized = &weights.quantized;
        let table = quantized.table(&weights.info.mean, &weights.info.std);
        self.executor.upload(tensors.table, &table)?;
        for (index, tensors) in tensors.layers.iter().enumerate() {
            let layer = quantized.device_layer(index);
            self.executor.upload(tensors.weight, bytemuck::cast_slice(&layer.weight))?;
            self.executor.upload(tensors.weight_sum, bytemuck::cast_slice(&layer.weight_sum))?;
            self.executor.upload(tensors.bias, bytemuck::cast_slice(&layer.bias))?;
            self.executor.upload(tensors.scale, bytemuck::cast_slice(&layer.scale))?;
        }
        self.file = Some(weights.path.clone());
        self.temperature = weights.info.temperature();
        Ok(())
    }

    fn begin(&mut self, values: impl Fn(usize, &Parameter) -> Vec<f32>) -> Result<(), TrainError> {
        (self.file, self.temperature) = (None, 1.0);
        for index in 0..self.tensors.len() {
            // The device clears while the host draws or reads the values.
            for &tensor in &self.tensors[index].state {
                self.executor.clear(tensor)?;
            }
            let values = values(index, &self.network.parameters[index]);
            self.upload_values(Part::Value(index), &values)?;
            if self.tensors[index].average.is_some() {
                self.upload_values(Part::Average(index), &values)?;
            }
        }
        self.set_loss_scale(LossScale::initial())
    }

    /// Sets this share of the trained weights of each convolution and linear layer to 0, and their averages with them.
    pub(super) fn make_sparse(&mut self, share: f64) -> Result<(), TrainError> {
        for index in 0..self.tensors.len() {
            let parameter = &self.network.parameters[index];
            if !parameter.is_weight() || !parameter.trained() {
                continue;
            }
            let mut values = self.get(Part::Value(index))?;
            let zeros = sparsity::smallest(&values, share);
            zeros.iter().for_each(|&zero| values[zero] = 0.0);
            self.upload_values(Part::Value(index), &values)?;
            if self.tensors[index].average.is_some() {
                let mut average = self.get(Part::Average(index))?;
                zeros.iter().for_each(|&zero| average[zero] = 0.0);
                self.upload_values(Part::Average(index), &average)?;
            }
        }
        Ok(())
    }

    /// Restores a checkpoint's weights and optimiser state.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        checkpoint.weights.fits(&self.network)?;
        (self.file, self.temperature) = (None, 1.0);
        checkpoint.parts().try_for_each(|(part, values)| self.upload_values(part, &values))
    }

    /// The device's current values of a parameter, in disk order.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn values(&mut self, parameter: usize) -> Result<Vec<f32>, TrainError> {
        self.get(Part::Value(parameter))
    }

    /// The gradient of a parameter in the last training step, in disk order, as the update read it: after penalty and clipping, and in
    /// mixed precision multiplied by the loss scale. `None` if the program does not store it.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn gradient(&mut self, parameter: usize) -> Result<Option<Vec<f32>>, TrainError> {
        let Some(tensor) = self.tensors[parameter].gradient else { return Ok(None) };
        let values = floats(&self.executor.read(tensor)?);
        let Parameter { layout, shape, .. } = &self.network.parameters[parameter];
        Ok(Some(layout.to_disk(shape, &values)))
    }

    /// As [`Session::evaluate`], but only the device's sums; `None` if `stop` was set.
    pub(super) fn test(
        &mut self,
        loader: &Loader,
        stop: &AtomicBool,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Option<Sums>, TrainError> {
        let mut readings = Readings::default();
        self.set_metrics([0.0; 4])?;
        let batches = loader.epoch(0, 0)?;
        let of = batches.len();
        for (index, batch) in batches.enumerate() {
            if stop.load(Ordering::Relaxed) {
                self.drain(&mut readings)?;
                return Ok(None);
            }
            self.run_batch(&batch?, Pass::Evaluate, Control::default())?;
            if (index + 1) % STEPS_PER_READING == 0 || index + 1 == of {
                self.take_reading(&mut readings)?;
            }
            progress(index + 1, of);
        }
        self.drain(&mut readings)?;
        Ok(Some(readings.sums))
    }

    /// Evaluates a batch and computes its layer statistics; `epoch` is recorded in the rows.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn probe(&mut self, batch: &Batch, epoch: u32) -> Result<Vec<LayerRow>, TrainError> {
        self.upload_batch(batch, Control::default())?;
        let activation = self.network.config.activation;
        Ok(probe::probe(&mut *self.executor, activation, batch.valid, epoch)?)
    }

    /// Uploads a batch and runs a pass over it; the batch fills in its part of `control`.
    pub(super) fn run_batch(
        &mut self,
        batch: &Batch,
        pass: Pass,
        control: Control,
    ) -> Result<(), TrainError> {
        self.upload_batch(batch, control)?;
        Ok(self.executor.run(pass)?)
    }

    /// Uploads a batch, which fills in its part of `control`.
    pub(super) fn upload_batch(&mut self, batch: &Batch, control: Control) -> Result<(), TrainError> {
        let control = Control { valid: batch.valid as u32, ..control };
        self.executor.upload(self.inputs.control, bytemuck::bytes_of(&control))?;
        self.executor.upload(self.inputs.images, &batch.images)?;
        self.executor.upload(self.inputs.transforms, bytemuck::cast_slice(&batch.transforms))?;
        self.executor.upload(self.inputs.labels, bytemuck::cast_slice(&batch.labels))?;
        // An evaluation of a training program does not read it.
        if let Some(mixes) = self.inputs.mixes.filter(|_| !batch.mixes.is_empty()) {
            self.executor.upload(mixes, bytemuck::cast_slice(&batch.mixes))?;
        }
        Ok(())
    }

    /// The tensors of an explanation, if the program has them.
    pub(super) fn explained(&self) -> Option<Explained> {
        self.explained
    }

    /// The executor, to run and measure parts of a step.
    pub(super) fn executor_mut(&mut self) -> &mut dyn Executor {
        &mut *self.executor
    }

    /// Waits for the mean loss of the last batch.
    pub(super) fn batch_loss(&mut self) -> Result<f64, TrainError> {
        let losses = floats(&self.executor.read(self.inputs.loss)?);
        Ok(losses.iter().copied().map(f64::from).sum::<f64>() / losses.len() as f64)
    }

    /// Waits for the device's sums since the last reading, without clearing them.
    pub(super) fn metrics(&mut self) -> Result<[f32; 4], TrainError> {
        Ok(four(&self.executor.read(self.inputs.metrics)?))
    }

    pub(super) fn set_metrics(&mut self, sums: [f32; 4]) -> Result<(), TrainError> {
        Ok(self.executor.upload(self.inputs.metrics, bytemuck::bytes_of(&sums))?)
    }

    /// Requests the device's sums, clears them afterwards, and collects the earlier sums that have arrived.
    pub(super) fn take_reading(&mut self, readings: &mut Readings) -> Result<(), TrainError> {
        self.executor.request(self.inputs.metrics)?;
        readings.in_flight += 1;
        self.set_metrics([0.0; Metrics::LEN])?;
        self.collect(readings, IN_FLIGHT)
    }

    /// Waits for all requested sums.
    pub(super) fn drain(&mut self, readings: &mut Readings) -> Result<(), TrainError> {
        self.collect(readings, 0)
    }

    /// Collects the sums that have arrived, and waits until at most `keep` are pending.
    fn collect(&mut self, readings: &mut Readings, keep: usize) -> Result<(), TrainError> {
        while readings.in_flight > 0 {
            let Some(bytes) = self.executor.collect(readings.in_flight > keep)? else { break };
            readings.in_flight -= 1;
            let sums = four(&bytes);
            readings.sums.add(sums);
            readings.arrived.push(sums);
        }
        Ok(())
    }

    pub(super) fn answer(&mut self) -> Result<Vec<f32>, TrainError> {
        let bytes = self.executor.collect(true)?;
        Ok(floats(&bytes.ok_or(TrainError::NoAnswer)?))
    }

    /// The device's loss-scaling state; `None` without mixed precision.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn loss_scale(&mut self) -> Result<Option<LossScale>, TrainError> {
        let Some(tensor) = self.loss_scale else { return Ok(None) };
        Ok(Some(bytemuck::pod_read_unaligned(&self.executor.read(tensor)?)))
    }

    /// Replaces the loss-scaling state; does nothing without mixed precision.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn set_loss_scale(&mut self, state: LossScale) -> Result<(), TrainError> {
        let values: [f32; LossScale::LEN] = bytemuck::cast(state);
        if self.loss_scale.is_some() { self.upload_values(Part::LossScale, &values) } else { Ok(()) }
    }

    /// The tensor, and the parameter that determines its disk order.
    fn tensor(&self, part: Part) -> (TensorId, Option<&Parameter>) {
        let of = |index: usize| Some(&self.network.parameters[index]);
        match part {
            Part::Value(index) => (self.tensors[index].value, of(index)),
            Part::State(index, place) => (self.tensors[index].state[place], of(index)),
            Part::Average(index) => {
                (self.tensors[index].average.expect("only requested if there are averages"), of(index))
            }
            Part::LossScale => (self.loss_scale.expect("only requested in mixed precision"), None),
        }
    }

    /// Uploads values in disk order.
    fn upload_values(&mut self, part: Part, values: &[f32]) -> Result<(), TrainError> {
        let (tensor, parameter) = self.tensor(part);
        let device = match parameter {
            Some(parameter) => &parameter.layout.to_device(&parameter.shape, values),
            None => values,
        };
        Ok(self.executor.upload(tensor, bytemuck::cast_slice(device))?)
    }

    /// Reads values in disk order.
    pub(super) fn get(&mut self, part: Part) -> Result<Vec<f32>, TrainError> {
        let (tensor, _) = self.tensor(part);
        let values = floats(&self.executor.read(tensor)?);
        Ok(match self.tensor(part).1 {
            Some(parameter) => parameter.layout.to_disk(&parameter.shape, &values),
            None => values,
        })
    }
}

/// Pending readings of the device's sums.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// The sums that have arrived.
    pub sums: Sums,
    /// Those since the caller last emptied this, in order.
    pub arrived: Vec<[f32; 4]>,
    in_flight: usize,
}

fn four(bytes: &[u8]) -> [f32; 4] {
    bytemuck::pod_read_unaligned(bytes)
}
