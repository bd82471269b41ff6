//! WHAT is computed: pure descriptions of the operations, without any device.
//!
//! An [`Op`] knows its attributes, the named operands it reads and writes with their shapes, and its
//! cost. Everything else is written against this list: the CPU twin ([`crate::cpu`]), the kernels
//! ([`crate::kernels`]), the lowering of a model ([`crate::program`]) and the parity tests.
//!
//! Activations are `[N, H, W, C]`, convolution weights `[R, S, C, K]`, linear weights `[out, in]`.

mod adam;
mod average;
mod avg_pool;
mod batch_norm;
mod bias;
mod cast;
mod clip;
mod control;
mod conv;
mod cross_entropy;
mod dropout;
mod half;
mod linear;
mod loss_scale;
mod max_pool;
mod metrics;
mod optimizer;
mod prepare;
mod relu;
mod sgd;

pub use adam::Adam;
pub use average::Average;
pub use avg_pool::{AvgPool, AvgPoolGrad};
pub use batch_norm::{
    BatchNormAffine, BatchNormGradAffine, BatchNormGradInput, BatchNormGradStatistics, BatchNormNormalize,
    BatchNormRunning, BatchNormStatistics, GradStatistics,
};
pub use bias::GradBias;
pub use cast::Cast;
pub use clip::{ClipGradient, SquareSum};
pub use control::Control;
pub use conv::{Conv, ConvForward, ConvGradInput, ConvGradWeight};
pub use cross_entropy::{CrossEntropy, CrossEntropyGrad};
pub use dropout::Dropout;
pub use half::Half;
pub use linear::{Linear, LinearGradInput, LinearGradWeight, LinearUpdate};
pub use loss_scale::{FiniteCheck, LossScale, LossScaleUpdate, ScaleGradient};
pub use max_pool::{MaxPool, MaxPoolForward, MaxPoolGrad};
pub use metrics::Metrics;
pub use optimizer::Rule;
pub use prepare::PrepareImages;
pub use relu::{Relu, ReluGrad};
pub use sgd::Sgd;

use crate::{dtype::DType, shape::Shape};

/// How an operation touches an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Every element is overwritten; what was there before does not matter.
    Write,
    /// Read and updated in place, or written in part.
    ReadWrite,
}

/// One named tensor argument of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operand {
    /// The name that the shader's binding has too.
    pub name: &'static str,
    /// The extents.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// How it is touched.
    pub access: Access,
}

impl Operand {
    fn read(name: &'static str, shape: impl Into<Shape>) -> Self {
        Self { name, shape: shape.into(), dtype: DType::F32, access: Access::Read }
    }

    fn write(name: &'static str, shape: impl Into<Shape>) -> Self {
        Self { access: Access::Write, ..Self::read(name, shape) }
    }

    fn update(name: &'static str, shape: impl Into<Shape>) -> Self {
        Self { access: Access::ReadWrite, ..Self::read(name, shape) }
    }

    /// A result that is added to what is there (`accumulate`) or replaces it.
    fn result(name: &'static str, shape: impl Into<Shape>, accumulate: bool) -> Self {
        if accumulate { Self::update(name, shape) } else { Self::write(name, shape) }
    }

    fn of(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// What [`BatchNormAffine`] writes.
    fn affine(channels: usize) -> Self {
        Self::read("affine", [4, channels])
    }

    /// What [`BatchNormGradAffine`] writes.
    fn grad_affine(channels: usize) -> Self {
        Self::read("grad_affine", [5, channels])
    }

    fn control() -> Self {
        Self::read("control", [Control::WORDS]).of(DType::U32)
    }

    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        self.shape.elements() as u64 * self.dtype.bytes() as u64
    }
}

macro_rules! ops {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One operation with its attributes and shapes.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            $($(#[$doc])* $variant($variant),)*
            /// Any of the others with its large operands in f16.
            Half(Half),
        }

        impl Op {
            /// The names of all operations.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The operation's name, `<op>.<pass>`, as in labels, `--variant` and the folders of `shaders/`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* Self::Half(half) => half.op().name() }
            }

            /// The named operands, in the order in which a step lists its arguments.
            pub fn operands(&self) -> Vec<Operand> {
                match self { $(Self::$variant(op) => op.operands(),)* Self::Half(half) => half.operands() }
            }

            /// The floating-point operations of one run: two per multiply-add, one per element elsewhere.
            pub fn flops(&self) -> u64 {
                match self { $(Self::$variant(op) => op.flops(),)* Self::Half(half) => half.op().flops() }
            }
        }

        $(impl From<$variant> for Op {
            fn from(op: $variant) -> Self { Self::$variant(op) }
        })*
    };
}

ops! {
    /// u8 images to normalised network input.
    PrepareImages = "prepare.images",
    /// 3x3 convolution.
    ConvForward = "conv.forward",
    /// Its gradient for the input.
    ConvGradInput = "conv.grad_input",
    /// Its gradient for the weights.
    ConvGradWeight = "conv.grad_weight",
    /// The gradient of a bias that was added to every row.
    GradBias = "bias.grad",
    /// Batch mean and variance.
    BatchNormStatistics = "batch_norm.statistics",
    /// Update of the running mean and variance.
    BatchNormRunning = "batch_norm.running",
    /// The four vectors that normalise, scale and shift.
    BatchNormAffine = "batch_norm.affine",
    /// Normalisation, scale and shift.
    BatchNormNormalize = "batch_norm.normalize",
    /// Gradients for gamma and beta.
    BatchNormGradStatistics = "batch_norm.grad_statistics",
    /// The five vectors that a gradient goes back through.
    BatchNormGradAffine = "batch_norm.grad_affine",
    /// Gradient for the input.
    BatchNormGradInput = "batch_norm.grad_input",
    /// max(x, 0).
    Relu = "relu.forward",
    /// Its gradient.
    ReluGrad = "relu.grad_input",
    /// Max-pooling.
    MaxPoolForward = "max_pool.forward",
    /// Its gradient, gathered from the windows that chose a pixel.
    MaxPoolGrad = "max_pool.grad_input",
    /// Adaptive average pooling.
    AvgPool = "avg_pool.forward",
    /// Its gradient.
    AvgPoolGrad = "avg_pool.grad_input",
    /// Dropout; the gradient is the same operation on the gradient.
    Dropout = "dropout.apply",
    /// Fully connected layer.
    Linear = "linear.forward",
    /// Its gradient for the input.
    LinearGradInput = "linear.grad_input",
    /// Its gradient for the weights.
    LinearGradWeight = "linear.grad_weight",
    /// Its gradient for the weights, and one step of Adam with it.
    LinearUpdate = "linear.update",
    /// Softmax and cross-entropy.
    CrossEntropy = "cross_entropy.forward",
    /// Their gradient for the logits.
    CrossEntropyGrad = "cross_entropy.grad_input",
    /// Loss and correct answers, summed.
    Metrics = "metrics.accumulate",
    /// One step of Adam or AdamW.
    Adam = "adam.update",
    /// One step of gradient descent.
    Sgd = "sgd.update",
    /// The average of a parameter over the steps.
    Average = "average.update",
    /// The sum of the squares of a gradient.
    SquareSum = "clip.square_sum",
    /// A gradient clipped by the norm of all.
    ClipGradient = "clip.apply",
    /// Another type for the same values.
    Cast = "cast.convert",
    /// The scale of the loss on its gradient.
    ScaleGradient = "loss_scale.apply",
    /// Whether a gradient is finite.
    FiniteCheck = "loss_scale.check",
    /// The scale of the next step.
    LossScaleUpdate = "loss_scale.update",
}

impl Op {
    /// What it computes, whatever its operands are stored as.
    pub fn plain(&self) -> &Op {
        if let Self::Half(half) = self { half.op() } else { self }
    }

    /// The type that its large operands are stored as.
    pub fn storage(&self) -> DType {
        if matches!(self, Self::Half(_)) { DType::F16 } else { DType::F32 }
    }

    /// The bytes that one run moves at least: every operand read or written once.
    pub fn bytes(&self) -> u64 {
        let touched = |o: &Operand| o.bytes() * if o.access == Access::ReadWrite { 2 } else { 1 };
        self.operands().iter().map(touched).sum()
    }
}
