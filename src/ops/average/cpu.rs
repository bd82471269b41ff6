//! The average of a parameter over the steps.

use rayon::prelude::*;

use super::{Average, AverageOperands};
use crate::{
    cpu::{CHUNK, Scalar, Scratch, Twin, simd::wide},
    ops::Slices,
};

impl Twin for Average {
    /// `average = decay_t average + (1 - decay_t) value`, both `[len]`; `value` itself in step 1.
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let AverageOperands { control, value, average } = operands;
        if control.step == 1 {
            average.copy_from_slice(value);
            return;
        }
        let [decay, rest] = self.weights(control.step).map(S::of);
        average.par_chunks_mut(CHUNK).zip(value.par_chunks(CHUNK)).for_each(|(average, value)| {
            wide(|| {
                for (a, &v) in average.iter_mut().zip(value) {
                    *a = decay * *a + rest * v;
                }
            });
        });
    }
}
