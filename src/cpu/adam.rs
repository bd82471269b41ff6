//! The Adam optimiser, and AdamW.

use rayon::prelude::*;

use super::{CHUNK, Scalar, simd::wide};
use crate::ops::{Adam, Control};

/// What changes from step to step.
pub(super) struct Corrections {
    pub learning_rate: f64,
    /// `1 - beta1^t` and `1 - beta2^t`.
    pub bias: [f64; 2],
    /// What gradients are multiplied by.
    pub unscale: f64,
}

impl Corrections {
    pub fn of(control: &Control) -> Self {
        Self {
            learning_rate: control.learning_rate.into(),
            bias: [control.bias_correction1, control.bias_correction2].map(f64::from),
            unscale: 1.0,
        }
    }
}

/// One step on `parameter`, `m` and `v`, all `[len]`, in one pass over memory.
///
/// # Numerics
/// The constants of the step are computed in f64 and rounded once.
pub(super) fn update<S: Scalar>(
    op: &Adam,
    corrections: &Corrections,
    gradient: &[S],
    parameter: &mut [S],
    m: &mut [S],
    v: &mut [S],
) {
    let [beta1, beta2, eps] = [op.beta1, op.beta2, op.eps].map(f64::from);
    let [within, apart] = op.decays().map(f64::from);
    let rate = corrections.learning_rate / corrections.bias[0];
    let root = 1.0 / corrections.bias[1].sqrt();
    let unscale = S::of(corrections.unscale);
    let [rest1, rest2] = [1.0 - beta1, 1.0 - beta2].map(S::of);
    let [beta1, beta2, eps, rate, root] = [beta1, beta2, eps, rate, root].map(S::of);
    let [within, apart] = [within, corrections.learning_rate * apart].map(S::of);
    let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
    let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(moments);
    chunks.for_each(|((parameter, gradient), (m, v))| {
        wide(|| {
            for (((p, &g), m), v) in parameter.iter_mut().zip(gradient).zip(m).zip(v) {
                let g = unscale * g + within * *p;
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * g * g;
                *p = *p - (rate * *m / (v.sqrt() * root + eps) + apart * *p);
            }
        });
    });
}
