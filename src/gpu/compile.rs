//! From shaders to pipelines.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rayon::prelude::*;

use super::{blueprint::Shader, device::Device, error::OpenError};

/// A compiled shader and the layout of its bind group.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub raw: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// How far the compilation of kernels is. Clones share it, so that another thread can watch it and end it.
#[derive(Clone, Debug, Default)]
pub struct Compilation(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicUsize,
    all: AtomicUsize,
    ended: AtomicBool,
}

impl Compilation {
    /// The kernels that are compiled, and all that are to be.
    pub fn progress(&self) -> [usize; 2] {
        [&self.0.done, &self.0.all].map(|count| count.load(Ordering::Relaxed))
    }

    /// Compiles no further kernels: opening then ends with [`OpenError::Interrupted`].
    pub fn end(&self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

/// Compiles all shaders, in parallel: drivers spend milliseconds to seconds on each.
///
/// `checked` keeps naga's loop bounding and bounds checks and zero-initialised workgroup memory.
pub(super) fn compile(
    device: &Device,
    shaders: &[Shader],
    cache: Option<&wgpu::PipelineCache>,
    checked: bool,
    compilation: &Compilation,
) -> Result<Vec<Pipeline>, OpenError> {
    let Counts { done, all, ended } = &*compilation.0;
    all.fetch_add(shaders.len(), Ordering::Relaxed);
    shaders
        .par_iter()
        .map(|shader| {
            if ended.load(Ordering::Relaxed) {
                return Err(OpenError::Interrupted);
            }
            let pipeline = device
                .attempt(|| pipeline(&device.raw, shader, cache, checked))
                .map_err(|message| device.rejected(&shader.label, message))?;
            done.fetch_add(1, Ordering::Relaxed);
            Ok(pipeline)
        })
        .collect()
}

fn pipeline(
    device: &wgpu::Device,
    shader: &Shader,
    cache: Option<&wgpu::PipelineCache>,
    checked: bool,
) -> Pipeline {
    let label = Some(shader.label.as_str());
    let entries: Vec<wgpu::BindGroupLayoutEntry> = shader
        .interface
        .bindings
        .iter()
        .map(|b| wgpu::BindGroupLayoutEntry {
            binding: b.binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: !b.writable },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let layout =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let source =
        wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(shader.wgsl.as_str().into()) };
    let checks =
        if checked { wgpu::ShaderRuntimeChecks::checked() } else { wgpu::ShaderRuntimeChecks::unchecked() };
    // SAFETY: the shaders are this crate's own. They guard their indices, their loops terminate, their divisors are
    // nonzero constants, and the parity tests run every one of them in both modes.
    let module = unsafe { device.create_shader_module_trusted(source, checks) };
    let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[],
            zero_initialize_workgroup_memory: checked,
        },
        cache,
    });
    Pipeline { raw, layout }
}
