//! The dispatches of a program: their bind groups and their recording.

use std::ops::Range;

use super::{
    blueprint::{Blueprint, Bound, Place, PlannedDispatch},
    compile::Pipeline,
    device::Device,
    error::OpenError,
    pace,
    timing::Timestamps,
};
use crate::program::Program;

/// A dispatch, ready to be recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Index in [`Program::steps`].
    pub step: usize,
    /// As `conv.grad_weight/tiled_64x64.merge`.
    pub kernel: String,
    /// As [`pace::cost`].
    pub cost: f64,
    pipeline: usize,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

/// The dispatches of all steps of a program, in order.
#[derive(Debug)]
pub(super) struct Dispatches {
    /// In execution order.
    pub all: Vec<Recorded>,
    /// The index in `all` at which each step begins; the last entry is the length of `all`.
    pub begins: Vec<usize>,
    /// The kernel of each step, as `conv.forward/tiled_64x64`.
    pub kernels: Vec<String>,
}

impl Dispatches {
    /// Makes the bind groups.
    pub fn new(
        device: &Device,
        program: &Program,
        blueprint: &Blueprint,
        pipelines: &[Pipeline],
        slots: &[wgpu::Buffer],
        workspaces: &[wgpu::Buffer],
    ) -> Result<Self, OpenError> {
        let (mut dispatches, mut begins) = (Vec::new(), Vec::new());
        for (index, step) in blueprint.steps.iter().enumerate() {
            begins.push(dispatches.len());
            let cost = pace::cost(&program.steps[index].op) / step.dispatches.len().max(1) as f64;
            for dispatch in &step.dispatches {
                let pipeline = &pipelines[dispatch.shader];
                dispatches.push(Recorded {
                    step: index,
                    kernel: dispatch.kernel.clone(),
                    cost,
                    pipeline: dispatch.shader,
                    bind_group: bind(device, &step.label, dispatch, pipeline, slots, workspaces)?,
                    workgroups: dispatch.workgroups,
                });
            }
        }
        begins.push(dispatches.len());
        let kernels = blueprint.steps.iter().map(|step| step.kernel.clone()).collect();
        Ok(Self { all: dispatches, begins, kernels })
    }

    /// The dispatches of a range of steps.
    pub fn of(&self, steps: &Range<usize>) -> Range<usize> {
        self.begins[steps.start]..self.begins[steps.end]
    }

    /// Records dispatches as one pass, because a pass costs the host more than its dispatches; a group for each step names it in
    /// debuggers. For timing (`timed` names the first timed dispatch) each dispatch is a pass between two timestamps.
    pub fn record(
        &self,
        dispatches: Range<usize>,
        program: &Program,
        pipelines: &[Pipeline],
        timed: Option<(usize, &Timestamps)>,
        encoder: &mut wgpu::CommandEncoder,
    ) {
        let label = |dispatch: &Recorded| program.steps[dispatch.step].label.as_str();
        let mut index = dispatches.start;
        for group in self.all[dispatches].chunk_by(|_, _| timed.is_none()) {
            let timestamp_writes = timed.map(|(first, timestamps)| timestamps.around(index - first));
            let descriptor = wgpu::ComputePassDescriptor { label: Some(label(&group[0])), timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            for step in group.chunk_by(|a, b| a.step == b.step) {
                pass.push_debug_group(label(&step[0]));
                for dispatch in step {
                    let [x, y] = dispatch.workgroups;
                    pass.set_pipeline(&pipelines[dispatch.pipeline].raw);
                    pass.set_bind_group(0, &dispatch.bind_group, &[]);
                    pass.dispatch_workgroups(x, y, 1);
                }
                pass.pop_debug_group();
            }
            index += group.len();
        }
    }
}

fn bind(
    device: &Device,
    step: &str,
    dispatch: &PlannedDispatch,
    pipeline: &Pipeline,
    slots: &[wgpu::Buffer],
    workspaces: &[wgpu::Buffer],
) -> Result<wgpu::BindGroup, OpenError> {
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
    device
        .attempt(|| device.raw.create_bind_group(&descriptor))
        .map_err(|message| device.rejected(step, message))
}
