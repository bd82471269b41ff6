//! Dynamic loss scaling. The state is `[len]`, in the order of [`LossScale`].

use rayon::prelude::*;

use super::{
    FiniteCheck, FiniteCheckOperands, LossScale, LossScaleUpdate, LossScaleUpdateOperands, ScaleGradient,
    ScaleGradientOperands,
};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Twin, corrections},
    ops::Slices,
};

impl Twin for ScaleGradient {
    /// `gradient *= scale`.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let ScaleGradientOperands { loss_scale: state, gradient } = operands;
        let scale = S::of(corrections::loss_scale(state).scale.into());
        gradient.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|g| *g = *g * scale));
    }
}

impl Twin for FiniteCheck {
    /// Sets `overflow` if any value is infinite or NaN.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let FiniteCheckOperands { gradient, overflow } = operands;
        if gradient.par_chunks(CHUNK).any(|chunk| chunk.iter().any(|g| !g.f64().is_finite())) {
            overflow[0] = 1;
        }
    }
}

impl Twin for LossScaleUpdate {
    /// The next state; clears `overflow`.
    ///
    /// # Numerics
    /// In f32 whatever the scalar: the state is part of a checkpoint, and the scale a power of two.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let LossScaleUpdateOperands { overflow, loss_scale: state } = operands;
        let mut s = corrections::loss_scale(state);
        s.unscale = 1.0 / s.scale;
        let [least, most] = LossScale::RANGE;
        if overflow[0] != 0 {
            s.skip = 1.0;
            s.skipped += 1.0;
            s.good = 0.0;
            s.scale = (s.scale * 0.5).max(least);
        } else {
            let next = |beta: f32, c: f32| (1.0 - f64::from(beta)) as f32 + beta * c;
            s.skip = 0.0;
            s.bias_correction1 = next(self.beta1, s.bias_correction1);
            s.bias_correction2 = next(self.beta2, s.bias_correction2);
            s.good += 1.0;
            if s.good >= self.growth_interval as f32 {
                s.good = 0.0;
                s.scale = (s.scale * 2.0).min(most);
            }
        }
        overflow[0] = 0;
        let values: [f32; LossScale::LEN] = bytemuck::cast(s);
        for (to, value) in state.iter_mut().zip(values) {
            *to = S::of(value.into());
        }
    }
}
