//! Activations by definition: the reference for the CPU device and the GPU.

use std::f64::consts::{PI, SQRT_2};

use super::Activation;

impl Activation {
    /// The value at `x`.
    pub(crate) fn value(self, x: f64) -> f64 {
        match self {
            Self::Relu { .. } if x <= 0.0 => 0.0,
            Self::Relu { .. } => x,
            Self::LeakyRelu { .. } if x > 0.0 => x,
            Self::LeakyRelu { negative_slope } => f64::from(negative_slope) * x,
            Self::Gelu => x * distribution(x),
            Self::Silu => x * sigmoid(x),
            Self::Celu { .. } if x > 0.0 => x,
            Self::Celu { alpha } => f64::from(alpha) * (x / f64::from(alpha)).exp_m1(),
        }
    }

    /// The derivative at `x`, or at a kink the chosen subgradient.
    pub(crate) fn slope(self, x: f64) -> f64 {
        match self {
            Self::Relu { .. } | Self::LeakyRelu { .. } | Self::Celu { .. } if x > 0.0 => 1.0,
            Self::Relu { at_zero } if x == 0.0 => at_zero.into(),
            Self::Relu { .. } => 0.0,
            Self::LeakyRelu { negative_slope } => negative_slope.into(),
            Self::Gelu => distribution(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt(),
            Self::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
            Self::Celu { alpha } => (x / f64::from(alpha)).exp(),
        }
    }
}

/// The normal distribution function.
fn distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
