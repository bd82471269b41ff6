//! The contract between a program and the devices that run it.

use std::{ops::Range, time::Instant};

use thiserror::Error;

use super::{Pass, Program, TensorId};

/// The clock of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The device's own timestamps around each dispatch.
    Device,
    /// The host, which waits for each step; the overhead of submission and completion is included.
    Host,
}

/// The time of a dispatch of a step, or of a whole step if measured by the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// The index in [`Program::steps`].
    pub step: usize,
    /// The index of the dispatch in that step.
    pub dispatch: usize,
    /// The kernel, as `conv.grad_weight/tiled_64x64.merge`.
    pub kernel: String,
    /// When it began, in nanoseconds since the first.
    pub begin_ns: f64,
    /// How long it took, in nanoseconds.
    pub ns: f64,
}

/// Runs a [`Program`] on a device.
///
/// Work happens in the order of the calls. Data cross this interface as bytes: `f32`, `u32` (native byte order)
/// and `u8`, according to [`crate::dtype::DType`], whatever type the device computes in.
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
    /// [`ExecutorError::Device`] when the device reports an error, naming the step if it is known.
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

    /// Runs a range of [`Program::steps`] dispatch by dispatch, waits, and returns the times by [`Executor::clock`], in
    /// execution order. The results are those of [`Executor::queue`].
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn time(&mut self, steps: Range<usize>) -> Result<Vec<Timed>, ExecutorError> {
        time_by_the_host(self, steps)
    }

    /// The clock that [`Executor::time`] reads.
    fn clock(&self) -> Clock {
        Clock::Host
    }

    /// The kernel of a step, as `conv.forward/tiled_64x64`.
    fn kernel(&self, step: usize) -> String;

    /// Waits for everything queued so far, and returns a tensor's contents.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn read(&mut self, tensor: TensorId) -> Result<Vec<u8>, ExecutorError>;

    /// Requests a tensor's contents after everything queued so far, without waiting.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn request(&mut self, tensor: TensorId) -> Result<(), ExecutorError>;

    /// The next answer to [`Executor::request`], in the order of the requests; `None` if none is outstanding, or
    /// (without `wait`) if it has not arrived yet.
    ///
    /// # Errors
    /// As [`Executor::queue`].
    fn collect(&mut self, wait: bool) -> Result<Option<Vec<u8>>, ExecutorError>;

    /// The number of device allocations so far. It does not change after the first step.
    fn allocations(&self) -> usize;

    /// The bytes allocated for tensors and workspaces.
    fn allocated_bytes(&self) -> u64;
}

/// Queues each step separately and waits for it.
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

/// The values of an f32 tensor that was read; copied, because the bytes may be unaligned.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|word| f32::from_ne_bytes(*word)).collect()
}

/// Errors while a program runs.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// Data of the wrong size.
    #[error("tensor {tensor} has {expected} bytes, but {found} were given")]
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
        /// The device's message.
        message: String,
    },
}
