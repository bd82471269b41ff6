//! The Lion optimiser.

use rayon::prelude::*;

use super::{Lion, LionOperands};
use crate::{
    cpu::{
        CHUNK, Scalar, Scratch, Twin,
        corrections::{Corrections, updated},
        simd::wide,
    },
    ops::Slices,
};

impl Twin for Lion {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let LionOperands { control, loss_scale, gradient, parameter, m } = operands;
        let Some(corrections) = Corrections::of(control, loss_scale) else { return };
        let [rate, unscale] = [corrections.learning_rate, corrections.unscale].map(S::of);
        let [beta1, beta2] = [self.beta1, self.beta2].map(f64::from);
        let [rest1, rest2] = [1.0 - beta1, 1.0 - beta2].map(S::of);
        let [beta1, beta2] = [beta1, beta2].map(S::of);
        let decay = S::of(self.weight_decay.into());
        let sparse = self.sparse;
        let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        chunks.zip(m.par_chunks_mut(CHUNK)).for_each(|((parameter, gradient), m)| {
            wide(|| {
                for ((p, &g), m) in parameter.iter_mut().zip(gradient).zip(m) {
                    let g = unscale * g;
                    let direction = beta1 * *m + rest1 * g;
                    let below = if direction < S::ZERO { -S::ONE } else { S::ZERO };
                    let sign = if direction > S::ZERO { S::ONE } else { below };
                    *p = updated(sparse, *p, *p - rate * (sign + decay * *p));
                    *m = beta2 * *m + rest2 * g;
                }
            });
        });
    }
}
