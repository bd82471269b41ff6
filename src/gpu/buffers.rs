//! The buffers of a program on a device.

use super::{
    blueprint::{Blueprint, padded},
    device::Device,
    error::OpenError,
};
use crate::{
    program::{Program, Slot},
    shader::OUT_OF_BOUNDS,
};

/// The buffers of the plan, each labelled with its tensors.
pub(super) fn slots(
    device: &Device,
    program: &Program,
    blueprint: &Blueprint,
) -> Result<Vec<wgpu::Buffer>, OpenError> {
    let slot = |slot: &Slot| {
        let names: Vec<&str> = slot.tensors.iter().map(|&t| program.tensor(t).name.as_str()).collect();
        storage(device, &names.join(" | "), padded(slot.bytes))
    };
    blueprint.plan.slots.iter().map(slot).collect()
}

/// The scratch buffers that the kernels share.
pub(super) fn workspaces(device: &Device, blueprint: &Blueprint) -> Result<Vec<wgpu::Buffer>, OpenError> {
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

/// The word in which kernels mark the bindings that they access out of bounds, a bit for each number of a binding.
#[derive(Debug)]
pub(super) struct Marks {
    pub buffer: wgpu::Buffer,
    /// The names of the bindings by their numbers.
    names: Vec<(u32, String)>,
}

impl Marks {
    /// Those of a blueprint whose kernels mark, by its workspaces.
    pub fn of(blueprint: &Blueprint, workspaces: &[wgpu::Buffer]) -> Option<Self> {
        let place = blueprint.workspaces.iter().position(|w| w.name == OUT_OF_BOUNDS)?;
        let bindings = blueprint.shaders.iter().flat_map(|shader| &shader.interface.bindings);
        let mut names: Vec<_> = bindings.map(|b| (b.binding, b.name.clone())).collect();
        names.sort();
        names.dedup();
        Some(Self { buffer: workspaces[place].clone(), names })
    }

    /// The names of the marked bindings; where kernels number theirs differently, of all that may be meant.
    pub fn names(&self, word: &[u8]) -> Vec<String> {
        let bits = word.first_chunk().map_or(0, |&word| u32::from_ne_bytes(word));
        let marked = self.names.iter().filter(|(number, _)| bits >> number & 1 == 1);
        marked.map(|(_, name)| name.clone()).collect()
    }
}
