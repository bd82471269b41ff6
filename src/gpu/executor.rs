//! The executor: buffers, bind groups and the recording of steps.

use std::collections::VecDeque;

use super::{
    adapter::{Adapter, DeviceInfo},
    blueprint::{Blueprint, Bound, Choose, Place, PlannedDispatch, padded},
    compile::{Pipeline, compile},
    device::Device,
    error::OpenError,
    readback::{Answers, Reader},
    upload::Uploads,
};
use crate::{
    kernels::{self, Caps},
    ops::Op,
    program::{Executor, ExecutorError, Needs, Pass, Program, Role, Slot, TensorId},
};

/// Passes that the device may have before it before the host waits: enough to keep it busy, few enough that an
/// interrupted run ends soon and that memory stays bounded.
const IN_FLIGHT: usize = 2;

/// How a program is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Keeps naga's bounds checks, its bounding of loops and the zeroing of workgroup memory. Slower by far, and no
    /// kernel here needs it: for tests.
    pub checked: bool,
    /// Operations and the variants that they must use, as `("conv.forward", "direct")`.
    pub variants: Vec<(String, String)>,
}

#[derive(Debug)]
struct Recorded {
    pipeline: usize,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

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
    /// The dispatches of each step of the program.
    steps: Vec<Vec<Recorded>>,
    uploads: Uploads,
    reader: Reader,
    answers: Answers,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    allocated_bytes: u64,
    needs: Needs,
}

impl GpuExecutor {
    /// Opens a device for a program: chooses the kernels, checks that everything fits, and only then opens the device
    /// with just the limits that are needed, allocates all memory and compiles all pipelines.
    ///
    /// # Errors
    /// [`OpenError`]: a forced variant that cannot be had, something that is too large for the adapter, a kernel
    /// that breaks the contract with the host, or the driver's refusal of memory or a pipeline.
    pub fn open(adapter: &Adapter, program: Program, options: &Options) -> Result<Self, OpenError> {
        let choose = |op: &Op, caps: &Caps| {
            kernels::select(op, caps, &options.variants).map_err(|error| error.to_string())
        };
        Self::open_with(adapter, program, options, &choose)
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
        let blueprint = Blueprint::new(&program, adapter, choose)?;
        let device = Device::open(adapter, &blueprint.limits)?;
        let pipelines = compile(&device, &blueprint.shaders, options.checked)?;
        let slots = slots(&device, &program, &blueprint)?;
        let workspaces = workspaces(&device, &blueprint)?;
        let mut steps = Vec::with_capacity(blueprint.steps.len());
        for step in &blueprint.steps {
            let group = |dispatch: &PlannedDispatch| {
                bind(&device, &step.label, dispatch, &pipelines[dispatch.shader], &slots, &workspaces)
            };
            steps.push(step.dispatches.iter().map(group).collect::<Result<Vec<_>, _>>()?);
        }
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
            in_flight: VecDeque::new(),
            program,
            device,
            slots,
            pipelines,
            steps,
        };
        executor.rehearse()?;
        Ok(executor)
    }

    /// The adapter that it runs on.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// What the program and its kernels ask of a device, workspaces included.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Submits the uploads that wait and then what `record` adds.
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

    /// Records a step as a pass of its own: passes cost no more than dispatches, and debuggers show them.
    fn record(&self, step: usize, encoder: &mut wgpu::CommandEncoder) {
        let label = Some(self.program.steps[step].label.as_str());
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None });
        for dispatch in &self.steps[step] {
            let [x, y] = dispatch.workgroups;
            pass.set_pipeline(&self.pipelines[dispatch.pipeline].raw);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            pass.dispatch_workgroups(x, y, 1);
        }
    }

    /// Records each step once without submitting it, so that what the device rejects shows now and with its name.
    fn rehearse(&self) -> Result<(), OpenError> {
        for (index, step) in self.program.steps.iter().enumerate() {
            let record = || {
                let mut encoder = self.device.raw.create_command_encoder(&Default::default());
                self.record(index, &mut encoder);
                encoder.finish()
            };
            self.device.attempt(record).map_err(|message| self.device.rejected(&step.label, message))?;
        }
        Ok(())
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
        if self.program.tensor(tensor).role == Role::Transient {
            let message = "it shares its memory with others, so nothing can be uploaded to it".to_owned();
            return Err(ExecutorError::Device { step: name, message });
        }
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

    fn run(&mut self, pass: Pass) -> Result<(), ExecutorError> {
        let label = match pass {
            Pass::Train => "training step",
            Pass::Evaluate => "evaluation",
        };
        self.device.check(label)?;
        while self.in_flight.len() >= IN_FLIGHT {
            if let Some(oldest) = self.in_flight.pop_front() {
                self.device.wait(oldest, label)?;
            }
        }
        let range = self.program.pass(pass);
        let submission = self.submit(label, |this, encoder| {
            for step in range {
                this.record(step, encoder);
            }
        })?;
        self.in_flight.push_back(submission);
        Ok(())
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u8>, ExecutorError> {
        let name = self.name(tensor);
        self.device.check(&name)?;
        let (bytes, slot) = (self.program.tensor(tensor).bytes(), self.slot(tensor));
        let mut data = Vec::with_capacity(bytes as usize);
        let mut at = 0;
        while at < bytes {
            let piece = self.reader.piece_bytes.min(bytes - at);
            let submission = self.submit("read", |this, encoder| {
                let to = &this.reader.staging.buffer;
                encoder.copy_buffer_to_buffer(&this.slots[slot], at, to, 0, padded(piece));
            })?;
            let staging = &self.reader.staging;
            staging.ask_back();
            staging.fetch(&self.device, submission, &name)?;
            staging.read(piece, &mut data, &name)?;
            staging.hand_over();
            at += piece;
        }
        // Everything before it is done too.
        self.in_flight.clear();
        Ok(data)
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

/// The buffers of the plan, each labelled with the tensors that live there.
fn slots(device: &Device, program: &Program, blueprint: &Blueprint) -> Result<Vec<wgpu::Buffer>, OpenError> {
    let slot = |slot: &Slot| {
        let names: Vec<&str> = slot.tensors.iter().map(|&t| program.tensor(t).name.as_str()).collect();
        storage(device, &names.join(" | "), padded(slot.bytes))
    };
    blueprint.plan.slots.iter().map(slot).collect()
}

fn workspaces(device: &Device, blueprint: &Blueprint) -> Result<Vec<wgpu::Buffer>, OpenError> {
    blueprint.workspaces.iter().map(|w| storage(device, w.name, w.bytes)).collect()
}

fn storage(device: &Device, label: &str, bytes: u64) -> Result<wgpu::Buffer, OpenError> {
    device.buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

fn bind(
    device: &Device,
    step: &str,
    dispatch: &PlannedDispatch,
    pipeline: &Pipeline,
    slots: &[wgpu::Buffer],
    workspaces: &[wgpu::Buffer],
) -> Result<Recorded, OpenError> {
    let entry = |bound: &Bound| {
        let buffer = match bound.place {
            Place::Slot(slot) => &slots[slot],
            Place::Workspace(workspace) => &workspaces[workspace],
        };
        let size = std::num::NonZeroU64::new(bound.bytes);
        let resource =
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: bound.offset, size });
        wgpu::BindGroupEntry { binding: bound.binding, resource }
    };
    let entries: Vec<wgpu::BindGroupEntry> = dispatch.bound.iter().map(entry).collect();
    let descriptor =
        wgpu::BindGroupDescriptor { label: Some(step), layout: &pipeline.layout, entries: &entries };
    let bind_group = device
        .attempt(|| device.raw.create_bind_group(&descriptor))
        .map_err(|message| device.rejected(step, message))?;
    Ok(Recorded { pipeline: dispatch.shader, bind_group, workgroups: dispatch.workgroups })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::adapters,
        kernels::{Kernel, Variant, speed},
        ops::Relu,
    };

    #[test]
    fn a_lost_device_is_an_error_and_not_a_panic() {
        if std::env::var_os("VGG_SKIP_GPU").is_some_and(|v| v == "1") {
            return;
        }
        let adapter =
            adapters().into_iter().next().expect("no adapter: run scripts/test, or set VGG_SKIP_GPU=1");
        static NOTHING: Variant = Variant {
            op: "relu.forward",
            name: "nothing",
            speed: speed::general,
            supports: |_, _| true,
            build: |_, _| Kernel::new(Vec::new()),
        };
        let open = || {
            let program = Program::single(Relu { len: 4 }.into());
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
            // The loss shows at the latest when the host next waits.
            let error =
                call(&mut executor).and_then(|()| executor.read(TensorId(0)).map(|_| ())).unwrap_err();
            assert!(error.to_string().contains("lost"), "{error}");
            for call in calls {
                assert!(call(&mut executor).is_err(), "an error stays");
            }
        }
    }
}
