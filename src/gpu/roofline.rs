//! Measures an adapter's peak arithmetic rate and memory bandwidth.

use std::time::{Duration, Instant};

use super::{
    adapter::{Adapter, AdapterLimits},
    blueprint::{Shader, fold},
    compile::{Compilation, compile},
    device::{Device, Wanted},
    error::OpenError,
};
use crate::{
    kernels::roofline::{Probe, arithmetic, memory},
    program::Roofline,
};

/// Source and destination together exceed a GPU's caches.
const COPY_BYTES: u64 = 128 << 20;

/// A measurement this long is precise enough.
const LONG_ENOUGH: Duration = Duration::from_millis(40);

/// The best of this many measurements counts: others may be using the device.
const TRIALS: usize = 3;

/// Measures an adapter on a temporary device. Takes a few seconds.
///
/// # Errors
/// [`OpenError`] if the driver refuses the device, its memory or a shader.
pub fn roofline(adapter: &Adapter) -> Result<Roofline, OpenError> {
    let own = adapter.info().limits;
    let copied = COPY_BYTES.min(own.binding_bytes).min(own.buffer_bytes);
    let (arithmetic, memory) = (arithmetic(), memory(copied));
    let most = memory.iter().map(|probe| probe.buffer_bytes).fold(arithmetic.buffer_bytes, u64::max);
    let needs = AdapterLimits { buffer_bytes: most, binding_bytes: most, storage_buffers: 2, ..own };
    let device = Device::open(adapter, &needs, Wanted::default())?;
    let flops_per_second = rate(&device, &own, &arithmetic)?;
    let mut bytes_per_second = 0.0_f64;
    for probe in &memory {
        bytes_per_second = bytes_per_second.max(rate(&device, &own, probe)?);
    }
    Ok(Roofline { flops_per_second, bytes_per_second })
}

/// A probe's work per second.
fn rate(device: &Device, limits: &AdapterLimits, probe: &Probe) -> Result<f64, OpenError> {
    let label = format!("roofline/{}", probe.dispatch.label);
    let wgsl = probe.dispatch.source.assemble();
    let interface =
        probe.dispatch.source.reflect().map_err(|error| device.rejected(&label, error.to_string()))?;
    let buffer = |_| {
        device.buffer(&wgpu::BufferDescriptor {
            label: Some(&label),
            size: probe.buffer_bytes,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let buffers = interface.bindings.iter().map(buffer).collect::<Result<Vec<_>, _>>()?;
    let entries: Vec<wgpu::BindGroupEntry> = interface
        .bindings
        .iter()
        .zip(&buffers)
        .map(|(b, buffer)| wgpu::BindGroupEntry { binding: b.binding, resource: buffer.as_entire_binding() })
        .collect();
    let shader = Shader { label: label.clone(), wgsl, interface };
    let pipelines = compile(device, std::slice::from_ref(&shader), None, false, &Compilation::default())?;
    let group = device.raw.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(&label),
        layout: &pipelines[0].layout,
        entries: &entries,
    });
    let [x, y] = fold(probe.dispatch.workgroups, limits.workgroups)
        .ok_or_else(|| device.rejected(&label, "too many workgroups".to_owned()))?;
    let time = |count: u32| {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some(&label) };
        let mut encoder = device.raw.create_command_encoder(&descriptor);
        let descriptor = wgpu::ComputePassDescriptor { label: Some(&label), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        pass.set_pipeline(&pipelines[0].raw);
        pass.set_bind_group(0, &group, &[]);
        for _ in 0..count {
            pass.dispatch_workgroups(x, y, 1);
        }
        drop(pass);
        let begin = Instant::now();
        let submission = device.queue.submit([encoder.finish()]);
        let waited = device.wait(submission, &label);
        waited.map_err(|error| device.rejected(&label, error.to_string()))?;
        Ok::<_, OpenError>(begin.elapsed())
    };
    // Warm-up: the first run compiles and raises the clocks.
    let mut count = 1;
    time(count)?;
    let mut taken = time(count)?;
    while taken < LONG_ENOUGH && count < 1 << 12 {
        count *= 2;
        taken = time(count)?;
    }
    for _ in 1..TRIALS {
        taken = taken.min(time(count)?);
    }
    Ok(probe.work * f64::from(count) / taken.as_secs_f64())
}
