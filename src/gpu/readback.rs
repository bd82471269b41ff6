//! Readback from tensors to the host: blocking, or asynchronous.

use std::collections::VecDeque;

use super::{
    blueprint::padded,
    device::Device,
    error::OpenError,
    staging::{Staging, Way},
};
use crate::program::ExecutorError;

/// Larger tensors are read in pieces.
const LARGEST_PIECE: u64 = 8 << 20;

/// Answers that may be pending before the host waits for one.
const ANSWERS: usize = 8;

/// Larger answers are read with a blocking read.
const LARGEST_ANSWER: u64 = 1 << 20;

/// The one staging buffer of [`crate::program::Executor::read`].
#[derive(Debug)]
pub(super) struct Reader {
    pub staging: Staging,
    pub piece_bytes: u64,
}

impl Reader {
    /// A reader for tensors of up to `tensor_bytes`.
    pub fn new(device: &Device, tensor_bytes: u64) -> Result<Self, OpenError> {
        let piece_bytes = padded(tensor_bytes).min(LARGEST_PIECE);
        Ok(Self { staging: Staging::new(device, "read", piece_bytes, Way::ToHost)?, piece_bytes })
    }
}

#[derive(Debug)]
enum Answer {
    Coming { ring: usize, bytes: u64, after: wgpu::SubmissionIndex },
    Here(Vec<u8>),
}

/// The answers to [`crate::program::Executor::request`], in order.
#[derive(Debug)]
pub(super) struct Answers {
    ring: Vec<Staging>,
    free: Vec<usize>,
    queue: VecDeque<Answer>,
    /// The largest answer that fits in a buffer of the ring.
    pub answer_bytes: u64,
}

impl Answers {
    /// A ring for outputs of up to `output_bytes`.
    pub fn new(device: &Device, output_bytes: u64) -> Result<Self, OpenError> {
        let answer_bytes = padded(output_bytes).min(LARGEST_ANSWER);
        let staging = |index| Staging::new(device, &format!("answer {index}"), answer_bytes, Way::ToHost);
        let ring = (0..ANSWERS).map(staging).collect::<Result<_, _>>()?;
        Ok(Self { ring, free: (0..ANSWERS).rev().collect(), queue: VecDeque::new(), answer_bytes })
    }

    /// A free buffer of the ring; waits for the oldest answer if there is none.
    pub fn free(&mut self, device: &Device) -> Result<usize, ExecutorError> {
        if let Some(ring) = self.free.pop() {
            return Ok(ring);
        }
        for index in 0..self.queue.len() {
            if matches!(self.queue[index], Answer::Coming { .. }) {
                let answer = std::mem::replace(&mut self.queue[index], Answer::Here(Vec::new()));
                self.queue[index] = Answer::Here(self.take(device, answer)?);
                break;
            }
        }
        self.free.pop().ok_or_else(|| ExecutorError::Device {
            step: "a request".to_owned(),
            message: "an earlier answer never came".to_owned(),
        })
    }

    /// The buffer returned by [`Answers::free`].
    pub fn buffer(&self, ring: usize) -> &wgpu::Buffer {
        &self.ring[ring].buffer
    }

    /// Queues an answer that a submission will produce.
    pub fn expect(&mut self, ring: usize, bytes: u64, after: wgpu::SubmissionIndex) {
        self.ring[ring].request_map();
        self.queue.push_back(Answer::Coming { ring, bytes, after });
    }

    /// Queues an answer that is already on the host.
    pub fn push(&mut self, data: Vec<u8>) {
        self.queue.push_back(Answer::Here(data));
    }

    /// The oldest answer, if it has arrived or `wait` is set.
    pub fn next(&mut self, device: &Device, wait: bool) -> Result<Option<Vec<u8>>, ExecutorError> {
        if let Some(Answer::Coming { ring, .. }) = self.queue.front()
            && !wait
        {
            device.advance("an answer")?;
            if !self.ring[*ring].is_mapped() {
                return Ok(None);
            }
        }
        match self.queue.pop_front() {
            Some(answer) => self.take(device, answer).map(Some),
            None => Ok(None),
        }
    }

    /// Waits for an answer's data.
    fn take(&mut self, device: &Device, answer: Answer) -> Result<Vec<u8>, ExecutorError> {
        match answer {
            Answer::Here(data) => Ok(data),
            Answer::Coming { ring, bytes, after } => {
                let staging = &self.ring[ring];
                staging.wait_until_mapped(device, after, "an answer")?;
                let mut data = Vec::with_capacity(bytes as usize);
                staging.read(bytes, &mut data, "an answer")?;
                staging.unmap();
                self.free.push(ring);
                Ok(data)
            }
        }
    }
}
