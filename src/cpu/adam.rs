//! The Adam optimiser.

use rayon::prelude::*;

use super::{CHUNK, Scalar, simd::wide};
use crate::ops::{Adam, Control};

/// One step on `parameter`, `m` and `v`, all `[len]`, in one pass over memory.
///
/// # Numerics
/// The constants of the step are computed in f64 and rounded once.
pub(super) fn update<S: Scalar>(
    op: &Adam,
    control: &Control,
    gradient: &[S],
    parameter: &mut [S],
    m: &mut [S],
    v: &mut [S],
) {
    let [beta1, beta2, eps, decay] = [op.beta1, op.beta2, op.eps, op.weight_decay].map(f64::from);
    let rate = f64::from(control.learning_rate) / f64::from(control.bias_correction1);
    let root = 1.0 / f64::from(control.bias_correction2).sqrt();
    let [rest1, rest2] = [1.0 - beta1, 1.0 - beta2].map(S::of);
    let [beta1, beta2, eps, decay, rate, root] = [beta1, beta2, eps, decay, rate, root].map(S::of);
    let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
    let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(moments);
    chunks.for_each(|((parameter, gradient), (m, v))| {
        wide(|| {
            for (((p, &g), m), v) in parameter.iter_mut().zip(gradient).zip(m).zip(v) {
                let g = g + decay * *p;
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * g * g;
                *p = *p - rate * *m / (v.sqrt() * root + eps);
            }
        });
    });
}
