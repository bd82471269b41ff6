//! Vector instructions beyond the architecture's baseline.

pub(crate) use pulp::{Simd, WithSimd};

use super::instructions::arch;

/// Runs `work`, compiled for the widest vectors of this machine, or those that `VGG_SIMD` names.
///
/// For loops that the compiler vectorises: the binary is built for the architecture's baseline, and this picks AVX2 or
/// AVX-512 where available. The operations and their order are the same and none are fused, so results do not change.
///
/// A short closure will do. A longer one is not inlined and is then compiled for the baseline after all; it has to be a
/// struct whose [`WithSimd::with_simd`] is `#[inline(always)]`.
#[inline(always)]
pub(crate) fn wide<W: WithSimd>(work: W) -> W::Output {
    arch().dispatch(work)
}

/// Vector registers of `V` with values of this type, and their operations.
pub trait Vectors: Copy + 'static {
    /// The register.
    type Vector<V: Simd>: Copy;

    /// The number of values in a register.
    fn lanes<V: Simd>() -> usize;
    /// Loads the first values of a slice, which has at least a register's worth.
    fn load<V: Simd>(from: &[Self]) -> Self::Vector<V>;
    /// Loads a slice of at most a register's worth of values, padded with zeros.
    fn load_part<V: Simd>(simd: V, from: &[Self]) -> Self::Vector<V>;
    /// The opposite of [`Vectors::load`].
    fn store<V: Simd>(to: &mut [Self], vector: Self::Vector<V>);
    /// The opposite of [`Vectors::load_part`].
    fn store_part<V: Simd>(simd: V, to: &mut [Self], vector: Self::Vector<V>);
    /// The same value in all lanes.
    fn splat<V: Simd>(simd: V, value: Self) -> Self::Vector<V>;
    /// Sums.
    fn add<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>) -> Self::Vector<V>;
    /// Differences.
    fn sub<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>) -> Self::Vector<V>;
    /// Products.
    fn mul<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>) -> Self::Vector<V>;
    /// `a * b + c`, rounded once if the machine can.
    fn mul_add<V: Simd>(
        simd: V,
        a: Self::Vector<V>,
        b: Self::Vector<V>,
        c: Self::Vector<V>,
    ) -> Self::Vector<V>;
    /// `yes` where `a > b`, else `no`.
    fn greater<V: Simd>(
        simd: V,
        ab: [Self::Vector<V>; 2],
        yes: Self::Vector<V>,
        no: Self::Vector<V>,
    ) -> Self::Vector<V>;
    /// `yes` where `a == b`, else `no`.
    fn equal<V: Simd>(
        simd: V,
        ab: [Self::Vector<V>; 2],
        yes: Self::Vector<V>,
        no: Self::Vector<V>,
    ) -> Self::Vector<V>;
    /// The sum of the values of a register, in an order that depends on the machine's vectors.
    fn sum<V: Simd>(simd: V, a: Self::Vector<V>) -> Self;
}

macro_rules! vectors {
    ($t:ty, $vector:ident, $lanes:ident, $as:ident, $as_mut:ident, $load:ident, $store:ident, $splat:ident,
     $add:ident, $sub:ident, $mul:ident, $mul_add:ident, $greater:ident, $equal:ident, $select:ident,
     $sum:ident) => {
        impl Vectors for $t {
            type Vector<V: Simd> = V::$vector;

            #[inline(always)]
            fn lanes<V: Simd>() -> usize {
                V::$lanes
            }
            #[inline(always)]
            fn load<V: Simd>(from: &[Self]) -> V::$vector {
                V::$as(&from[..V::$lanes]).0[0]
            }
            #[inline(always)]
            fn load_part<V: Simd>(simd: V, from: &[Self]) -> V::$vector {
                simd.$load(from)
            }
            #[inline(always)]
            fn store<V: Simd>(to: &mut [Self], vector: V::$vector) {
                V::$as_mut(&mut to[..V::$lanes]).0[0] = vector;
            }
            #[inline(always)]
            fn store_part<V: Simd>(simd: V, to: &mut [Self], vector: V::$vector) {
                simd.$store(to, vector);
            }
            #[inline(always)]
            fn splat<V: Simd>(simd: V, value: Self) -> V::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn add<V: Simd>(simd: V, a: V::$vector, b: V::$vector) -> V::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn sub<V: Simd>(simd: V, a: V::$vector, b: V::$vector) -> V::$vector {
                simd.$sub(a, b)
            }
            #[inline(always)]
            fn mul<V: Simd>(simd: V, a: V::$vector, b: V::$vector) -> V::$vector {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn mul_add<V: Simd>(simd: V, a: V::$vector, b: V::$vector, c: V::$vector) -> V::$vector {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn greater<V: Simd>(
                simd: V,
                [a, b]: [V::$vector; 2],
                yes: V::$vector,
                no: V::$vector,
            ) -> V::$vector {
                simd.$select(simd.$greater(a, b), yes, no)
            }
            #[inline(always)]
            fn equal<V: Simd>(
                simd: V,
                [a, b]: [V::$vector; 2],
                yes: V::$vector,
                no: V::$vector,
            ) -> V::$vector {
                simd.$select(simd.$equal(a, b), yes, no)
            }
            #[inline(always)]
            fn sum<V: Simd>(simd: V, a: V::$vector) -> Self {
                simd.$sum(a)
            }
        }
    };
}

vectors!(
    f32,
    f32s,
    F32_LANES,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_load_f32s,
    partial_store_f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    mul_add_e_f32s,
    greater_than_f32s,
    equal_f32s,
    select_f32s,
    reduce_sum_f32s
);
vectors!(
    f64,
    f64s,
    F64_LANES,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_load_f64s,
    partial_store_f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    mul_add_e_f64s,
    greater_than_f64s,
    equal_f64s,
    select_f64s,
    reduce_sum_f64s
);

/// A register of values, with the usual operators.
pub(crate) struct Vector<V: Simd, S: Vectors> {
    simd: V,
    values: S::Vector<V>,
}

impl<V: Simd, S: Vectors> Clone for Vector<V, S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Simd, S: Vectors> Copy for Vector<V, S> {}

impl<V: Simd, S: Vectors> Vector<V, S> {
    /// Loads the first values of a slice, padded with zeros if it has fewer than a register's worth.
    #[inline(always)]
    pub fn load(simd: V, from: &[S]) -> Self {
        let whole = from.len() >= S::lanes::<V>();
        Self { simd, values: if whole { S::load::<V>(from) } else { S::load_part(simd, from) } }
    }

    /// Loads a register's values from `at` on.
    ///
    /// # Safety
    /// The slice has them all.
    #[inline(always)]
    pub unsafe fn load_at(simd: V, from: &[S], at: usize) -> Self {
        // SAFETY: as the caller promises.
        let from = unsafe { from.get_unchecked(at..at + S::lanes::<V>()) };
        Self { simd, values: S::load::<V>(from) }
    }

    /// The opposite of [`Vector::load_at`].
    ///
    /// # Safety
    /// The slice has room for them all.
    #[inline(always)]
    pub unsafe fn store_at(self, to: &mut [S], at: usize) {
        // SAFETY: as the caller promises.
        let to = unsafe { to.get_unchecked_mut(at..at + S::lanes::<V>()) };
        S::store::<V>(to, self.values);
    }

    /// Stores into the first values of a slice, as many as it has.
    #[inline(always)]
    pub fn store(self, to: &mut [S]) {
        if to.len() >= S::lanes::<V>() {
            S::store::<V>(to, self.values);
        } else {
            S::store_part(self.simd, to, self.values);
        }
    }

    /// The same value in all lanes.
    #[inline(always)]
    pub fn splat(simd: V, value: S) -> Self {
        Self { simd, values: S::splat(simd, value) }
    }

    /// `self * factor + term`, rounded once if the machine can.
    #[inline(always)]
    pub fn mul_add(self, factor: Self, term: Self) -> Self {
        Self { values: S::mul_add(self.simd, self.values, factor.values, term.values), ..self }
    }

    /// `yes` where this is above `other`, else `no`.
    #[inline(always)]
    pub fn above(self, other: Self, [yes, no]: [Self; 2]) -> Self {
        let values = S::greater(self.simd, [self.values, other.values], yes.values, no.values);
        Self { values, ..self }
    }

    /// `yes` where this is equal to `other`, else `no`.
    #[inline(always)]
    pub fn equals(self, other: Self, [yes, no]: [Self; 2]) -> Self {
        let values = S::equal(self.simd, [self.values, other.values], yes.values, no.values);
        Self { values, ..self }
    }

    /// The sum of the values.
    #[inline(always)]
    pub fn sum(self) -> S {
        S::sum(self.simd, self.values)
    }
}

macro_rules! operator {
    ($name:ident $function:ident $of:ident) => {
        impl<V: Simd, S: Vectors> std::ops::$name for Vector<V, S> {
            type Output = Self;

            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                Self { values: S::$of(self.simd, self.values, other.values), ..self }
            }
        }
    };
}

operator!(Add add add);
operator!(Sub sub sub);
operator!(Mul mul mul);

impl<V: Simd, S: super::Scalar> Vector<V, S> {
    /// Multiplied by a constant.
    #[inline(always)]
    pub fn times(self, factor: f64) -> Self {
        self * Self::splat(self.simd, S::of(factor))
    }
}
