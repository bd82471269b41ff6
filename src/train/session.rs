//! A network on a device: transfer of parameters, evaluation, prediction.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    checkpoint::Checkpoint,
    error::TrainError,
    evaluation::{Evaluation, Hard},
    metrics::Sums,
    probe::{self, LayerRow},
    sparsity,
};
use crate::{
    data::{Batch, Loader},
    model::{Network, Parameter},
    ops::{Control, LossScale, Metrics},
    program::{
        Executor, ExecutorError, Explained, Inputs, Lowered, ParameterTensors, Pass, QuantizedTensors,
        TensorId, floats,
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
    inputs: Inputs,
    tensors: Vec<ParameterTensors>,
    loss_scale: Option<TensorId>,
    explained: Option<Explained>,
    quantized: Option<QuantizedTensors>,
    network: Network,
    /// The file that the weights were loaded from, for errors; `None` after training.
    pub(super) file: Option<String>,
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
        Ok(())
    }

    fn begin(&mut self, values: impl Fn(usize, &Parameter) -> Vec<f32>) -> Result<(), TrainError> {
        self.file = None;
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
        self.file = None;
        checkpoint.parts().try_for_each(|(part, values)| self.upload_values(part, &values))
    }

    /// The device's current values of a parameter, in disk order.
    ///
    /// # Errors
    /// [`TrainError::Executor`].
    pub fn values(&mut self, parameter: usize) -> Result<Vec<f32>, TrainError> {
        self.get(Part::Value(parameter))
    }

    /// Loss, accuracy and confusion matrix over the images of an evaluation loader.
    ///
    /// `progress` is called after every batch with the number of finished batches and the total.
    ///
    /// # Errors
    /// [`TrainError::Loader`], [`TrainError::Executor`]; [`TrainError::NotFinite`] for the first image whose loss or
    /// probabilities are NaN or infinite.
    pub fn evaluate(
        &mut self,
        loader: &Loader,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Evaluation, TrainError> {
        let classes = self.network.config.classes;
        let mut confusion = vec![vec![0; classes]; classes];
        let (mut sums, mut top5, mut hardest) = (Sums::default(), 0, Vec::new());
        let file = self.file.clone();
        let mut count = |batch: &Batch, probs: &[f32], losses: &[f32]| {
            let first = sums.images as usize;
            finite(&file, "loss", first, 1, &losses[..batch.valid])?;
            finite(&file, PROBABILITY, first, classes, &probs[..batch.valid * classes])?;
            for ((probs, &label), &loss) in
                probs.chunks_exact(classes).zip(&batch.labels).zip(losses).take(batch.valid)
            {
                let answer = argmax(probs);
                confusion[label as usize][answer] += 1;
                sums.loss += f64::from(loss);
                sums.correct += u64::from(answer == label as usize);
                top5 += u64::from(rank(probs, label as usize) < 5);
                hardest.push(Hard {
                    image: sums.images as usize,
                    label: label as usize,
                    answer,
                    probability: probs[answer],
                    loss,
                });
                sums.images += 1;
            }
            hardest.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.image.cmp(&b.image)));
            hardest.truncate(Evaluation::HARD);
            Ok(())
        };
        let batches = loader.epoch(0, 0)?;
        let of = batches.len();
        // Each batch is queued before waiting for the answer to the previous one.
        let mut waiting: Option<Batch> = None;
        for (done, batch) in batches.enumerate() {
            let batch = batch?;
            self.run_batch(&batch, Pass::Evaluate, Control::default())?;
            self.executor.request(self.inputs.probs)?;
            self.executor.request(self.inputs.loss)?;
            if let Some(before) = waiting.replace(batch)
                && let Err(error) = count(&before, &self.answer()?, &self.answer()?)
            {
                // Later requests must not receive these answers.
                while self.executor.collect(true)?.is_some() {}
                return Err(error);
            }
            progress(done + 1, of);
        }
        if let Some(last) = waiting {
            count(&last, &self.answer()?, &self.answer()?)?;
        }
        Ok(Evaluation { sums, top5, confusion, hardest })
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

    /// The probabilities of each class for images `[count, H, W, C]` of the data set's size, `[count][classes]`.
    ///
    /// # Errors
    /// [`TrainError::Executor`], also if the bytes are not a whole number of images; [`TrainError::NotFinite`].
    pub fn predict(&mut self, images: &[u8]) -> Result<Vec<Vec<f32>>, TrainError> {
        let (batch, classes) = (self.batch_size(), self.network.config.classes);
        let program = self.executor.program();
        let tensor = program.tensor(self.inputs.images);
        let image = tensor.bytes() as usize / batch;
        if !images.len().is_multiple_of(image) {
            let (tensor, found) = (tensor.name.clone(), images.len() as u64);
            return Err(ExecutorError::Size { tensor, expected: image as u64, found }.into());
        }
        let mut probs = Vec::with_capacity(images.len() / image);
        for chunk in images.chunks(batch * image) {
            let valid = chunk.len() / image;
            let mut padded = chunk.to_vec();
            padded.resize(batch * image, 0);
            let labels = vec![0; batch];
            let transforms = crate::data::IDENTITY.repeat(batch);
            let batch =
                Batch { images: padded, labels, transforms, mixes: Vec::new(), valid, epoch: 0, index: 0 };
            self.run_batch(&batch, Pass::Evaluate, Control::default())?;
            let answer = floats(&self.executor.read(self.inputs.probs)?);
            finite(&self.file, PROBABILITY, probs.len(), classes, &answer[..valid * classes])?;
            probs.extend(answer.chunks_exact(classes).take(valid).map(<[f32]>::to_vec));
        }
        Ok(probs)
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

    fn answer(&mut self) -> Result<Vec<f32>, TrainError> {
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

/// The name of an output in [`TrainError::NotFinite`].
const PROBABILITY: &str = "probability of a class";

/// Checks the outputs for images from `first` on, with `each` values per image.
pub(super) fn finite(
    file: &Option<String>,
    what: &'static str,
    first: usize,
    each: usize,
    values: &[f32],
) -> Result<(), TrainError> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let weights = file.clone().unwrap_or_else(|| "the trained network".to_owned());
    Err(TrainError::NotFinite { weights, what, image: first + at / each, value: values[at] })
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

/// The index of the first maximum.
pub(super) fn argmax(values: &[f32]) -> usize {
    let better = |best: usize, index: usize| if values[index] > values[best] { index } else { best };
    (0..values.len()).fold(0, better)
}

/// The number of classes ranked above this one: more probable ones, and equals with a lower index.
fn rank(probs: &[f32], class: usize) -> usize {
    let own = probs[class];
    probs.iter().enumerate().filter(|&(index, &p)| p > own || (p == own && index < class)).count()
}

fn four(bytes: &[u8]) -> [f32; 4] {
    bytemuck::pod_read_unaligned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_counts_what_comes_before() {
        let probs = [0.1, 0.3, 0.2, 0.3, 0.05, 0.05];
        let ranks: Vec<usize> = (0..6).map(|class| rank(&probs, class)).collect();
        assert_eq!(ranks, [3, 0, 2, 1, 4, 5]);
        assert_eq!((argmax(&probs), rank(&probs, argmax(&probs))), (1, 0));
    }
}
