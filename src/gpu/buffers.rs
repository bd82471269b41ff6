//! The buffers of a program on a device.

use super::{
    blueprint::{Blueprint, padded},
    device::Device,
    error::OpenError,
};
use crate::program::{Program, Slot};

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
