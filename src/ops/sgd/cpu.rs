//! Stochastic gradient descent, with momentum.

use rayon::prelude::*;

use super::{Sgd, SgdOperands};
use crate::{
    cpu::{
        CHUNK, Scalar, Scratch, Twin,
        corrections::{Corrections, updated},
        simd::wide,
    },
    ops::Slices,
};

impl Twin for Sgd {
    /// One step on `parameter` and `velocity`, both `[len]`; without momentum there is no `velocity`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let SgdOperands { control, loss_scale, gradient, parameter, velocity } = operands;
        let Some(corrections) = Corrections::of(control, loss_scale) else { return };
        let [rate, unscale] = [corrections.learning_rate, corrections.unscale].map(S::of);
        let [momentum, decay] = [self.momentum, self.weight_decay].map(|v| S::of(v.into()));
        let sparse = self.sparse;
        let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let Some(velocity) = velocity else {
            chunks.for_each(|(parameter, gradient)| {
                wide(|| {
                    for (p, &g) in parameter.iter_mut().zip(gradient) {
                        *p = updated(sparse, *p, *p - rate * (unscale * g + decay * *p));
                    }
                });
            });
            return;
        };
        // The weights of the gradient and of the new velocity in the step.
        let [of_gradient, of_velocity] = if self.nesterov { [S::ONE, momentum] } else { [S::ZERO, S::ONE] };
        chunks.zip(velocity.par_chunks_mut(CHUNK)).for_each(|((parameter, gradient), velocity)| {
            wide(|| {
                for ((p, &g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                    let g = unscale * g + decay * *p;
                    *v = momentum * *v + g;
                    *p = updated(sparse, *p, *p - rate * (of_gradient * g + of_velocity * *v));
                }
            });
        });
    }
}
