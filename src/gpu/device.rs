//! Opening a device, and the errors that it reports while it runs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    adapter::{Adapter, AdapterLimits},
    error::OpenError,
    robust::unchecked,
};
use crate::program::ExecutorError;

/// The first error that a device reported outside of any call that could return it.
#[derive(Debug, Default)]
struct Health(Mutex<Option<String>>);

impl Health {
    fn report(&self, message: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An open device with its queue.
#[derive(Debug)]
pub(super) struct Device {
    pub raw: wgpu::Device,
    pub queue: wgpu::Queue,
    health: Arc<Health>,
    adapter: String,
    allocations: AtomicUsize,
}

/// The optional features of a device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// The driver's checks of buffer accesses.
    pub robust_buffers: bool,
    /// Timestamps, where the adapter has them.
    pub timestamps: bool,
    /// A cache of pipelines, where the API has one.
    pub pipeline_cache: bool,
    /// 16-bit floats in shaders.
    pub f16: bool,
    /// Cooperative matrices: distributed over a subgroup's invocations.
    pub cooperative_matrices: bool,
}

impl Device {
    /// Opens a device with just these limits (WebGPU's defaults where the program needs less) and the requested features.
    pub fn open(adapter: &Adapter, needs: &AdapterLimits, wanted: Wanted) -> Result<Self, OpenError> {
        let name = adapter.info().to_string();
        let mut features = wgpu::Features::SUBGROUP & adapter.raw.features();
        features.set(wgpu::Features::SHADER_F16, wanted.f16);
        features.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, wanted.cooperative_matrices);
        let experimental = if wanted.cooperative_matrices {
            // SAFETY: wgpu's and naga's support for cooperative matrices is experimental; the kernels that use it are checked
            // against f64 on this device before a program runs on them.
            unsafe { wgpu::ExperimentalFeatures::enabled() }
        } else {
            wgpu::ExperimentalFeatures::disabled()
        };
        if wanted.pipeline_cache {
            features |= wgpu::Features::PIPELINE_CACHE & adapter.raw.features();
        }
        if wanted.timestamps && adapter.info().features.timestamps {
            features |= wgpu::Features::TIMESTAMP_QUERY;
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("vgg-wgpu"),
            required_features: features,
            required_limits: limits(&adapter.raw.limits(), needs),
            experimental_features: experimental,
            // Tensors are large enough for their own allocations; suballocation blocks would be left half empty.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        };
        let unchecked = if wanted.robust_buffers { None } else { unchecked(&adapter.raw, &descriptor) };
        let (raw, queue) = match unchecked {
            Some(device) => device,
            None => pollster::block_on(adapter.raw.request_device(&descriptor))
                .map_err(|error| OpenError::Device { adapter: name.clone(), message: error.to_string() })?,
        };
        let health = Arc::new(Health::default());
        let seen = Arc::clone(&health);
        raw.on_uncaptured_error(Arc::new(move |error: wgpu::Error| seen.report(describe(&error))));
        let seen = Arc::clone(&health);
        raw.set_device_lost_callback(move |reason, message| {
            seen.report(format!("the device was lost ({reason:?}): {message}"));
        });
        Ok(Self { raw, queue, health, adapter: name, allocations: AtomicUsize::new(0) })
    }

    /// The error for a kernel or step that the driver rejected.
    pub fn rejected(&self, what: &str, message: String) -> OpenError {
        OpenError::Rejected { adapter: self.adapter.clone(), what: what.to_owned(), message }
    }

    /// Creates a buffer. All buffers are created and counted here.
    pub fn buffer(&self, descriptor: &wgpu::BufferDescriptor) -> Result<wgpu::Buffer, OpenError> {
        self.allocations.fetch_add(1, Ordering::Relaxed);
        self.attempt(|| self.raw.create_buffer(descriptor)).map_err(|message| OpenError::Memory {
            adapter: self.adapter.clone(),
            what: descriptor.label.unwrap_or_default().to_owned(),
            bytes: descriptor.size,
            message,
        })
    }

    /// The number of buffers created so far.
    pub fn allocations(&self) -> usize {
        self.allocations.load(Ordering::Relaxed)
    }

    /// Runs `work` and returns the device's error, if there was one. Error scopes are per thread.
    pub fn attempt<T>(&self, work: impl FnOnce() -> T) -> Result<T, String> {
        let scopes =
            [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation]
                .map(|filter| self.raw.push_error_scope(filter));
        let value = work();
        // Scopes are a stack: the last is popped first.
        let mut errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
        match errors.by_ref().fold(None, |first, error| first.or(Some(error))) {
            None => self.health.get().map_or(Ok(value), Err),
            Some(error) => Err(describe(&error)),
        }
    }

    /// The first error that the device has reported since it was opened, if any. It is permanent: the device's contents after
    /// an error are unknown.
    pub fn check(&self, step: &str) -> Result<(), ExecutorError> {
        match self.health.get() {
            None => Ok(()),
            Some(message) => Err(ExecutorError::Device { step: step.to_owned(), message }),
        }
    }

    /// Waits until a submission is done, and runs the callbacks of all finished work.
    pub fn wait(&self, submission: wgpu::SubmissionIndex, step: &str) -> Result<(), ExecutorError> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None }, step)
    }

    /// Runs the callbacks of all finished work.
    pub fn advance(&self, step: &str) -> Result<(), ExecutorError> {
        self.poll(wgpu::PollType::Poll, step)
    }

    fn poll(&self, how: wgpu::PollType, step: &str) -> Result<(), ExecutorError> {
        // wgpu 30 panics if the device is lost during a wait.
        match catch_unwind(AssertUnwindSafe(|| self.raw.poll(how))) {
            Ok(Ok(_)) => {}
            // A submission can only be missing because a lost device did not accept it.
            Ok(Err(wgpu::PollError::WrongSubmissionIndex(..))) => {
                self.health.report("the device was lost and accepted no more work".to_owned());
            }
            Ok(Err(error)) => self.health.report(error.to_string()),
            Err(_) => self.health.report("the device was lost while the host waited for it".to_owned()),
        }
        self.check(step)
    }
}

/// The text of an error, with the cause of an allocation failure.
fn describe(error: &wgpu::Error) -> String {
    let mut text = error.to_string();
    if let wgpu::Error::OutOfMemory { source } = error {
        text = format!("out of memory: {source}");
    }
    text.trim().to_owned()
}

/// The limits to request.
fn limits(adapter: &wgpu::Limits, needs: &AdapterLimits) -> wgpu::Limits {
    let mut limits = wgpu::Limits::default().or_worse_values_from(adapter);
    let raise = |limit: &mut u32, need: u32| *limit = (*limit).max(need);
    limits.max_buffer_size = limits.max_buffer_size.max(needs.buffer_bytes);
    limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.max(needs.binding_bytes);
    limits.min_storage_buffer_offset_alignment = needs.offset_alignment;
    raise(&mut limits.max_storage_buffers_per_shader_stage, needs.storage_buffers);
    raise(&mut limits.max_compute_workgroup_storage_size, needs.workgroup_bytes);
    raise(&mut limits.max_compute_invocations_per_workgroup, needs.workgroup_invocations);
    raise(&mut limits.max_compute_workgroup_size_x, needs.workgroup_size[0]);
    raise(&mut limits.max_compute_workgroup_size_y, needs.workgroup_size[1]);
    raise(&mut limits.max_compute_workgroup_size_z, needs.workgroup_size[2]);
    limits
}
