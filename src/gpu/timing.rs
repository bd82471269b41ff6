//! Timestamps around dispatches.
//!
//! Every API has timestamps at pass boundaries, so each timed dispatch is a separate pass. The device writes its clock once
//! all earlier work is done, and again at the end of the pass.

use super::{
    device::Device,
    error::OpenError,
    staging::{Staging, Way},
};
use crate::program::ExecutorError;

/// Queries per set: wgpu's maximum.
const QUERIES: u32 = wgpu::QUERY_SET_MAX_QUERIES;

const TICK_BYTES: u64 = wgpu::QUERY_SIZE as u64;

/// Query sets for the dispatches of a program, and the buffers that bring their values to the host.
#[derive(Debug)]
pub(super) struct Timestamps {
    sets: Vec<wgpu::QuerySet>,
    resolved: wgpu::Buffer,
    staging: Staging,
    /// Nanoseconds per tick.
    period_ns: f64,
}

impl Timestamps {
    /// Room for two timestamps for each of `dispatches` dispatches.
    pub fn new(device: &Device, dispatches: usize) -> Result<Self, OpenError> {
        let count = (2 * dispatches).div_ceil(QUERIES as usize).max(1);
        let set = |index| {
            let descriptor = wgpu::QuerySetDescriptor {
                label: Some(&format!("timestamps {index}")),
                ty: wgpu::QueryType::Timestamp,
                count: QUERIES,
            };
            device
                .attempt(|| device.raw.create_query_set(&descriptor))
                .map_err(|message| device.rejected("a set of timestamps", message))
        };
        let bytes = count as u64 * u64::from(QUERIES) * TICK_BYTES;
        let resolved = device.buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: bytes,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })?;
        Ok(Self {
            sets: (0..count).map(set).collect::<Result<_, _>>()?,
            resolved,
            staging: Staging::new(device, "timestamps to the host", bytes, Way::ToHost)?,
            period_ns: f64::from(device.queue.get_timestamp_period()),
        })
    }

    /// The queries around the `index`-th timed dispatch.
    pub fn around(&self, index: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * index as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[(first / QUERIES) as usize],
            beginning_of_pass_write_index: Some(first % QUERIES),
            end_of_pass_write_index: Some(first % QUERIES + 1),
        }
    }

    /// Records the copy of the first `dispatches` dispatches' values to the staging buffer.
    pub fn resolve(&self, dispatches: usize, encoder: &mut wgpu::CommandEncoder) {
        let mut left = 2 * dispatches as u32;
        for (index, set) in self.sets.iter().enumerate() {
            let count = left.min(QUERIES);
            if count > 0 {
                let at = index as u64 * u64::from(QUERIES) * TICK_BYTES;
                encoder.resolve_query_set(set, 0..count, &self.resolved, at);
            }
            left -= count;
        }
        let bytes = self.bytes(dispatches);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging.buffer, 0, bytes);
    }

    /// Waits for the values: start and duration of each dispatch in nanoseconds, relative to the first start.
    pub fn read(
        &self,
        device: &Device,
        after: wgpu::SubmissionIndex,
        dispatches: usize,
    ) -> Result<Vec<(f64, f64)>, ExecutorError> {
        let mut data = Vec::with_capacity(self.bytes(dispatches) as usize);
        self.staging.request_map();
        self.staging.wait_until_mapped(device, after, "timestamps")?;
        self.staging.read(self.bytes(dispatches), &mut data, "timestamps")?;
        self.staging.unmap();
        let ticks: Vec<u64> = data.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect();
        let first = ticks.first().copied().unwrap_or(0);
        // Some drivers have been seen to report times out of order.
        let ns = |from: u64, to: u64| to.saturating_sub(from) as f64 * self.period_ns;
        Ok(ticks.as_chunks::<2>().0.iter().map(|&[begin, end]| (ns(first, begin), ns(begin, end))).collect())
    }

    fn bytes(&self, dispatches: usize) -> u64 {
        2 * dispatches as u64 * TICK_BYTES
    }
}
