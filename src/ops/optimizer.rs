//! The optimisers' rules.

use super::{Adam, AdamOperands, Lion, LionOperands, Op, Sgd, SgdOperands, list};

/// A rule with its constants; `len`, `scaled` and `sparse` are ignored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Adam or AdamW.
    Adam(Adam),
    /// Gradient descent.
    Sgd(Sgd),
    /// Lion.
    Lion(Lion),
}

/// The operands of an optimiser step.
pub struct RuleOperands<T> {
    /// The control block.
    pub control: T,
    /// The loss-scaling state, if gradients are scaled.
    pub loss_scale: Option<T>,
    /// The gradient of the parameter.
    pub gradient: T,
    /// The parameter.
    pub parameter: T,
    /// The optimiser state of the parameter, in the order of [`Rule::state`].
    pub state: Vec<T>,
}

impl Rule {
    /// The names of the rule's state tensors for each parameter, in the order of the operands.
    pub fn state(&self) -> &'static [&'static str] {
        match self {
            Self::Adam(_) => &["m", "v"],
            Self::Sgd(sgd) if sgd.has_velocity() => &["velocity"],
            Self::Sgd(_) => &[],
            Self::Lion(_) => &["m"],
        }
    }

    /// Adam's decays for the bias corrections; zeros for other rules.
    pub fn betas(&self) -> [f32; 2] {
        match self {
            Self::Adam(adam) => [adam.beta1, adam.beta2],
            Self::Sgd(_) | Self::Lion(_) => [0.0; 2],
        }
    }

    /// The rule with another weight decay.
    pub fn with_weight_decay(self, weight_decay: f32) -> Self {
        match self {
            Self::Adam(adam) => Adam { weight_decay, ..adam }.into(),
            Self::Sgd(sgd) => Sgd { weight_decay, ..sgd }.into(),
            Self::Lion(lion) => Lion { weight_decay, ..lion }.into(),
        }
    }

    /// The operation on `len` elements, with its operands by name. If `sparse`, elements that are exactly 0 stay 0.
    pub fn step<T>(
        &self,
        len: usize,
        sparse: bool,
        operands: RuleOperands<T>,
    ) -> (Op, Vec<(&'static str, T)>) {
        let RuleOperands { control, loss_scale, gradient, parameter, state } = operands;
        let (scaled, mut state) = (loss_scale.is_some(), state.into_iter());
        let mut next = || state.next().expect("as many tensors as `state` names");
        match *self {
            Self::Adam(adam) => {
                let (m, v) = (next(), next());
                let operands = AdamOperands { control, loss_scale, gradient, parameter, m, v };
                (Adam { len, scaled, sparse, ..adam }.into(), list(operands))
            }
            Self::Sgd(sgd) => {
                let velocity = sgd.has_velocity().then(next);
                let operands = SgdOperands { control, loss_scale, gradient, parameter, velocity };
                (Sgd { len, scaled, sparse, ..sgd }.into(), list(operands))
            }
            Self::Lion(lion) => {
                let operands = LionOperands { control, loss_scale, gradient, parameter, m: next() };
                (Lion { len, scaled, sparse, ..lion }.into(), list(operands))
            }
        }
    }
}

impl From<Adam> for Rule {
    fn from(adam: Adam) -> Self {
        Self::Adam(adam)
    }
}

impl From<Lion> for Rule {
    fn from(lion: Lion) -> Self {
        Self::Lion(lion)
    }
}

impl From<Sgd> for Rule {
    fn from(sgd: Sgd) -> Self {
        Self::Sgd(sgd)
    }
}
