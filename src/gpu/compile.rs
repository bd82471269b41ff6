//! From shaders to pipelines.

use rayon::prelude::*;

use super::{blueprint::Shader, device::Device, error::OpenError};

/// A compiled shader and the layout of its bind group.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub raw: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Compiles all shaders, in parallel: drivers spend milliseconds to seconds on each.
///
/// `checked` keeps naga's loop bounding and bounds checks and zero-initialised workgroup memory.
pub(super) fn compile(
    device: &Device,
    shaders: &[Shader],
    checked: bool,
) -> Result<Vec<Pipeline>, OpenError> {
    shaders
        .par_iter()
        .map(|shader| {
            device
                .attempt(|| pipeline(&device.raw, shader, checked))
                .map_err(|message| device.rejected(&shader.label, message))
        })
        .collect()
}

fn pipeline(device: &wgpu::Device, shader: &Shader, checked: bool) -> Pipeline {
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
        cache: None,
    });
    Pipeline { raw, layout }
}
