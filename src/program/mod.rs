//! A model as a static list of operations over planned memory.
//!
//! [`lower`] walks a [`crate::model::Network`] forwards and its tape backwards into [`Step`]s over
//! [`Tensor`]s. The result knows every shape, what memory it needs ([`MemoryPlan`]) and which limits of a
//! device ([`Needs`]) before any device exists. An [`Executor`] runs it.

mod executor;
mod lower;
mod memory;
mod roofline;
mod slices;

use std::ops::Range;

pub use executor::{Clock, Executor, ExecutorError, Timed, floats, time_by_the_host};
pub use lower::{
    Explained, Inputs, LowerError, Lowered, Mode, ParameterTensors, Precision, QuantizedLayerTensors,
    QuantizedTensors, Settings, Training, lower, lower_quantized,
};
pub use memory::{MemoryPlan, Slot};
pub use roofline::Roofline;
pub use slices::DeviceLimits;

use crate::{
    dtype::DType,
    ops::{Access, Op, Operand},
    shape::Shape,
};

/// The index of a tensor in [`Program::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub usize);

/// The role of a tensor, which decides its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Uploaded by the host before a step.
    Input,
    /// A trained parameter.
    Parameter,
    /// The gradient of a parameter.
    Gradient,
    /// The optimiser state of a parameter.
    OptimizerState,
    /// The average over the steps of a parameter or a running statistic.
    Average,
    /// A running statistic: kept like a parameter, but not trained by the optimiser.
    Statistic,
    /// Read by the host after a step.
    Output,
    /// Everything between: lives from its first write to its last read.
    Transient,
}

/// A tensor of a program.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The name, as `conv3_2.output`.
    pub name: String,
    /// The extents.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// Its role.
    pub role: Role,
}

impl Tensor {
    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        self.shape.elements() as u64 * self.dtype.bytes() as u64
    }
}

/// A contiguous part of a tensor, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The tensor.
    pub tensor: TensorId,
    /// The first element.
    pub offset: usize,
    /// The number of elements.
    pub len: usize,
}

/// The part of a training step or an evaluation that a step belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Forward in training.
    Forward,
    /// Gradients.
    Backward,
    /// The optimiser.
    Update,
    /// Forward in evaluation.
    Evaluate,
}

/// One operation on its arguments.
#[derive(Clone, Debug)]
pub struct Step {
    /// The operation.
    pub op: Op,
    /// One view for each of [`Op::operands`], in that order.
    pub args: Vec<View>,
    /// The label, as `conv3_2.forward`; slices add `[0..64]`.
    pub label: String,
    /// Which part of the work it is.
    pub phase: Phase,
}

/// Which steps to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// The forward and backward part of a training step, for every batch of the step but the last.
    Accumulate,
    /// One training step: forward, backward and update.
    Train,
    /// One evaluation of a batch.
    Evaluate,
}

/// Tensors and the steps over them.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// All tensors.
    pub tensors: Vec<Tensor>,
    /// All steps: those of [`Pass::Train`] first, then those of [`Pass::Evaluate`].
    pub steps: Vec<Step>,
}

/// A program's requirements of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The largest part of a buffer that one step binds, in bytes.
    pub binding_bytes: u64,
    /// The largest buffer, in bytes.
    pub buffer_bytes: u64,
    /// The most storage buffers that one step binds.
    pub storage_buffers: u32,
}

impl Program {
    /// A program of one operation, each operand a separate tensor, for the parity tests and `verify`.
    pub fn single(op: Op) -> Self {
        let mut program = Self::default();
        let mut args = Vec::new();
        for Operand { name, shape, dtype, access } in op.operands() {
            let role = if access == Access::Read { Role::Input } else { Role::Output };
            let tensor = program.add(Tensor { name: name.into(), shape, dtype, role });
            args.push(program.whole(tensor));
        }
        let label = op.name().to_owned();
        program.steps.push(Step { op, args, label, phase: Phase::Forward });
        program
    }

    /// Adds a tensor.
    pub fn add(&mut self, tensor: Tensor) -> TensorId {
        self.tensors.push(tensor);
        TensorId(self.tensors.len() - 1)
    }

    /// A tensor of this program.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }

    /// The tensor with a name.
    pub fn find(&self, name: &str) -> Option<TensorId> {
        self.tensors.iter().position(|t| t.name == name).map(TensorId)
    }

    /// The view of a whole tensor.
    pub fn whole(&self, tensor: TensorId) -> View {
        View { tensor, offset: 0, len: self.tensor(tensor).shape.elements() }
    }

    /// The range of [`Program::steps`] that a pass runs.
    pub fn pass(&self, pass: Pass) -> Range<usize> {
        let train = self.steps.iter().take_while(|s| s.phase != Phase::Evaluate).count();
        let gradients = self.steps[..train].iter().take_while(|s| s.phase != Phase::Update).count();
        match pass {
            Pass::Accumulate => 0..gradients,
            Pass::Train => 0..train,
            Pass::Evaluate => train..self.steps.len(),
        }
    }

    /// The requirements of the steps and tensors, without the kernels' workspaces.
    pub fn needs(&self) -> Needs {
        let views = self.steps.iter().flat_map(|s| &s.args);
        let binding = |v: &View| v.len as u64 * self.tensor(v.tensor).dtype.bytes() as u64;
        Needs {
            binding_bytes: views.map(binding).max().unwrap_or(0),
            buffer_bytes: self.tensors.iter().map(Tensor::bytes).max().unwrap_or(0),
            storage_buffers: self.steps.iter().map(|s| s.args.len() as u32).max().unwrap_or(0),
        }
    }

    /// Checks that every argument has the type and the size that its operation declares.
    ///
    /// # Errors
    /// A message about the first step that fails. A program from [`lower`] always passes.
    pub fn validate(&self) -> Result<(), String> {
        for step in &self.steps {
            let operands = step.op.operands();
            if operands.len() != step.args.len() {
                return Err(format!(
                    "{}: {} operands, {} arguments",
                    step.label,
                    operands.len(),
                    step.args.len()
                ));
            }
            for (operand, view) in operands.iter().zip(&step.args) {
                let tensor = self.tensor(view.tensor);
                let fits = tensor.dtype == operand.dtype
                    && view.len == operand.shape.elements()
                    && view.offset + view.len <= tensor.shape.elements();
                if !fits {
                    return Err(format!(
                        "{}: operand {} {} {} got {}..{} of {} {} {}",
                        step.label,
                        operand.name,
                        operand.shape,
                        operand.dtype,
                        view.offset,
                        view.offset + view.len,
                        tensor.name,
                        tensor.shape,
                        tensor.dtype
                    ));
                }
            }
        }
        Ok(())
    }
}
