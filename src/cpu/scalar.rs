//! The scalar types that the CPU executor computes in.

use std::{
    fmt::Debug,
    ops::{Add, AddAssign, Div, Mul, Neg, Sub},
};

use super::{matmul::Product, simd::Vectors};

/// `f32` for the CPU device, or `f64` for the reference.
pub trait Scalar:
    Vectors
    + Product
    + Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Whether the executor uses fast algorithms whose rounding differs from the definitions': `f32` does, the reference
    /// does not.
    const FAST: bool;

    /// The nearest value to an `f64`.
    fn of(value: f64) -> Self;

    /// The value as `f64`, exactly.
    fn f64(self) -> f64;

    /// The square root.
    fn sqrt(self) -> Self;

    /// The exponential function; of `f32`, for values between -87 and 88.
    fn exp(self) -> Self;

    /// Whether it is not-a-number.
    fn is_nan(self) -> bool;
}

macro_rules! scalar {
    ($($t:ty: $fast:literal, $exp:expr;)*) => {$(
        impl Scalar for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const FAST: bool = $fast;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $t
            }

            #[inline(always)]
            fn f64(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
        }
    )*};
}

scalar! {
    f32: true, super::activation::exp;
    f64: false, f64::exp;
}
