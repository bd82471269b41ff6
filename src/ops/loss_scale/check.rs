//! How loss scaling is checked.

use super::{FiniteCheck, LossScale, LossScaleUpdate, ScaleGradient};
use crate::verify::{
    check::{Check, Inputs, Tolerances, normal, roundings},
    shapes::LENGTHS,
};

impl LossScale {
    /// A state in the middle of training, as test data; `taken`: whether the step is.
    pub(crate) fn sample(taken: bool) -> Vec<f32> {
        let state = Self {
            scale: 1024.0,
            good: 6.0,
            unscale: 1.0 / 512.0,
            skip: f32::from(!taken),
            bias_correction1: 0.521_703_1,
            bias_correction2: 0.006_979_035,
            skipped: 3.0,
            reserved: 0.0,
        };
        bytemuck::cast_slice(&[state]).to_vec()
    }
}

impl Check for ScaleGradient {
    fn cases() -> Vec<Self> {
        LENGTHS.map(|len| Self { len }).into()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.loss_scale = LossScale::sample(true);
    }

    /// A product with a power of two.
    fn tolerances(&self, _: &mut Tolerances<Self>) {}
}

impl Check for FiniteCheck {
    fn cases() -> Vec<Self> {
        LENGTHS.map(|len| Self { len }).into()
    }

    /// The non-finite value is first, last, or absent.
    fn inputs(&self, data: &mut Inputs<Self>) {
        data.gradient = normal("gradient", self.len);
        match self.len % 3 {
            1 => data.gradient[self.len - 1] = f32::NAN,
            2 => data.gradient[0] = f32::NEG_INFINITY,
            _ => data.gradient[0] = f32::MAX,
        }
    }

    fn tolerances(&self, _: &mut Tolerances<Self>) {}
}

impl Check for LossScaleUpdate {
    fn cases() -> Vec<Self> {
        [1, 6, 7].map(|growth_interval| Self { beta1: 0.9, beta2: 0.999, growth_interval }).into()
    }

    fn inputs(&self, data: &mut Inputs<Self>) {
        data.loss_scale = LossScale::sample(true);
        data.overflow[0] = u32::from(self.growth_interval == 6);
    }

    fn tolerances(&self, results: &mut Tolerances<Self>) {
        results.loss_scale = roundings(2.0, 0.0);
    }
}
