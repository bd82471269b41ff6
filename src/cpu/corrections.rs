//! The per-step factors of an optimiser step, from the control block and the loss scaling.

use super::Scalar;
use crate::ops::{Control, LossScale};

/// The loss-scaling state from its operand.
pub(crate) fn loss_scale<S: Scalar>(state: &[S]) -> LossScale {
    let values: [f32; LossScale::LEN] = std::array::from_fn(|index| state[index].f64() as f32);
    bytemuck::cast(values)
}

/// The parameter after an optimiser step: the new value, or 0 where a `sparse` parameter is exactly 0.
#[inline(always)]
pub(crate) fn updated<S: Scalar>(sparse: bool, old: S, new: S) -> S {
    if sparse && old == S::ZERO { old } else { new }
}

/// The factors that change from step to step.
pub(crate) struct Corrections {
    pub learning_rate: f64,
    /// `1 - beta1^t` and `1 - beta2^t`.
    pub bias: [f64; 2],
    /// The factor for gradients.
    pub unscale: f64,
}

impl Corrections {
    /// The factors of a step; with a scaled loss (`state`), `None` if the step is skipped.
    pub fn of<S: Scalar>(control: &Control, state: Option<&[S]>) -> Option<Self> {
        let learning_rate = control.learning_rate.into();
        let Some(state) = state.map(loss_scale) else {
            let bias = [control.bias_correction1, control.bias_correction2].map(f64::from);
            return Some(Self { learning_rate, bias, unscale: 1.0 });
        };
        let bias = [state.bias_correction1, state.bias_correction2].map(f64::from);
        (state.skip == 0.0).then(|| Self { learning_rate, bias, unscale: state.unscale.into() })
    }
}
