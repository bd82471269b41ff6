//! An L1 penalty on batch norm's gamma.

use super::{L1Penalty, L1PenaltyOperands};
use crate::{
    cpu::{Scalar, Scratch, Twin, corrections},
    ops::Slices,
};

impl Twin for L1Penalty {
    /// `gradient += strength * scale * sign(parameter)`, both `[len]`: few enough for one thread.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let L1PenaltyOperands { loss_scale, parameter, gradient } = operands;
        let scale = loss_scale.map_or(1.0, |state| corrections::loss_scale(state).scale);
        let slope = S::of((self.strength * scale).into());
        for (g, &p) in gradient.iter_mut().zip(parameter) {
            if p > S::ZERO {
                *g += slope;
            } else if p < S::ZERO {
                *g += -slope;
            }
        }
    }
}
