//! The executor: buffers, bind groups and the recording of steps.

use std::{collections::VecDeque, ops::Range, time::Instant};

use super::{
    adapter::{Adapter, DeviceInfo},
    blueprint::{Blueprint, Choose, WORD, padded},
    buffers::{Marks, slots, workspaces},
    capture,
    compile::{Pipeline, compile},
    device::{Device, Wanted},
    dispatches::{Dispatches, Recorded},
    error::OpenError,
    options::Options,
    pace::{Pace, Run},
    pipelines::PipelineFile,
    readback::{Answers, Reader},
    timing::Timestamps,
    upload::Uploads,
};
use crate::{
    program::{
        Clock, Executor, ExecutorError, Needs, Pass, Phase, Program, Role, TensorId, Timed, time_by_the_host,
    },
    shader::OUT_OF_BOUNDS,
};

/// Passes queued on the device before the host waits: enough to keep it busy, few enough that an interrupted run ends soon
/// and that memory stays bounded.
const IN_FLIGHT: usize = 2;

/// Runs a program on a GPU.
#[derive(Debug)]
pub struct GpuExecutor {
    program: Program,
    info: DeviceInfo,
    device: Device,
    /// One buffer for each slot of the plan.
    slots: Vec<wgpu::Buffer>,
    slot_of: Vec<usize>,
    pipelines: Vec<Pipeline>,
    dispatches: Dispatches,
    timestamps: Option<Timestamps>,
    uploads: Uploads,
    reader: Reader,
    answers: Answers,
    pace: Pace,
    in_flight: VecDeque<Run>,
    /// The marks of the kernels that find accesses out of bounds.
    marks: Option<Marks>,
    capture: Option<u64>,
    /// The number of training steps so far.
    trained: u64,
    allocated_bytes: u64,
    needs: Needs,
}

impl GpuExecutor {
    /// Opens a device for a program: chooses the kernels, checks that everything fits, and only then opens the device
    /// with just the limits that are needed, allocates all memory and compiles all pipelines. Matrix units are used untested;
    /// [`crate::verify::open`] tests them first.
    ///
    /// # Errors
    /// [`OpenError`]: a forced variant is not available, something is too large for the adapter, a kernel violates the
    /// contract with the host, or the driver refuses memory or a pipeline.
    pub fn open(adapter: &Adapter, program: Program, options: &Options) -> Result<Self, OpenError> {
        Self::open_with(adapter, program, options, &|op, caps| options.choose(op, caps))
    }

    /// Opens a device for a program, with the kernels that the caller chooses for each operation.
    ///
    /// # Errors
    /// As [`GpuExecutor::open`].
    pub fn open_with(
        adapter: &Adapter,
        program: Program,
        options: &Options,
        choose: Choose,
    ) -> Result<Self, OpenError> {
        let blueprint = Blueprint::new(&program, adapter, options.checked, choose)?;
        let wanted = Wanted {
            robust_buffers: adapter.info().features.robust_buffers || options.checked,
            timestamps: options.timestamps,
            pipeline_cache: options.pipelines.is_some(),
            f16: blueprint.f16,
            cooperative_matrices: blueprint.cooperative_matrices,
        };
        let device = Device::open(adapter, &blueprint.limits, wanted)?;
        let file = options.pipelines.as_deref();
        let file = file.and_then(|folder| PipelineFile::open(&device, adapter, folder));
        let cache = file.as_ref().map(|file| &file.cache);
        let pipelines = compile(&device, &blueprint.shaders, cache, options.checked, &options.compilation)?;
        file.iter().for_each(PipelineFile::store);
        let slots = slots(&device, &program, &blueprint)?;
        let workspaces = workspaces(&device, &blueprint)?;
        let marks = Marks::of(&blueprint, &workspaces);
        let dispatches = Dispatches::new(&device, &program, &blueprint, &pipelines, &slots, &workspaces)?;
        let timestamps = (options.timestamps && adapter.info().features.timestamps)
            .then(|| Timestamps::new(&device, dispatches.all.len()))
            .transpose()?;
        let bytes = |role: Option<Role>| {
            program
                .tensors
                .iter()
                .filter(move |t| role.is_none_or(|r| t.role == r))
                .map(|t| padded(t.bytes()))
        };
        let largest = bytes(None).max().unwrap_or(0);
        let limits = &blueprint.limits;
        let executor = Self {
            uploads: Uploads::new(&device, bytes(Some(Role::Input)).map(|b| b + 8).sum(), largest)?,
            reader: Reader::new(&device, largest)?,
            answers: Answers::new(&device, bytes(Some(Role::Output)).max().unwrap_or(0))?,
            needs: Needs {
                binding_bytes: limits.binding_bytes,
                buffer_bytes: limits.buffer_bytes,
                storage_buffers: limits.storage_buffers,
            },
            info: adapter.info().clone(),
            allocated_bytes: slots.iter().chain(&workspaces).map(wgpu::Buffer::size).sum(),
            slot_of: blueprint.plan.slot_of,
            pace: Pace::new(options.submit_budget),
            in_flight: VecDeque::new(),
            capture: options.capture,
            trained: 0,
            program,
            device,
            slots,
            pipelines,
            dispatches,
            timestamps,
            marks,
        };
        executor.rehearse()?;
        Ok(executor)
    }

    /// The adapter that it runs on.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The requirements of the program and its kernels, workspaces included.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// The bindings that kernels have accessed out of bounds; empty without [`Options::checked`], which finds them.
    ///
    /// # Errors
    /// [`ExecutorError::Device`].
    pub fn out_of_bounds(&mut self) -> Result<Vec<String>, ExecutorError> {
        let Some(buffer) = self.marks.as_ref().map(|marks| marks.buffer.clone()) else {
            return Ok(Vec::new());
        };
        let word = self.read_buffer(&buffer, WORD, OUT_OF_BOUNDS)?;
        Ok(self.marks.iter().flat_map(|marks| marks.names(&word)).collect())
    }

    /// The first `bytes` bytes of a buffer, once all work is done.
    fn read_buffer(
        &mut self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        name: &str,
    ) -> Result<Vec<u8>, ExecutorError> {
        self.device.check(name)?;
        self.wait_for_all_but(0, name)?;
        let mut data = Vec::with_capacity(bytes as usize);
        let mut at = 0;
        while at < bytes {
            let piece = self.reader.piece_bytes.min(bytes - at);
            let submission = self.submit("read", |this, encoder| {
                encoder.copy_buffer_to_buffer(buffer, at, &this.reader.staging.buffer, 0, padded(piece));
            })?;
            let staging = &self.reader.staging;
            staging.request_map();
            staging.wait_until_mapped(&self.device, submission, name)?;
            staging.read(piece, &mut data, name)?;
            staging.unmap();
            at += piece;
        }
        Ok(data)
    }

    /// Submits the pending uploads, followed by the commands that `record` adds.
    fn submit(
        &mut self,
        label: &str,
        record: impl FnOnce(&Self, &mut wgpu::CommandEncoder),
    ) -> Result<wgpu::SubmissionIndex, ExecutorError> {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some(label) };
        let mut encoder = self.device.raw.create_command_encoder(&descriptor);
        let uploads = self.uploads.pending();
        if uploads {
            self.uploads.record(&mut encoder, &self.slots);
        }
        record(self, &mut encoder);
        let submission = self.device.queue.submit([encoder.finish()]);
        if uploads {
            self.uploads.submitted(submission.clone());
        }
        self.device.check(label)?;
        Ok(submission)
    }

    /// Submits steps in as many pieces as the budget requires, without waiting.
    fn submit_steps(&mut self, steps: Range<usize>, timed: bool) -> Result<(), ExecutorError> {
        let label = self.label(&steps);
        let work = self.dispatches.of(&steps);
        let cost = self.dispatches.all[work.clone()].iter().map(|dispatch| dispatch.cost).sum();
        let began = self.in_flight.is_empty().then(Instant::now);
        let mut last = None;
        for piece in self.pace.submissions(work.clone(), |dispatch| self.dispatches.all[dispatch].cost) {
            let first = timed.then_some(work.start);
            let record = |this: &Self, encoder: &mut _| {
                let timed = first.zip(this.timestamps.as_ref());
                this.dispatches.record(piece, &this.program, &this.pipelines, timed, encoder);
            };
            last = Some(self.submit(label, record)?);
        }
        if let Some(last) = last {
            self.in_flight.push_back(Run::new(last, cost, began));
        }
        Ok(())
    }

    /// Waits until at most `runs` runs are in flight.
    fn wait_for_all_but(&mut self, runs: usize, label: &str) -> Result<(), ExecutorError> {
        while self.in_flight.len() > runs {
            if let Some(oldest) = self.in_flight.pop_front() {
                let since = Instant::now();
                self.device.wait(oldest.last.clone(), label)?;
                self.pace.finished(&oldest, since);
            }
        }
        Ok(())
    }

    /// Records each step once without submitting it, so that errors appear now and name their step.
    fn rehearse(&self) -> Result<(), OpenError> {
        for (index, step) in self.program.steps.iter().enumerate() {
            let record = || {
                let mut encoder = self.device.raw.create_command_encoder(&Default::default());
                let all = self.dispatches.of(&(index..index + 1));
                self.dispatches.record(all, &self.program, &self.pipelines, None, &mut encoder);
                encoder.finish()
            };
            self.device.attempt(record).map_err(|message| self.device.rejected(&step.label, message))?;
        }
        Ok(())
    }

    /// The name of the steps in errors.
    fn label(&self, steps: &Range<usize>) -> &'static str {
        match self.program.steps.get(steps.start).map(|step| step.phase) {
            Some(Phase::Evaluate) => "evaluation",
            _ => "training step",
        }
    }

    /// Refuses transient tensors.
    fn lasting(&self, tensor: TensorId) -> Result<(), ExecutorError> {
        if self.program.tensor(tensor).role != Role::Transient {
            return Ok(());
        }
        let message = "it shares its memory with others, so nothing can be uploaded to it".to_owned();
        Err(ExecutorError::Device { step: self.name(tensor), message })
    }

    fn slot(&self, tensor: TensorId) -> usize {
        self.slot_of[tensor.0]
    }

    fn name(&self, tensor: TensorId) -> String {
        self.program.tensor(tensor).name.clone()
    }
}

impl Executor for GpuExecutor {
    fn program(&self) -> &Program {
        &self.program
    }

    fn upload(&mut self, tensor: TensorId, data: &[u8]) -> Result<(), ExecutorError> {
        let name = self.name(tensor);
        self.device.check(&name)?;
        let (expected, found) = (self.program.tensor(tensor).bytes(), data.len() as u64);
        if expected != found {
            return Err(ExecutorError::Size { tensor: name, expected, found });
        }
        self.lasting(tensor)?;
        let slot = self.slot(tensor);
        let mut at = 0;
        while at < data.len() {
            if self.uploads.room() == 0 {
                self.submit("upload", |_, _| {})?;
            }
            let bytes = usize::try_from(self.uploads.room()).unwrap_or(usize::MAX).min(data.len() - at);
            self.uploads.take(&self.device, slot, at as u64, &data[at..at + bytes], &name)?;
            at += bytes;
        }
        Ok(())
    }

    /// Clears on the device: uploading zeros for Adam's moments would transfer twice the size of the weights.
    fn clear(&mut self, tensor: TensorId) -> Result<(), ExecutorError> {
        self.device.check("a clearing")?;
        self.lasting(tensor)?;
        let slot = self.slot(tensor);
        self.submit("clear", |this, encoder| encoder.clear_buffer(&this.slots[slot], 0, None))?;
        Ok(())
    }

    fn queue(&mut self, steps: Range<usize>) -> Result<(), ExecutorError> {
        let label = self.label(&steps);
        self.device.check(label)?;
        self.wait_for_all_but(IN_FLIGHT - 1, label)?;
        self.submit_steps(steps, false)
    }

    fn run(&mut self, pass: Pass) -> Result<(), ExecutorError> {
        let steps = self.program.pass(pass);
        // Of a step of several batches, the last one with the update is captured.
        if pass != Pass::Train {
            return self.queue(steps);
        }
        self.trained += 1;
        if self.capture != Some(self.trained) {
            return self.queue(steps);
        }
        // Keeps the preceding and following steps out of the capture.
        self.wait()?;
        capture::start(&self.device.raw);
        let done = self.queue(steps).and_then(|()| self.wait());
        capture::stop(&self.device.raw);
        done
    }

    fn wait(&mut self) -> Result<(), ExecutorError> {
        self.device.check("a wait")?;
        self.wait_for_all_but(0, "a wait")
    }

    fn time(&mut self, steps: Range<usize>) -> Result<Vec<Timed>, ExecutorError> {
        if self.timestamps.is_none() {
            return time_by_the_host(self, steps);
        }
        self.wait()?;
        let dispatches = self.dispatches.of(&steps);
        let count = dispatches.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        self.submit_steps(steps, true)?;
        self.wait()?;
        let submission = self.submit("timestamps", |this, encoder| {
            this.timestamps.iter().for_each(|timestamps| timestamps.resolve(count, encoder));
        })?;
        let Some(timestamps) = &self.timestamps else { return Ok(Vec::new()) };
        let times = timestamps.read(&self.device, submission, count)?;
        let timed = |(index, (begin_ns, ns)): (usize, (f64, f64))| {
            let Recorded { step, kernel, .. } = &self.dispatches.all[index];
            let dispatch = index - self.dispatches.begins[*step];
            Timed { step: *step, dispatch, kernel: kernel.clone(), begin_ns, ns }
        };
        Ok(dispatches.zip(times).map(timed).collect())
    }

    fn clock(&self) -> Clock {
        if self.timestamps.is_some() { Clock::Device } else { Clock::Host }
    }

    fn kernel(&self, step: usize) -> String {
        self.dispatches.kernels[step].clone()
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u8>, ExecutorError> {
        let buffer = self.slots[self.slot(tensor)].clone();
        self.read_buffer(&buffer, self.program.tensor(tensor).bytes(), &self.name(tensor))
    }

    fn request(&mut self, tensor: TensorId) -> Result<(), ExecutorError> {
        self.device.check("a request")?;
        let (bytes, slot) = (self.program.tensor(tensor).bytes(), self.slot(tensor));
        if bytes > self.answers.answer_bytes {
            let data = self.read(tensor)?;
            self.answers.push(data);
            return Ok(());
        }
        let ring = self.answers.free(&self.device)?;
        let submission = self.submit("request", |this, encoder| {
            encoder.copy_buffer_to_buffer(&this.slots[slot], 0, this.answers.buffer(ring), 0, padded(bytes));
        })?;
        self.answers.expect(ring, bytes, submission);
        Ok(())
    }

    fn collect(&mut self, wait: bool) -> Result<Option<Vec<u8>>, ExecutorError> {
        self.answers.next(&self.device, wait)
    }

    fn allocations(&self) -> usize {
        self.device.allocations()
    }

    fn allocated_bytes(&self) -> u64 {
        self.allocated_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::test_adapter,
        kernels::{Kernel, Variant},
        ops::Activate,
    };

    /// `--capture` counts steps, of which each may have several batches.
    #[test]
    fn batches_before_the_last_of_a_step_are_no_steps() {
        let Some(adapter) = test_adapter() else { return };
        let program = Program::single(Activate::relu(4).into());
        let mut executor = GpuExecutor::open(&adapter, program, &Options::default()).unwrap();
        for (pass, trained) in
            [(Pass::Accumulate, 0), (Pass::Evaluate, 0), (Pass::Train, 1), (Pass::Accumulate, 1)]
        {
            executor.run(pass).unwrap();
            assert_eq!(executor.trained, trained, "{pass:?}");
        }
    }

    #[test]
    fn a_lost_device_is_an_error_and_not_a_panic() {
        let Some(adapter) = test_adapter() else { return };
        static NOTHING: Variant =
            Variant::custom("activation.forward", "nothing", |_, _| true, |_, _| Kernel::new(Vec::new()));
        let open = || {
            let program = Program::single(Activate::relu(4).into());
            GpuExecutor::open_with(&adapter, program, &Options::default(), &|_, _| Ok(&NOTHING)).unwrap()
        };
        type Call = fn(&mut GpuExecutor) -> Result<(), ExecutorError>;
        let calls: [Call; 4] = [
            |e| e.upload(TensorId(0), &[0; 16]).and_then(|()| e.run(Pass::Train)),
            |e| e.run(Pass::Train),
            |e| e.read(TensorId(1)).map(|_| ()),
            |e| e.request(TensorId(1)).and_then(|()| e.collect(true)).map(|_| ()),
        ];
        for call in calls {
            let mut executor = open();
            executor.run(Pass::Train).unwrap();
            executor.request(TensorId(1)).unwrap();
            executor.device.raw.destroy();
            // The loss is reported at the latest when the host next waits.
            let error =
                call(&mut executor).and_then(|()| executor.read(TensorId(0)).map(|_| ())).unwrap_err();
            assert!(error.to_string().contains("lost"), "{error}");
            for call in calls {
                assert!(call(&mut executor).is_err(), "an error stays");
            }
        }
    }
}
