//! What is computed: pure descriptions of the operations, without any device.
//!
//! An [`Op`] knows its attributes, the named operands it reads and writes with their shapes, and its
//! cost. Everything else is written against this list: the CPU twin ([`crate::cpu`]), the kernels
//! ([`crate::kernels`]), the lowering of a model ([`crate::program`]) and the parity tests.
//!
//! Activations are `[N, H, W, C]`, convolution weights `[R, S, C, K]`, linear weights `[out, in]`.

mod accumulate;
mod activation;
mod adam;
mod average;
mod avg_pool;
pub(crate) mod batch_norm;
mod bias;
mod cast;
mod clip;
mod control;
mod conv;
mod cross_entropy;
mod dropout;
mod fake_quantize;
mod group_norm;
mod half;
mod l1_penalty;
mod linear;
mod lion;
mod loss_scale;
mod max_pool;
mod metrics;
mod mix;
mod operand;
mod optimizer;
mod prepare;
mod quantized;
mod sgd;

pub use accumulate::{Accumulate, AccumulateOperands};
pub use activation::{Activate, ActivateGrad, ActivateGradOperands, ActivateOperands, Activation};
pub(crate) use activation::{
    check::{PAPER_RELU, RELU, activations, other_activations},
    kernels as activation_kernels,
};
pub use adam::{Adam, AdamOperands};
pub use average::{Average, AverageOperands};
pub use avg_pool::{AvgPool, AvgPoolGrad, AvgPoolGradOperands, AvgPoolOperands};
pub use batch_norm::{
    BatchNormAffine, BatchNormAffineOperands, BatchNormGradAffine, BatchNormGradAffineOperands,
    BatchNormGradInput, BatchNormGradInputOperands, BatchNormGradStatistics, BatchNormGradStatisticsOperands,
    BatchNormNormalize, BatchNormNormalizeOperands, BatchNormRunning, BatchNormRunningOperands,
    BatchNormStatistics, BatchNormStatisticsOperands, GradStatistics,
};
pub use bias::{GradBias, GradBiasOperands};
pub use cast::{Cast, CastOperands};
pub use clip::{ClipGradient, ClipGradientOperands, SquareSum, SquareSumOperands};
pub use control::Control;
pub use conv::{
    Conv, ConvForward, ConvForwardOperands, ConvGradInput, ConvGradInputOperands, ConvGradWeight,
    ConvGradWeightOperands,
};
pub use cross_entropy::{CrossEntropy, CrossEntropyGrad, CrossEntropyGradOperands, CrossEntropyOperands};
pub use dropout::{Dropout, DropoutOperands};
pub use fake_quantize::{
    FakeQuantize, FakeQuantizeGrad, FakeQuantizeGradOperands, FakeQuantizeOperands, FakeQuantizeWeight,
    FakeQuantizeWeightOperands, ObserveRange, ObserveRangeOperands,
};
pub use group_norm::{
    GroupNorm, GroupNormAffine, GroupNormAffineOperands, GroupNormGrad, GroupNormGradOperands,
    GroupNormOperands,
};
pub use half::Half;
pub use l1_penalty::{L1Penalty, L1PenaltyOperands};
pub use linear::{
    Linear, LinearGradInput, LinearGradInputOperands, LinearGradWeight, LinearGradWeightOperands,
    LinearOperands, LinearUpdate, LinearUpdateOperands,
};
pub use lion::{Lion, LionOperands};
pub use loss_scale::{
    FiniteCheck, FiniteCheckOperands, LossScale, LossScaleUpdate, LossScaleUpdateOperands, ScaleGradient,
    ScaleGradientOperands,
};
pub use max_pool::{MaxPool, MaxPoolForward, MaxPoolForwardOperands, MaxPoolGrad, MaxPoolGradOperands};
pub use metrics::{Metrics, MetricsOperands};
pub use mix::{Mix, MixImages, MixImagesOperands};
pub use operand::{
    Access, ControlBlock, Each, Element, Extent, F32, Family, Field, Kind, Memory, Operand, Operands, Owned,
    Read, Sample, Slices, Source, Stored, U8, U32, Update, Visitor, Write, each, list,
};
pub use optimizer::{Rule, RuleOperands};
pub use prepare::{PrepareImages, PrepareImagesOperands};
pub use quantized::{
    QuantizeImages, QuantizeImagesOperands, QuantizedConv, QuantizedConvOperands, QuantizedLinear,
    QuantizedLinearOperands, QuantizedMaxPool, QuantizedMaxPoolOperands, Requantize, padded, padded_outputs,
    weight_at,
};
pub use sgd::{Sgd, SgdOperands};

use crate::dtype::DType;

/// The description of an operation: its name, its operands, its cost.
pub trait Operation: Clone + std::fmt::Debug + PartialEq + Into<Op> {
    /// The name, `<op>.<pass>`, as in labels, `--variant` and the folders of `shaders/`.
    const NAME: &'static str;
    /// The named operands in a family.
    type Operands<F: Family>: Operands<F>;

    /// The extents of the operands; an absent optional operand is `None`.
    fn operands(&self) -> Self::Operands<Each<Extent>>;

    /// The floating-point operations of one run: two per multiply-add, one per element elsewhere.
    fn flops(&self) -> u64;
}

/// The list of all operations: calls a macro with their types.
macro_rules! for_each_op {
    ($callback:ident) => {
        $callback! {
            PrepareImages,
            MixImages,
            ConvForward,
            ConvGradInput,
            ConvGradWeight,
            GradBias,
            BatchNormStatistics,
            BatchNormRunning,
            BatchNormAffine,
            BatchNormNormalize,
            BatchNormGradStatistics,
            BatchNormGradAffine,
            BatchNormGradInput,
            GroupNorm,
            GroupNormAffine,
            GroupNormGrad,
            Activate,
            ActivateGrad,
            MaxPoolForward,
            MaxPoolGrad,
            AvgPool,
            AvgPoolGrad,
            Dropout,
            Linear,
            LinearGradInput,
            LinearGradWeight,
            LinearUpdate,
            CrossEntropy,
            CrossEntropyGrad,
            Metrics,
            Accumulate,
            Adam,
            Sgd,
            Lion,
            Average,
            L1Penalty,
            SquareSum,
            ClipGradient,
            Cast,
            ScaleGradient,
            FiniteCheck,
            LossScaleUpdate,
            ObserveRange,
            FakeQuantize,
            FakeQuantizeGrad,
            FakeQuantizeWeight,
            QuantizeImages,
            QuantizedConv,
            QuantizedLinear,
            QuantizedMaxPool,
        }
    };
}
pub(crate) use for_each_op;

macro_rules! op_enum {
    ($($op:ident,)*) => {
        /// One operation with its attributes and shapes.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the types are documented")]
        pub enum Op {
            $($op($op),)*
            /// Any of the others with its large operands in f16.
            Half(Half),
        }

        impl Op {
            /// The names of all operations.
            pub const NAMES: &[&str] = &[$($op::NAME),*];

            /// The operation's name, as [`Operation::NAME`].
            pub fn name(&self) -> &'static str {
                match self.plain() {
                    $(Self::$op(_) => $op::NAME,)*
                    Self::Half(_) => unreachable!("a plain operation"),
                }
            }

            /// The named operands, in the order in which a step lists its arguments.
            pub fn operands(&self) -> Vec<Operand> {
                match self.plain() {
                    $(Self::$op(op) => operand::declared(op.operands(), self.storage()),)*
                    Self::Half(_) => unreachable!("a plain operation"),
                }
            }

            /// The floating-point operations of one run, as [`Operation::flops`].
            pub fn flops(&self) -> u64 {
                match self.plain() {
                    $(Self::$op(op) => op.flops(),)*
                    Self::Half(_) => unreachable!("a plain operation"),
                }
            }
        }

        $(impl From<$op> for Op {
            fn from(op: $op) -> Self {
                Self::$op(op)
            }
        })*
    };
}
for_each_op!(op_enum);

impl Op {
    /// The operation without its storage type.
    pub fn plain(&self) -> &Op {
        if let Self::Half(half) = self { half.op() } else { self }
    }

    /// The storage type of its large operands.
    pub fn storage(&self) -> DType {
        if matches!(self, Self::Half(_)) { DType::F16 } else { DType::F32 }
    }

    /// The minimum memory traffic of one run in bytes: every operand read or written once.
    pub fn bytes(&self) -> u64 {
        let touched = |o: &Operand| o.bytes() * if o.access == Access::ReadWrite { 2 } else { 1 };
        self.operands().iter().map(touched).sum()
    }
}
