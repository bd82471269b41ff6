//! The contract between a program and the devices that run it.

use std::{ops::Range, time::Instant};

use thiserror::Error;

use super::{Pass, Program, TensorId};

/// Who measured a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The device's own timestamps around each dispatch.
    Device,
    /// The host, waiting for each step: what it takes to start one and to hear of its end is counted.
    Host,
}

/// How long a dispatch of a step took, or a whole step where the host measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// The index in [`Program::steps`].
    pub step: usize,
    /// Which dispatch of that step.
    pub dispatch: usize,
    /// What ran, as `conv.grad_weight/tiled_64x64.merge`.
    pub kernel: String,
    /// When it began, in nanoseconds since the first.
    pub begin_ns: f64,
    /// How long it took, in nanoseconds.
    pub ns: f64,
}

/// Runs a [`Program`] on a device.
///
/// Work happens in the order of the calls. Data cross this border as bytes: `f32`, `u32` (native byte order)
/// and `u8`, as [`crate::dtype::DType`] says, whatever the device computes in.
pub trait Executor {
    /// The program.
    fn program(&self) -> &Program;

    /// Replaces a tensor's contents. May return before the device has them.
    ///
    /// # Errors
    /// [`ExecutorError::Size`] when `data` is not exactly the tensor's size; transient tensors cannot be uploaded
    /// to, except in the forward phase's inputs.
    fn upload(&mut self, tensor: TensorId, data: &[u8]) -> Result<(), ExecutorError>;

    /// Fills a tensor with zeros.
    ///
    /// # Errors
    /// As [`Executor::upload`].
    fn clear(&mut self, tensor: TensorId) -> Result<(), ExecutorError> {
        let bytes = self.program().tensor(tensor).bytes() as usize;
        self.upload(tensor, &vec![0; bytes])
    }

    /// Queues a range of [`Program::steps`]. May return before they are done.
    ///
    /// # Errors
    /// [`ExecutorError::Device`] when the device reports an error, naming the step where it is known.
    fn queue(&mut self, steps: Range<usize>) -> Result<(), ExecutorError>;

    /// Queues one training step or one evaluation. May return before it is done.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn run(&mut self, pass: Pass) -> Result<(), ExecutorError> {
        let steps = self.program().pass(pass);
        self.queue(steps)
    }

    /// Waits until everything queued so far is done.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn wait(&mut self) -> Result<(), ExecutorError>;

    /// Runs a range of [`Program::steps`], each dispatch by itself, waits for it and tells the times by
    /// [`Executor::clock`], in the order of the work. The results are those of [`Executor::queue`].
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn time(&mut self, steps: Range<usize>) -> Result<Vec<Timed>, ExecutorError> {
        time_by_the_host(self, steps)
    }

    /// Whose clock [`Executor::time`] reads.
    fn clock(&self) -> Clock {
        Clock::Host
    }

    /// What computes a step, as `conv.forward/tiled_64x64`.
    fn kernel(&self, step: usize) -> String;

    /// A tensor's contents after everything queued so far; waits for it.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn read(&mut self, tensor: TensorId) -> Result<Vec<u8>, ExecutorError>;

    /// Asks for a tensor's contents as they are after everything queued so far, without waiting.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn request(&mut self, tensor: TensorId) -> Result<(), ExecutorError>;

    /// The next answer to [`Executor::request`], in the order of the requests; `None` when there is none
    /// outstanding, or (without `wait`) when it is not there yet.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn collect(&mut self, wait: bool) -> Result<Option<Vec<u8>>, ExecutorError>;

    /// How many device allocations there have been so far. It stays the same from the second step on.
    fn allocations(&self) -> usize;

    /// The bytes that the executor holds for tensors and workspaces.
    fn allocated_bytes(&self) -> u64;
}

/// Each step queued and waited for by itself.
pub fn time_by_the_host<E: Executor + ?Sized>(
    executor: &mut E,
    steps: Range<usize>,
) -> Result<Vec<Timed>, ExecutorError> {
    executor.wait()?;
    let start = Instant::now();
    let ns = |instant: Instant| instant.duration_since(start).as_nanos() as f64;
    let mut times = Vec::with_capacity(steps.len());
    for step in steps {
        let begin = Instant::now();
        executor.queue(step..step + 1)?;
        executor.wait()?;
        let kernel = executor.kernel(step);
        times.push(Timed {
            step,
            dispatch: 0,
            kernel,
            begin_ns: ns(begin),
            ns: begin.elapsed().as_nanos() as f64,
        });
    }
    Ok(times)
}

/// What can go wrong while a program runs.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// Data of the wrong size.
    #[error("tensor {tensor} holds {expected} bytes, but {found} were given")]
    Size {
        /// The tensor's name.
        tensor: String,
        /// Its size in bytes.
        expected: u64,
        /// The size of the data.
        found: u64,
    },
    /// The device reported an error.
    #[error("the device failed in {step}: {message}")]
    Device {
        /// The label of the step or of the buffer.
        step: String,
        /// What it said.
        message: String,
    },
}
