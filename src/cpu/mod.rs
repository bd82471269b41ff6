//! The CPU twin of every operation, generic over the scalar.
//!
//! [`CpuExecutor<f64>`] is the reference that the kernels are tested against; [`CpuExecutor<f32>`] is the device
//! of machines without a GPU. Each operation is a plain function on slices in the file of its name; this file
//! finds the slices.
//!
//! # Numerics
//! Work is cut into pieces that depend on shapes alone, and partial sums are merged in a fixed order, so that
//! results are the same bit for bit on any number of threads.

mod adam;
mod batch_norm;
mod bias;
mod conv;
mod cross_entropy;
mod dropout;
mod linear;
mod matmul;
mod max_pool;
mod metrics;
mod prepare;
mod reduce;
mod relu;
mod roofline;
mod scalar;
mod scratch;
mod simd;
mod source;
mod strips;
mod winograd;

use std::{collections::VecDeque, ops::Range};

pub use roofline::roofline;
pub use scalar::Scalar;
use scratch::{Scratch, Sizes};

use crate::{
    dtype::DType,
    ops::{Control, Op},
    program::{Executor, ExecutorError, MemoryPlan, Program, Role, Step, TensorId},
};

/// Elements that one task of an elementwise operation works on; a multiple of 4.
const CHUNK: usize = 16 * 1024;

/// The contents of a slot.
#[derive(Clone, Debug)]
enum Buffer<S> {
    Scalars(Vec<S>),
    Words(Vec<u32>),
    Bytes(Vec<u8>),
}

impl<S: Scalar> Buffer<S> {
    fn new(dtype: DType, elements: usize) -> Self {
        match dtype {
            DType::F32 => Self::Scalars(vec![S::ZERO; elements]),
            DType::U32 => Self::Words(vec![0; elements]),
            DType::U8 => Self::Bytes(vec![0; elements]),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Scalars(values) => size_of_val(values.as_slice()),
            Self::Words(values) => size_of_val(values.as_slice()),
            Self::Bytes(values) => values.len(),
        }
    }
}

/// An argument of a step: part of a buffer.
struct Argument<'a, S> {
    buffer: &'a mut Buffer<S>,
    offset: usize,
    len: usize,
}

impl<'a, S: Scalar> Argument<'a, S> {
    fn scalars(self) -> &'a mut [S] {
        match self.buffer {
            Buffer::Scalars(values) => &mut values[self.offset..][..self.len],
            _ => unreachable!("the program was validated"),
        }
    }

    fn words(self) -> &'a mut [u32] {
        match self.buffer {
            Buffer::Words(values) => &mut values[self.offset..][..self.len],
            _ => unreachable!("the program was validated"),
        }
    }

    fn bytes(self) -> &'a mut [u8] {
        match self.buffer {
            Buffer::Bytes(values) => &mut values[self.offset..][..self.len],
            _ => unreachable!("the program was validated"),
        }
    }

    fn control(self) -> Control {
        bytemuck::pod_read_unaligned(bytemuck::cast_slice(self.words()))
    }
}

/// Runs a program on the CPU, computing in `S`.
///
/// Work runs on the rayon pool that [`Executor::run`] is called in, by default the global one. Everything is done
/// when a call returns.
pub struct CpuExecutor<S: Scalar> {
    program: Program,
    plan: MemoryPlan,
    buffers: Vec<Buffer<S>>,
    scratch: Scratch<S>,
    allocations: usize,
    answers: VecDeque<Vec<u8>>,
}

impl<S: Scalar> CpuExecutor<S> {
    /// Allocates everything that the program needs.
    ///
    /// # Panics
    /// Where [`Program::validate`] finds a fault, or a step binds one buffer twice: no program from
    /// [`crate::program::lower`] or [`Program::single`] does.
    pub fn new(program: Program) -> Self {
        let plan = MemoryPlan::new(&program);
        if let Err(fault) = program.validate() {
            panic!("not a program: {fault}");
        }
        for step in &program.steps {
            let mut slots: Vec<usize> = step.args.iter().map(|v| plan.slot_of[v.tensor.0]).collect();
            slots.sort_unstable();
            assert!(slots.windows(2).all(|p| p[0] != p[1]), "{} binds one buffer twice", step.label);
        }
        let elements = |bytes: u64, dtype: DType| {
            usize::try_from(bytes / dtype.bytes() as u64).expect("a buffer larger than the address space")
        };
        let buffers: Vec<_> =
            plan.slots.iter().map(|s| Buffer::new(s.dtype, elements(s.bytes, s.dtype))).collect();
        let sizes = program.steps.iter().map(|s| sizes::<S>(&s.op)).fold(Sizes::default(), Sizes::max);
        let threads = rayon::current_num_threads();
        let scratch = Scratch::new(sizes, threads);
        let allocations = buffers.len() + Scratch::<S>::allocations(threads);
        Self { program, plan, buffers, scratch, allocations, answers: VecDeque::new() }
    }

    /// Replaces the contents of a tensor of type [`DType::F32`] at full precision.
    ///
    /// # Errors
    /// As [`Executor::upload`]; and where the tensor is not of that type.
    pub fn write_scalars(&mut self, tensor: TensorId, values: &[S]) -> Result<(), ExecutorError> {
        self.uploadable(tensor, values.len() * DType::F32.bytes())?;
        match &mut self.buffers[self.plan.slot_of[tensor.0]] {
            Buffer::Scalars(buffer) => buffer[..values.len()].copy_from_slice(values),
            _ => return Err(self.refuse(tensor, "it does not hold scalars")),
        }
        Ok(())
    }

    /// The contents of a tensor of type [`DType::F32`] at full precision; nothing where it is of another type.
    pub fn read_scalars(&self, tensor: TensorId) -> Vec<S> {
        match &self.buffers[self.plan.slot_of[tensor.0]] {
            Buffer::Scalars(buffer) => buffer[..self.program.tensor(tensor).shape.elements()].to_vec(),
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
        match &mut self.buffers[self.plan.slot_of[tensor.0]] {
            Buffer::Scalars(values) => {
                for (value, bytes) in values.iter_mut().zip(data.chunks_exact(4)) {
                    *value = S::of(f64::from(bytemuck::pod_read_unaligned::<f32>(bytes)));
                }
            }
            Buffer::Words(words) => {
                for (word, bytes) in words.iter_mut().zip(data.chunks_exact(4)) {
                    *word = bytemuck::pod_read_unaligned(bytes);
                }
            }
            Buffer::Bytes(bytes) => bytes[..data.len()].copy_from_slice(data),
        }
        Ok(())
    }

    fn queue(&mut self, steps: Range<usize>) -> Result<(), ExecutorError> {
        let Self { program, plan, buffers, scratch, .. } = self;
        let steps = &program.steps[steps];
        // Inside the pool, so that the steps do not wake it one by one.
        rayon::scope(|_| {
            for step in steps {
                execute(step, &plan.slot_of, buffers, scratch);
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
        Ok(match &self.buffers[self.plan.slot_of[tensor.0]] {
            Buffer::Scalars(values) => {
                values[..elements].iter().flat_map(|v| (v.f64() as f32).to_ne_bytes()).collect()
            }
            Buffer::Words(words) => bytemuck::cast_slice(&words[..elements]).to_vec(),
            Buffer::Bytes(bytes) => bytes[..elements].to_vec(),
        })
    }

    fn request(&mut self, tensor: TensorId) -> Result<(), ExecutorError> {
        let answer = self.read(tensor)?;
        self.answers.push_back(answer);
        Ok(())
    }

    fn collect(&mut self, _wait: bool) -> Result<Option<Vec<u8>>, ExecutorError> {
        Ok(self.answers.pop_front())
    }

    /// The buffers and the scratch memory; what `gemm` packs its operands into is its own.
    fn allocations(&self) -> usize {
        self.allocations
    }

    fn allocated_bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.bytes() as u64).sum::<u64>() + self.scratch.bytes()
    }
}

/// The scratch memory of an operation.
fn sizes<S: Scalar>(op: &Op) -> Sizes {
    match op {
        Op::ConvForward(op) => conv::forward_sizes::<S>(op),
        Op::ConvGradInput(op) => conv::grad_input_sizes::<S>(op),
        Op::ConvGradWeight(op) => conv::grad_weight_sizes::<S>(op),
        Op::GradBias(op) => bias::sizes(op),
        Op::BatchNormStatistics(op) => batch_norm::statistics_sizes(op),
        Op::BatchNormNormalize(op) => batch_norm::factor_sizes(op.channels, 3),
        Op::BatchNormGradStatistics(op) => batch_norm::grad_statistics_sizes(op),
        Op::BatchNormGradInput(op) => batch_norm::factor_sizes(op.channels, 5),
        Op::Linear(op) => linear::sizes(op),
        Op::LinearGradInput(op) => linear::grad_input_sizes(op),
        Op::PrepareImages(_)
        | Op::BatchNormRunning(_)
        | Op::BatchNormAffine(_)
        | Op::BatchNormGradAffine(_)
        | Op::Relu(_)
        | Op::ReluGrad(_)
        | Op::MaxPoolForward(_)
        | Op::MaxPoolGrad(_)
        | Op::Dropout(_)
        | Op::LinearGradWeight(_)
        | Op::CrossEntropy(_)
        | Op::CrossEntropyGrad(_)
        | Op::Metrics(_)
        | Op::Adam(_) => Sizes::default(),
    }
}

/// The arguments of a step, each in a buffer of its own.
fn arguments<'a, S: Scalar, const N: usize>(
    step: &Step,
    slot_of: &[usize],
    buffers: &'a mut [Buffer<S>],
) -> [Argument<'a, S>; N] {
    let view = |index: usize| step.args[index];
    let slots = std::array::from_fn(|index| slot_of[view(index).tensor.0]);
    let mut index = 0;
    buffers.get_disjoint_mut(slots).expect("checked when the executor was made").map(|buffer| {
        let view = view(index);
        index += 1;
        Argument { buffer, offset: view.offset, len: view.len }
    })
}

fn execute<S: Scalar>(step: &Step, slot_of: &[usize], buffers: &mut [Buffer<S>], scratch: &mut Scratch<S>) {
    /// The arguments by name, each as its type: `f` scalars, `u` words, `b` bytes, `c` the control block.
    macro_rules! bind {
        (@ f $a:ident) => { $a.scalars() };
        (@ u $a:ident) => { $a.words() };
        (@ b $a:ident) => { $a.bytes() };
        (@ c $a:ident) => { $a.control() };
        ($($name:ident: $kind:ident),*) => {
            let [$($name),*] = arguments(step, slot_of, buffers);
            $(let $name = bind!(@ $kind $name);)*
        };
    }
    match &step.op {
        Op::PrepareImages(op) => {
            bind!(images: b, transforms: f, output: f);
            prepare::images(op, images, transforms, output);
        }
        Op::ConvForward(op) => match (op.normalized, op.statistics) {
            (false, false) => {
                bind!(input: f, weight: f, bias: f, output: f);
                conv::forward(op, [input, &mut [], weight, bias], output, None, scratch);
            }
            (true, false) => {
                bind!(input: f, affine: f, weight: f, bias: f, output: f);
                conv::forward(op, [input, affine, weight, bias], output, None, scratch);
            }
            (false, true) => {
                bind!(input: f, weight: f, bias: f, output: f, mean: f, var: f);
                conv::forward(op, [input, &mut [], weight, bias], output, Some([mean, var]), scratch);
            }
            (true, true) => {
                bind!(input: f, affine: f, weight: f, bias: f, output: f, mean: f, var: f);
                conv::forward(op, [input, affine, weight, bias], output, Some([mean, var]), scratch);
            }
        },
        Op::ConvGradInput(op) if op.through.is_some() => {
            bind!(grad_output: f, output: f, grad_affine: f, weight: f, grad_input: f);
            conv::grad_input(op, [grad_output, output, grad_affine], weight, grad_input, scratch);
        }
        Op::ConvGradInput(op) => {
            bind!(grad_output: f, weight: f, grad_input: f);
            conv::grad_input(op, [grad_output, &mut [], &mut []], weight, grad_input, scratch);
        }
        Op::ConvGradWeight(op) => match (op.normalized, op.through.is_some()) {
            (false, false) => {
                bind!(input: f, grad_output: f, grad_weight: f);
                let gradient = [grad_output, &mut [], &mut []];
                conv::grad_weight(op, [input, &mut []], gradient, grad_weight, scratch);
            }
            (true, false) => {
                bind!(input: f, affine: f, grad_output: f, grad_weight: f);
                let gradient = [grad_output, &mut [], &mut []];
                conv::grad_weight(op, [input, affine], gradient, grad_weight, scratch);
            }
            (false, true) => {
                bind!(input: f, grad_output: f, output: f, grad_affine: f, grad_weight: f);
                let gradient = [grad_output, output, grad_affine];
                conv::grad_weight(op, [input, &mut []], gradient, grad_weight, scratch);
            }
            (true, true) => {
                bind!(input: f, affine: f, grad_output: f, output: f, grad_affine: f, grad_weight: f);
                let gradient = [grad_output, output, grad_affine];
                conv::grad_weight(op, [input, affine], gradient, grad_weight, scratch);
            }
        },
        Op::GradBias(op) => {
            bind!(grad_output: f, grad_bias: f);
            bias::grad(op, grad_output, grad_bias, &mut scratch.sums);
        }
        Op::BatchNormStatistics(op) => {
            bind!(input: f, mean: f, var: f);
            batch_norm::statistics(op, input, mean, var, &mut scratch.sums);
        }
        Op::BatchNormRunning(op) => {
            bind!(batch_mean: f, batch_var: f, running_mean: f, running_var: f);
            batch_norm::running(op, batch_mean, batch_var, running_mean, running_var);
        }
        Op::BatchNormNormalize(op) => {
            bind!(input: f, affine: f, output: f);
            batch_norm::normalize(op, input, affine, output, &mut scratch.weights);
        }
        Op::BatchNormAffine(op) => {
            bind!(mean: f, variance: f, gamma: f, beta: f, affine: f);
            batch_norm::affine(op, [mean, variance, gamma, beta], affine);
        }
        Op::BatchNormGradStatistics(op) => {
            bind!(input: f, affine: f, grad_output: f, grad_gamma: f, grad_beta: f);
            let inputs: [&[S]; 3] = [input, affine, grad_output];
            let Scratch { weights, sums, .. } = scratch;
            batch_norm::grad_statistics(op, inputs, grad_gamma, grad_beta, weights, sums);
        }
        Op::BatchNormGradAffine(op) if op.bias => {
            bind!(affine: f, grad_gamma: f, grad_beta: f, grad_affine: f, grad_bias: f);
            batch_norm::grad_affine(op, [affine, grad_gamma, grad_beta], grad_affine, grad_bias);
        }
        Op::BatchNormGradAffine(op) => {
            bind!(affine: f, grad_gamma: f, grad_beta: f, grad_affine: f);
            batch_norm::grad_affine(op, [affine, grad_gamma, grad_beta], grad_affine, &mut []);
        }
        Op::BatchNormGradInput(op) => {
            bind!(input: f, grad_affine: f, grad_output: f, grad_input: f);
            batch_norm::grad_input(op, [input, grad_affine, grad_output], grad_input, &mut scratch.weights);
        }
        Op::Relu(op) => {
            bind!(input: f, output: f);
            relu::forward(op, input, output);
        }
        Op::ReluGrad(op) => {
            bind!(input: f, grad_output: f, grad_input: f);
            relu::grad_input(op, input, grad_output, grad_input);
        }
        Op::MaxPoolForward(op) if op.normalized => {
            bind!(input: f, affine: f, output: f);
            max_pool::forward(&op.pool, input, Some(affine), output);
        }
        Op::MaxPoolForward(op) => {
            bind!(input: f, output: f);
            max_pool::forward(&op.pool, input, None, output);
        }
        Op::MaxPoolGrad(op) if op.normalized => {
            bind!(input: f, affine: f, grad_output: f, grad_input: f);
            max_pool::grad_input(&op.pool, input, Some(affine), grad_output, grad_input);
        }
        Op::MaxPoolGrad(op) => {
            bind!(input: f, grad_output: f, grad_input: f);
            max_pool::grad_input(&op.pool, input, None, grad_output, grad_input);
        }
        Op::Dropout(op) => {
            bind!(control: c, input: f, output: f);
            dropout::apply(op, &control, input, output);
        }
        Op::Linear(op) => {
            bind!(input: f, weight: f, bias: f, output: f);
            linear::forward(op, [input, weight, bias], output, &mut scratch.shared);
        }
        Op::LinearGradInput(op) => {
            bind!(grad_output: f, weight: f, grad_input: f);
            linear::grad_input(op, grad_output, weight, grad_input, &mut scratch.shared);
        }
        Op::LinearGradWeight(op) => {
            bind!(input: f, grad_output: f, grad_weight: f);
            linear::grad_weight(op, input, grad_output, grad_weight);
        }
        Op::CrossEntropy(op) => {
            bind!(logits: f, labels: u, loss: f, probs: f);
            cross_entropy::forward(op, logits, labels, loss, probs);
        }
        Op::CrossEntropyGrad(op) => {
            bind!(control: c, probs: f, labels: u, grad_logits: f);
            cross_entropy::grad_input(op, &control, probs, labels, grad_logits);
        }
        Op::Metrics(op) => {
            bind!(control: c, loss: f, probs: f, labels: u, metrics: f);
            metrics::accumulate(op, &control, [loss, probs], labels, metrics);
        }
        Op::Adam(op) => {
            bind!(control: c, gradient: f, parameter: f, m: f, v: f);
            adam::update(op, &control, gradient, parameter, m, v);
        }
    }
}
