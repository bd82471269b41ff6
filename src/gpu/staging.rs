//! Mapped staging buffers, owned in turn by the host and the device.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use super::{blueprint::WORD, device::Device, error::OpenError};
use crate::program::ExecutorError;

/// Mapped ranges begin at multiples of this.
pub(super) const ALIGNMENT: u64 = wgpu::MAP_ALIGNMENT;

/// The device owns it, or the host's mapping request is pending.
const WITH_DEVICE: u8 = 0;
const WITH_HOST: u8 = 1;
const REFUSED: u8 = 2;

/// The direction of the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToDevice,
    ToHost,
}

/// A mappable buffer and its current owner.
#[derive(Debug)]
pub(super) struct Staging {
    pub buffer: wgpu::Buffer,
    way: Way,
    owner: Arc<AtomicU8>,
}

impl Staging {
    /// A buffer; upload buffers start with the host, readback buffers with the device.
    pub fn new(device: &Device, label: &str, bytes: u64, way: Way) -> Result<Self, OpenError> {
        let usage = match way {
            Way::ToDevice => wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            Way::ToHost => wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        };
        let buffer = device.buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: way == Way::ToDevice,
        })?;
        let owner = Arc::new(AtomicU8::new(if way == Way::ToDevice { WITH_HOST } else { WITH_DEVICE }));
        Ok(Self { buffer, way, owner })
    }

    /// Unmaps it, so that the device owns it.
    pub fn unmap(&self) {
        self.buffer.unmap();
        self.owner.store(WITH_DEVICE, Ordering::Release);
    }

    /// Requests the mapping; the device keeps the buffer until all submissions so far are done.
    pub fn request_map(&self) {
        let mode = if self.way == Way::ToDevice { wgpu::MapMode::Write } else { wgpu::MapMode::Read };
        let owner = Arc::clone(&self.owner);
        self.buffer.map_async(mode, .., move |result| {
            owner.store(if result.is_ok() { WITH_HOST } else { REFUSED }, Ordering::Release);
        });
    }

    /// Whether the host owns it.
    pub fn is_mapped(&self) -> bool {
        self.owner.load(Ordering::Acquire) == WITH_HOST
    }

    /// Waits until the host owns it.
    pub fn wait_until_mapped(
        &self,
        device: &Device,
        after: wgpu::SubmissionIndex,
        what: &str,
    ) -> Result<(), ExecutorError> {
        if self.is_mapped() {
            return Ok(());
        }
        device.wait(after, what)?;
        if self.is_mapped() { Ok(()) } else { Err(lost(what)) }
    }

    /// Writes bytes at an aligned offset, zero-padded to the next word.
    pub fn write(&self, offset: u64, data: &[u8], what: &str) -> Result<(), ExecutorError> {
        let end = offset + (data.len() as u64).next_multiple_of(WORD);
        let mut view = self.buffer.slice(offset..end).get_mapped_range_mut().map_err(|_| lost(what))?;
        view.slice(..data.len()).copy_from_slice(data);
        view.slice(data.len()..).copy_from_slice(&[0; WORD as usize][..(end - offset) as usize - data.len()]);
        Ok(())
    }

    /// Appends the buffer's first `bytes` bytes to `to`.
    pub fn read(&self, bytes: u64, to: &mut Vec<u8>, what: &str) -> Result<(), ExecutorError> {
        let range = ..bytes.next_multiple_of(WORD);
        let view = self.buffer.slice(range).get_mapped_range().map_err(|_| lost(what))?;
        to.extend_from_slice(&view[..bytes as usize]);
        Ok(())
    }
}

fn lost(what: &str) -> ExecutorError {
    ExecutorError::Device {
        step: what.to_owned(),
        message: "the driver could not map a staging buffer".to_owned(),
    }
}
