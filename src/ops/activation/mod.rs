//! Activations: pointwise nonlinearities.

pub(crate) mod check;
pub(crate) mod cpu;
pub(crate) mod kernels;
pub(crate) mod reference;

use std::fmt;

use super::{Each, Extent, Family, Operation, Read, Stored, Write, operand::operands};

/// A pointwise nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu {
        /// The slope at exactly 0: 0 in PyTorch, 1/2 in the paper's `torch.max(x, 0)`.
        at_zero: f32,
    },
    /// `x` above 0, `negative_slope * x` elsewhere (Maas, Hannun and Ng, 2013).
    LeakyRelu {
        /// The slope at and below 0.
        negative_slope: f32,
    },
    /// `x` times the normal distribution function (Hendrycks and Gimpel, 2016): PyTorch's `approximate="none"`.
    Gelu,
    /// `x * sigmoid(x)` (Elfwing, Uchibe and Doya, 2018), also called swish.
    Silu,
    /// `x` above 0, `alpha * (exp(x / alpha) - 1)` elsewhere (Barron, 2017).
    Celu {
        /// Above 0; the limit at large negative `x` is `-alpha`.
        alpha: f32,
    },
}

impl Activation {
    /// One of each kind.
    pub const EACH: [Self; 5] = [
        Self::Relu { at_zero: 0.5 },
        Self::LeakyRelu { negative_slope: 0.125 },
        Self::Gelu,
        Self::Silu,
        Self::Celu { alpha: 0.25 },
    ];

    /// The word in recipes, flags and the names of layers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Relu { .. } => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Celu { .. } => "celu",
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relu { .. } => f.write_str("ReLU"),
            Self::LeakyRelu { negative_slope } => write!(f, "leaky ReLU, slope {negative_slope}"),
            Self::Gelu => f.write_str("GELU"),
            Self::Silu => f.write_str("SiLU"),
            Self::Celu { alpha } => write!(f, "CELU, alpha {alpha}"),
        }
    }
}

/// `output = activation(input)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activate {
    /// Elements.
    pub len: usize,
    /// The activation.
    pub activation: Activation,
}

impl Activate {
    /// ReLU as PyTorch has it.
    pub fn relu(len: usize) -> Self {
        Self { len, activation: Activation::Relu { at_zero: 0.0 } }
    }
}

operands! {
    /// The operands of [`Activate`].
    ActivateOperands { input: Read<Stored>, output: Write<Stored> }
}

impl Operation for Activate {
    const NAME: &'static str = "activation.forward";
    type Operands<F: Family> = ActivateOperands<F>;

    fn operands(&self) -> ActivateOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        ActivateOperands { input: len.clone(), output: len }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}

/// `grad_input = grad_output` times the activation's slope at `input`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivateGrad {
    /// Elements.
    pub len: usize,
    /// The activation.
    pub activation: Activation,
}

operands! {
    /// The operands of [`ActivateGrad`].
    ActivateGradOperands { input: Read<Stored>, grad_output: Read<Stored>, grad_input: Write<Stored> }
}

impl Operation for ActivateGrad {
    const NAME: &'static str = "activation.grad_input";
    type Operands<F: Family> = ActivateGradOperands<F>;

    fn operands(&self) -> ActivateGradOperands<Each<Extent>> {
        let len: Extent = [self.len].into();
        ActivateGradOperands { input: len.clone(), grad_output: len.clone(), grad_input: len }
    }

    fn flops(&self) -> u64 {
        self.len as u64
    }
}
