//! The contract between a program and the devices that run it.

use thiserror::Error;

use super::{Pass, Program, TensorId};

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

    /// Queues one training step or one evaluation. May return before it is done.
    ///
    /// # Errors
    /// [`ExecutorError::Device`] when the device reports an error, naming the step where it is known.
    fn run(&mut self, pass: Pass) -> Result<(), ExecutorError>;

    /// A tensor's contents after everything queued so far; waits for it.
    ///
    /// # Errors
    /// As [`Executor::run`].
    fn read(&mut self, tensor: TensorId) -> Result<Vec<u8>, ExecutorError>;

    /// Asks for a tensor's contents as they are after everything queued so far, without waiting.
    ///
    /// # Errors
    /// As [`Executor::run`].
    fn request(&mut self, tensor: TensorId) -> Result<(), ExecutorError>;

    /// The next answer to [`Executor::request`], in the order of the requests; `None` when there is none
    /// outstanding, or (without `wait`) when it is not there yet.
    ///
    /// # Errors
    /// As [`Executor::run`].
    fn collect(&mut self, wait: bool) -> Result<Option<Vec<u8>>, ExecutorError>;

    /// How many device allocations there have been so far. It stays the same from the second step on.
    fn allocations(&self) -> usize;

    /// The bytes that the executor holds for tensors and workspaces.
    fn allocated_bytes(&self) -> u64;
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
