//! Activations and their gradients, a register of values at a time.

use super::{
    Scalar,
    simd::{Simd, Vector},
};
use crate::ops::Activation;

impl Activation {
    /// The activation of each value; NaN is preserved.
    #[inline(always)]
    pub(crate) fn activate<V: Simd, S: Scalar>(self, simd: V, x: Vector<V, S>) -> Vector<V, S> {
        let zero = Vector::splat(simd, S::ZERO);
        match self {
            Self::Relu { .. } => zero.above(x, [zero, x]),
            Self::LeakyRelu { negative_slope } => x.above(zero, [x, x.times(negative_slope.into())]),
            Self::Gelu => x.map::<Gelu>(simd),
            Self::Silu => x.map::<Silu>(simd),
            Self::Celu { alpha } => {
                let alpha = f64::from(alpha);
                let below = x.times(1.0 / alpha).map::<ExpBelow>(simd) - Vector::splat(simd, S::ONE);
                zero.above(x, [zero, x]) + below.times(alpha)
            }
        }
    }

    /// `grad_output` times the slope at each value of `x`.
    #[inline(always)]
    pub(crate) fn activate_grad<V: Simd, S: Scalar>(
        self,
        simd: V,
        x: Vector<V, S>,
        grad_output: Vector<V, S>,
    ) -> Vector<V, S> {
        let zero = Vector::splat(simd, S::ZERO);
        match self {
            Self::Relu { at_zero } => {
                let not_above = x.equals(zero, [grad_output.times(at_zero.into()), zero]);
                x.above(zero, [grad_output, not_above])
            }
            Self::LeakyRelu { negative_slope } => {
                x.above(zero, [grad_output, grad_output.times(negative_slope.into())])
            }
            Self::Gelu => grad_output * x.map::<GeluSlope>(simd),
            Self::Silu => grad_output * x.map::<SiluSlope>(simd),
            Self::Celu { alpha } => grad_output * x.times(1.0 / f64::from(alpha)).map::<ExpBelow>(simd),
        }
    }
}

/// The maximum number of values in a register.
const MOST_LANES: usize = 16;

impl<V: Simd, S: Scalar> Vector<V, S> {
    /// Each value through a function. It is inlined, so that the compiler vectorises the loop.
    #[inline(always)]
    fn map<F: Pointwise>(self, simd: V) -> Self {
        let mut values = [S::ZERO; MOST_LANES];
        let values = &mut values[..S::lanes::<V>()];
        self.store(values);
        for value in values.iter_mut() {
            *value = F::of(*value);
        }
        Self::load(simd, values)
    }
}

/// A function without branches. A closure would be compiled for the baseline instruction set.
trait Pointwise {
    fn of<S: Scalar>(x: S) -> S;
}

macro_rules! pointwise {
    ($($name:ident |$x:ident| $value:expr;)*) => {$(
        struct $name;

        impl Pointwise for $name {
            #[inline(always)]
            fn of<S: Scalar>($x: S) -> S {
                $value
            }
        }
    )*};
}

pointwise! {
    Gelu |x| x * distribution(x, exp_half_square(x));
    GeluSlope |x| {
        let exponential = exp_half_square(x);
        // The density is the exponential over the root of 2 pi.
        distribution(x, exponential) + x * (S::of(0.398_942_280_401_432_7) * exponential)
    };
    Silu |x| x / (S::ONE + exp_minus(x));
    SiluSlope |x| {
        let exponential = exp_minus(x);
        let s = S::ONE / (S::ONE + exponential);
        // 1 - s without cancellation.
        s * (S::ONE + x * (exponential * s))
    };
    ExpBelow |x| {
        let below = if x > S::ZERO { S::ZERO } else { x };
        // NaN stays; the rest is 0 within the smallest normal f32.
        (if below < S::of(-80.0) { S::of(-80.0) } else { below }).exp()
    };
}

/// The minimum; `bound` if `x` is NaN.
#[inline(always)]
fn at_most<S: Scalar>(x: S, bound: f64) -> S {
    if x < S::of(bound) { x } else { S::of(bound) }
}

/// `exp(-x)` with `x` clamped: below -80 a sigmoid is 0 within the smallest normal f32, and above 80 it is 1.
#[inline(always)]
fn exp_minus<S: Scalar>(x: S) -> S {
    (-at_most(-at_most(-x, 80.0), 80.0)).exp()
}

/// `exp(-x^2 / 2)`, 0 within the smallest normal f32 beyond 13.
#[inline(always)]
fn exp_half_square<S: Scalar>(x: S) -> S {
    let bounded = at_most(magnitude(x), 13.0);
    (S::of(-0.5) * bounded * bounded).exp()
}

#[inline(always)]
fn magnitude<S: Scalar>(x: S) -> S {
    if x < S::ZERO { -x } else { x }
}

/// The normal distribution function, given `exp(-x^2 / 2)`: formula 7.1.26 of Abramowitz and Stegun, off by at most 0.75e-7,
/// which is less than a rounding of f32 near 1. The lower tail does not cancel.
#[inline(always)]
fn distribution<S: Scalar>(x: S, exponential: S) -> S {
    // 0.3275911 / sqrt(2).
    let t = S::ONE / (S::ONE + S::of(0.231_641_888_266_346_4) * magnitude(x));
    let mut sum = S::of(1.061405429);
    for factor in [-1.453152027, 1.421413741, -0.284496736, 0.254829592] {
        sum = sum * t + S::of(factor);
    }
    let tail = S::of(0.5) * exponential * t * sum;
    if x > S::ZERO { S::ONE - tail } else { tail }
}

/// `exp(x)` without branches, for `x` between -87 and 88; NaN is preserved. Off by at most two roundings: `2^n e^r` with
/// `|r| <= ln(2) / 2`, and Cephes' polynomial for `e^r`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln(2), its upper bits and the rest.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let factors = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
    let mut sum = 1.987_569_1e-4;
    for factor in factors {
        sum = sum * r + factor;
    }
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (sum * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{WithSimd, wide};

    /// Relative, in units of f32's epsilon, over the range that is used.
    #[test]
    fn the_exponential_is_off_by_two_roundings_at_most() {
        let worst = (-87_000..88_000).map(|i| i as f32 / 1000.0).map(|x| {
            let expected = f64::from(x).exp();
            (f64::from(exp(x)) - expected).abs() / expected / f64::from(f32::EPSILON)
        });
        let worst = worst.fold(0.0, |worst, error| if error > worst { error } else { worst });
        assert!(worst > 0.0 && worst <= 1.0, "{worst}");
        assert!(exp(f32::NAN).is_nan());
    }

    /// Against the definitions in f64: the value and the slope of each activation, to a few roundings of 1 and of `x`.
    #[test]
    fn register_activations_match_their_definitions() {
        struct Values<'a>(Activation, &'a [f32], &'a mut [f32], bool);
        impl WithSimd for Values<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<V: Simd>(self, simd: V) {
                let Self(activation, from, to, slope) = self;
                let one = Vector::splat(simd, 1.0);
                let lanes = V::F32_LANES;
                for (from, to) in from.chunks(lanes).zip(to.chunks_mut(lanes)) {
                    let x = Vector::load(simd, from);
                    let y = if slope {
                        activation.activate_grad(simd, x, one)
                    } else {
                        activation.activate(simd, x)
                    };
                    y.store(to);
                }
            }
        }
        let x: Vec<f32> = (-5000..=5000).map(|i| i as f32 / 250.0).chain([-100.0, 100.0, f32::NAN]).collect();
        let activations = [
            Activation::Relu { at_zero: 0.5 },
            Activation::LeakyRelu { negative_slope: 0.01 },
            Activation::Gelu,
            Activation::Silu,
            Activation::Celu { alpha: 0.25 },
        ];
        for activation in activations {
            for slope in [false, true] {
                let mut y = vec![f32::INFINITY; x.len()];
                wide(Values(activation, &x, &mut y, slope));
                for (&x, &y) in x.iter().zip(&y) {
                    let (wide_x, y) = (f64::from(x), f64::from(y));
                    let expected = if slope { activation.slope(wide_x) } else { activation.value(wide_x) };
                    if x.is_nan() {
                        let piecewise =
                            matches!(activation, Activation::Relu { .. } | Activation::LeakyRelu { .. });
                        assert!(y.is_nan() || slope && piecewise, "{activation:?} of not-a-number is {y}");
                        continue;
                    }
                    let size = if slope { 1.0 } else { wide_x.abs() };
                    let tolerance = 4.0 * f64::from(f32::EPSILON) * size.max(0.25);
                    assert!(
                        (y - expected).abs() <= tolerance,
                        "{activation:?} at {x}, slope {slope}: {y} not {expected}"
                    );
                }
            }
        }
    }
}
