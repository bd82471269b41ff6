//! The rules by which parameters follow their gradients.

use super::{Adam, Op, Sgd};

/// A rule with its constants; `len` and `scaled` are not looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Adam or AdamW.
    Adam(Adam),
    /// Gradient descent.
    Sgd(Sgd),
}

impl Rule {
    /// The names of what the rule remembers of each parameter, in the order of the operands.
    pub fn state(&self) -> &'static [&'static str] {
        match self {
            Self::Adam(_) => &["m", "v"],
            Self::Sgd(sgd) if sgd.has_velocity() => &["velocity"],
            Self::Sgd(_) => &[],
        }
    }

    /// Adam's decays, whose powers are corrected for; zeros where there are none.
    pub fn betas(&self) -> [f32; 2] {
        match self {
            Self::Adam(adam) => [adam.beta1, adam.beta2],
            Self::Sgd(_) => [0.0; 2],
        }
    }

    /// The operation on `len` elements.
    pub fn op(&self, len: usize, scaled: bool) -> Op {
        match *self {
            Self::Adam(adam) => Adam { len, scaled, ..adam }.into(),
            Self::Sgd(sgd) => Sgd { len, scaled, ..sgd }.into(),
        }
    }
}

impl From<Adam> for Rule {
    fn from(adam: Adam) -> Self {
        Self::Adam(adam)
    }
}

impl From<Sgd> for Rule {
    fn from(sgd: Sgd) -> Self {
        Self::Sgd(sgd)
    }
}
