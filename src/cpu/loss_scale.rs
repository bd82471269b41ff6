//! Dynamic scaling of the loss. The state is `[len]` as [`LossScale`] lists it.

use rayon::prelude::*;

use super::{CHUNK, Scalar, adam::Corrections};
use crate::ops::{Control, LossScale, LossScaleUpdate};

fn read<S: Scalar>(state: &[S]) -> LossScale {
    let values: [f32; LossScale::LEN] = std::array::from_fn(|index| state[index].f64() as f32);
    bytemuck::cast(values)
}

/// `gradient *= scale`.
pub(super) fn apply<S: Scalar>(state: &[S], gradient: &mut [S]) {
    let scale = S::of(read(state).scale.into());
    gradient.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|g| *g = *g * scale));
}

/// Sets `overflow` where a value is infinite or not a number.
pub(super) fn check<S: Scalar>(gradient: &[S], overflow: &mut [u32]) {
    if gradient.par_chunks(CHUNK).any(|chunk| chunk.iter().any(|g| !g.f64().is_finite())) {
        overflow[0] = 1;
    }
}

/// The next state; clears `overflow`.
///
/// # Numerics
/// In f32 whatever the scalar: the state is part of a checkpoint, and the scale a power of two.
pub(super) fn update<S: Scalar>(op: &LossScaleUpdate, overflow: &mut [u32], state: &mut [S]) {
    let mut s = read(state);
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
        s.bias_correction1 = next(op.beta1, s.bias_correction1);
        s.bias_correction2 = next(op.beta2, s.bias_correction2);
        s.good += 1.0;
        if s.good >= op.growth_interval as f32 {
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

/// What takes the scale out of this step's gradients.
pub(super) fn unscale<S: Scalar>(state: &[S]) -> f64 {
    read(state).unscale.into()
}

/// The update's corrections; `None` where the step is not taken.
pub(super) fn corrections<S: Scalar>(control: &Control, state: &[S]) -> Option<Corrections> {
    let s = read(state);
    (s.skip == 0.0).then(|| Corrections {
        learning_rate: control.learning_rate.into(),
        bias: [s.bias_correction1, s.bias_correction2].map(f64::from),
        unscale: s.unscale.into(),
    })
}
