//! The Adam optimiser, and AdamW.

use rayon::prelude::*;

use super::{Adam, AdamOperands};
use crate::{
    cpu::{
        CHUNK, Scalar, Scratch, Twin,
        corrections::{Corrections, updated},
        simd::wide,
    },
    ops::Slices,
};

/// The constants of a step.
///
/// # Numerics
/// They are computed in f64 and rounded once.
#[derive(Clone, Copy)]
pub(crate) struct Step<S> {
    beta: [S; 2],
    rest: [S; 2],
    eps: S,
    rate: S,
    root: S,
    unscale: S,
    within: S,
    apart: S,
    sparse: bool,
}

impl<S: Scalar> Step<S> {
    pub fn of(op: &Adam, corrections: &Corrections) -> Self {
        let beta = [op.beta1, op.beta2].map(f64::from);
        let [within, apart] = op.decays().map(f64::from);
        Self {
            beta: beta.map(S::of),
            rest: beta.map(|beta| S::of(1.0 - beta)),
            eps: S::of(op.eps.into()),
            rate: S::of(corrections.learning_rate / corrections.bias[0]),
            root: S::of(1.0 / corrections.bias[1].sqrt()),
            unscale: S::of(corrections.unscale),
            within: S::of(within),
            apart: S::of(corrections.learning_rate * apart),
            sparse: op.sparse,
        }
    }

    /// The step on slices of one length, on the calling thread only.
    pub fn take(self, gradient: &[S], parameter: &mut [S], m: &mut [S], v: &mut [S]) {
        let Self {
            beta: [beta1, beta2],
            rest: [rest1, rest2],
            eps,
            rate,
            root,
            unscale,
            within,
            apart,
            sparse,
        } = self;
        wide(|| {
            for (((p, &g), m), v) in parameter.iter_mut().zip(gradient).zip(m).zip(v) {
                let g = unscale * g + within * *p;
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * g * g;
                let new = *p - (rate * *m / (v.sqrt() * root + eps) + apart * *p);
                *p = updated(sparse, *p, new);
            }
        });
    }
}

impl Twin for Adam {
    /// One step on `parameter`, `m` and `v`, all `[len]`, in one pass over memory.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let AdamOperands { control, loss_scale, gradient, parameter, m, v } = operands;
        let Some(corrections) = Corrections::of(control, loss_scale) else { return };
        let step = Step::of(self, &corrections);
        let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(moments);
        chunks.for_each(|((parameter, gradient), (m, v))| step.take(gradient, parameter, m, v));
    }
}
