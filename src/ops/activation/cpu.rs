//! Activations for the CPU device.

use rayon::prelude::*;

use super::{Activate, ActivateGrad, ActivateGradOperands, ActivateOperands, Activation};
use crate::{
    cpu::{
        CHUNK, Scalar, Scratch, Twin,
        simd::{Simd, Vector, WithSimd, wide},
    },
    ops::Slices,
};

impl Twin for Activate {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let ActivateOperands { input, output } = operands;
        output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(output, input)| {
            if S::FAST {
                return wide(Values { activation: self.activation, input, grad_output: None, output });
            }
            for (y, x) in output.iter_mut().zip(input) {
                *y = S::of(self.activation.value(x.f64()));
            }
        });
    }
}

impl Twin for ActivateGrad {
    fn run<S: Scalar>(&self, operands: Self::Operands<Slices<'_, S>>, _: &mut Scratch<S>) {
        let ActivateGradOperands { input, grad_output, grad_input } = operands;
        let chunks = input.par_chunks(CHUNK).zip(grad_output.par_chunks(CHUNK));
        grad_input.par_chunks_mut(CHUNK).zip(chunks).for_each(|(output, (input, grad_output))| {
            if S::FAST {
                let grad_output = Some(grad_output);
                return wide(Values { activation: self.activation, input, grad_output, output });
            }
            for ((dx, x), dy) in output.iter_mut().zip(input).zip(grad_output) {
                *dx = S::of(self.activation.slope(x.f64())) * *dy;
            }
        });
    }
}

/// The activation of `input`, or with a `grad_output` the gradient of `input`.
struct Values<'a, S> {
    activation: Activation,
    input: &'a [S],
    grad_output: Option<&'a [S]>,
    output: &'a mut [S],
}

impl<S: Scalar> WithSimd for Values<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Self { activation, input, grad_output, output } = self;
        for at in (0..input.len()).step_by(S::lanes::<V>()) {
            let x = Vector::load(simd, &input[at..]);
            let y = match grad_output {
                Some(grad_output) => {
                    activation.activate_grad(simd, x, Vector::load(simd, &grad_output[at..]))
                }
                None => activation.activate(simd, x),
            };
            y.store(&mut output[at..]);
        }
    }
}
