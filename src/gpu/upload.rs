//! Uploads from the host to tensors.
//!
//! `Queue::write_buffer` of wgpu 30 creates and frees a staging buffer in every call, so this is a ring of mapped
//! buffers instead: the host writes into one while the device still copies from the others.

use super::{
    blueprint::padded,
    device::Device,
    error::OpenError,
    staging::{ALIGNMENT, Staging, Way},
};
use crate::program::ExecutorError;

/// One for the host, and one for each submission that may be in flight.
const CHUNKS: usize = 3;

/// Larger tensors are uploaded in pieces.
const LARGEST_CHUNK: u64 = 8 << 20;
const SMALLEST_CHUNK: u64 = 4 << 10;

#[derive(Debug)]
struct Copy {
    from: u64,
    slot: usize,
    at: u64,
    bytes: u64,
}

/// The ring of staging buffers, and the pending copies from the one that the host fills.
#[derive(Debug)]
pub(super) struct Uploads {
    chunks: Vec<(Staging, Option<wgpu::SubmissionIndex>)>,
    chunk_bytes: u64,
    current: usize,
    used: u64,
    copies: Vec<Copy>,
}

impl Uploads {
    /// A ring for steps that upload `step_bytes` and for tensors of up to `tensor_bytes`.
    pub fn new(device: &Device, step_bytes: u64, tensor_bytes: u64) -> Result<Self, OpenError> {
        let wanted = step_bytes.max(tensor_bytes).next_multiple_of(SMALLEST_CHUNK);
        let chunk_bytes = wanted.clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        let chunk = |index| {
            let label = format!("upload {index}");
            Ok((Staging::new(device, &label, chunk_bytes, Way::ToDevice)?, None))
        };
        let chunks = (0..CHUNKS).map(chunk).collect::<Result<_, _>>()?;
        Ok(Self { chunks, chunk_bytes, current: 0, used: 0, copies: Vec::new() })
    }

    /// The number of bytes that still fit before the next submission.
    pub fn room(&self) -> u64 {
        self.chunk_bytes - self.used
    }

    /// Queues at most [`Uploads::room`] bytes for a slot. Waits if the device owns all the buffers.
    pub fn take(
        &mut self,
        device: &Device,
        slot: usize,
        at: u64,
        data: &[u8],
        what: &str,
    ) -> Result<(), ExecutorError> {
        let (chunk, submission) = &self.chunks[self.current];
        if let Some(submission) = submission {
            chunk.wait_until_mapped(device, submission.clone(), what)?;
        }
        chunk.write(self.used, data, what)?;
        let bytes = padded(data.len() as u64);
        self.copies.push(Copy { from: self.used, slot, at, bytes });
        self.used = (self.used + bytes).next_multiple_of(ALIGNMENT).min(self.chunk_bytes);
        Ok(())
    }

    /// Whether copies are pending.
    pub fn pending(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Records the copies. [`Uploads::submitted`] must follow.
    pub fn record(&mut self, encoder: &mut wgpu::CommandEncoder, slots: &[wgpu::Buffer]) {
        let (chunk, _) = &self.chunks[self.current];
        chunk.unmap();
        for copy in self.copies.drain(..) {
            let Copy { from, slot, at, bytes } = copy;
            encoder.copy_buffer_to_buffer(&chunk.buffer, from, &slots[slot], at, bytes);
        }
    }

    /// Advances to the next buffer of the ring.
    pub fn submitted(&mut self, submission: wgpu::SubmissionIndex) {
        let (chunk, last) = &mut self.chunks[self.current];
        chunk.request_map();
        *last = Some(submission);
        self.current = (self.current + 1) % CHUNKS;
        self.used = 0;
    }
}
