//! The CPU twin of every operation, generic over the scalar.
//!
//! [`CpuExecutor<f64>`] is the reference that the kernels are tested against; [`CpuExecutor<f32>`] is the device
//! of machines without a GPU. Each operation's twin is in the operation's folder; this module has their shared code
//! and the executor.
//!
//! # Numerics
//! Work is split by shape only, and partial sums are merged in a fixed order, so that results are the same bit for bit
//! on any number of threads.

mod activation;
mod buffer;
pub(crate) mod corrections;
pub(crate) mod instructions;
pub(crate) mod matmul;
pub(crate) mod prologue;
pub(crate) mod reduce;
mod roofline;
mod scalar;
pub(crate) mod scratch;
pub(crate) mod simd;
mod step;
mod twin;

use std::{collections::VecDeque, ops::Range};

use buffer::Buffer;
pub use instructions::{UnknownInstructionSet, instruction_set, instruction_sets};
pub use roofline::roofline;
pub use scalar::Scalar;
pub(crate) use scratch::{Lanes, Scratch, Sizes};
use step::Bindings;
pub(crate) use twin::Twin;

use crate::{
    dtype::DType,
    program::{Executor, ExecutorError, MemoryPlan, Program, Role, TensorId},
};

/// Elements per task of an elementwise operation; a multiple of 4.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Runs a program on the CPU, computing in `S`.
///
/// Work runs on the rayon pool in which [`Executor::run`] is called, by default the global one. All work is done when a
/// call returns.
pub struct CpuExecutor<S: Scalar> {
    program: Program,
    plan: MemoryPlan,
    bindings: Vec<Bindings>,
    buffers: Vec<Buffer<S>>,
    scratch: Scratch<S>,
    allocations: usize,
    answers: VecDeque<Vec<u8>>,
}

impl<S: Scalar> CpuExecutor<S> {
    /// Allocates all of the program's memory.
    ///
    /// # Panics
    /// If [`Program::validate`] finds a fault, or a step binds one buffer twice, which programs from
    /// [`crate::program::lower`] or [`Program::single`] never do.
    pub fn new(program: Program) -> Self {
        let plan = MemoryPlan::new(&program);
        if let Err(fault) = program.validate() {
            panic!("invalid program: {fault}");
        }
        let bindings = program.steps.iter().map(|step| Bindings::of(step, &plan.slot_of)).collect();
        let elements = |bytes: u64, dtype: DType| {
            usize::try_from(bytes / dtype.bytes() as u64).expect("a buffer larger than the address space")
        };
        let buffers: Vec<_> =
            plan.slots.iter().map(|s| Buffer::new(s.dtype, elements(s.bytes, s.dtype))).collect();
        let sizes = program.steps.iter().map(|s| step::sizes::<S>(&s.op)).fold(Sizes::default(), Sizes::max);
        let threads = rayon::current_num_threads();
        let scratch = Scratch::new(sizes, threads);
        let allocations = buffers.len() + Scratch::<S>::allocations(threads);
        Self { program, plan, bindings, buffers, scratch, allocations, answers: VecDeque::new() }
    }

    /// Replaces the contents of a tensor of type [`DType::F32`] or [`DType::F16`] at full precision.
    ///
    /// # Errors
    /// As [`Executor::upload`], and if the tensor has another type.
    pub fn write_scalars(&mut self, tensor: TensorId, values: &[S]) -> Result<(), ExecutorError> {
        self.uploadable(tensor, values.len() * self.program.tensor(tensor).dtype.bytes())?;
        match &mut self.buffers[self.plan.slot_of[tensor.0]] {
            Buffer::Scalars(buffer) | Buffer::Halves(buffer) => {
                buffer[..values.len()].copy_from_slice(values)
            }
            _ => return Err(self.refuse(tensor, "it is not a tensor of floats")),
        }
        Ok(())
    }

    /// The contents of a tensor of type [`DType::F32`] or [`DType::F16`] at full precision; empty for other types.
    pub fn read_scalars(&self, tensor: TensorId) -> Vec<S> {
        match &self.buffers[self.plan.slot_of[tensor.0]] {
            Buffer::Scalars(buffer) | Buffer::Halves(buffer) => {
                buffer[..self.program.tensor(tensor).shape.elements()].to_vec()
            }
            _ => Vec::new(),
        }
    }

    fn refuse(&self, tensor: TensorId, message: &str) -> ExecutorError {
        ExecutorError::Device { step: self.program.tensor(tensor).name.clone(), message: message.to_owned() }
    }

    fn uploadable(&self, id: TensorId, bytes: usize) -> Result<(), ExecutorError> {
        let tensor = self.program.tensor(id);
        let (expected, found) = (tensor.bytes(), bytes as u64);
        if expected != found {
            return Err(ExecutorError::Size { tensor: tensor.name.clone(), expected, found });
        }
        if tensor.role == Role::Transient {
            return Err(self.refuse(id, "it shares its memory with others, so nothing can be uploaded to it"));
        }
        Ok(())
    }
}

impl<S: Scalar> Executor for CpuExecutor<S> {
    fn program(&self) -> &Program {
        &self.program
    }

    fn upload(&mut self, tensor: TensorId, data: &[u8]) -> Result<(), ExecutorError> {
        self.uploadable(tensor, data.len())?;
        self.buffers[self.plan.slot_of[tensor.0]].write(data);
        Ok(())
    }

    fn queue(&mut self, steps: Range<usize>) -> Result<(), ExecutorError> {
        let Self { program, bindings, buffers, scratch, .. } = self;
        let steps = program.steps[steps.clone()].iter().zip(&bindings[steps]);
        // Inside the pool, so that not every step has to wake it.
        rayon::scope(|_| {
            for (step, bindings) in steps {
                step::execute(step, bindings, buffers, scratch);
            }
        });
        Ok(())
    }

    fn wait(&mut self) -> Result<(), ExecutorError> {
        Ok(())
    }

    fn kernel(&self, step: usize) -> String {
        format!("{}/cpu", self.program.steps[step].op.name())
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u8>, ExecutorError> {
        let elements = self.program.tensor(tensor).shape.elements();
        Ok(self.buffers[self.plan.slot_of[tensor.0]].read(elements))
    }

    fn request(&mut self, tensor: TensorId) -> Result<(), ExecutorError> {
        let answer = self.read(tensor)?;
        self.answers.push_back(answer);
        Ok(())
    }

    fn collect(&mut self, _wait: bool) -> Result<Option<Vec<u8>>, ExecutorError> {
        Ok(self.answers.pop_front())
    }

    /// The buffers and the scratch memory, without `gemm`'s own packing buffers.
    fn allocations(&self) -> usize {
        self.allocations
    }

    fn allocated_bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.bytes() as u64).sum::<u64>() + self.scratch.bytes()
    }
}
