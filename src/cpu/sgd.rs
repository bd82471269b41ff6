//! Stochastic gradient descent, with momentum.

use rayon::prelude::*;

use super::{CHUNK, Scalar, adam::Corrections, simd::wide};
use crate::ops::Sgd;

/// One step on `parameter` and `velocity`, both `[len]`; without momentum there is no `velocity`.
pub(super) fn update<S: Scalar>(
    op: &Sgd,
    corrections: &Corrections,
    gradient: &[S],
    parameter: &mut [S],
    velocity: &mut [S],
) {
    let [rate, unscale] = [corrections.learning_rate, corrections.unscale].map(S::of);
    let [momentum, decay] = [op.momentum, op.weight_decay].map(|v| S::of(v.into()));
    let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
    if !op.has_velocity() {
        chunks.for_each(|(parameter, gradient)| {
            wide(|| {
                for (p, &g) in parameter.iter_mut().zip(gradient) {
                    *p = *p - rate * (unscale * g + decay * *p);
                }
            });
        });
        return;
    }
    // What the step has of the gradient and of the new velocity.
    let [of_gradient, of_velocity] = if op.nesterov { [S::ONE, momentum] } else { [S::ZERO, S::ONE] };
    chunks.zip(velocity.par_chunks_mut(CHUNK)).for_each(|((parameter, gradient), velocity)| {
        wide(|| {
            for ((p, &g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                let g = unscale * g + decay * *p;
                *v = momentum * *v + g;
                *p = *p - rate * (of_gradient * g + of_velocity * *v);
            }
        });
    });
}
