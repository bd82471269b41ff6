//! The average of a parameter over the steps.

use rayon::prelude::*;

use super::{CHUNK, Scalar, simd::wide};
use crate::ops::{Average, Control};

/// `average = decay_t average + (1 - decay_t) value`, both `[len]`; `value` itself in step 1.
pub(super) fn update<S: Scalar>(op: &Average, control: &Control, value: &[S], average: &mut [S]) {
    if control.step == 1 {
        average.copy_from_slice(value);
        return;
    }
    let [decay, rest] = op.weights(control.step).map(S::of);
    average.par_chunks_mut(CHUNK).zip(value.par_chunks(CHUNK)).for_each(|(average, value)| {
        wide(|| {
            for (a, &v) in average.iter_mut().zip(value) {
                *a = decay * *a + rest * v;
            }
        });
    });
}
