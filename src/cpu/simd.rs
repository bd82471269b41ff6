//! Vector instructions beyond those that every machine of the architecture has.

pub(super) use pulp::{Simd, WithSimd};

/// Runs `work`, compiled for the widest vectors of this machine.
///
/// For loops that the compiler turns into vector instructions: the binary is built for the oldest machine of the
/// architecture, and this picks AVX2 or AVX-512 where they are. The operations and their order are the same, and
/// no two are fused, so no result changes.
///
/// A short closure will do. A longer one is not inlined, and then compiled for the oldest machine after all; it has
/// to be a struct whose [`WithSimd::with_simd`] is `#[inline(always)]`.
#[inline(always)]
pub(super) fn wide<W: WithSimd>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(work)
}

/// Values that one vector register of `V` holds, and what can be done to them.
pub trait Vectors: Copy + 'static {
    /// The register.
    type Vector<V: Simd>: Copy;

    /// Values of a register.
    fn lanes<V: Simd>() -> usize;
    /// The first values of a slice, which has at least as many as a register.
    fn load<V: Simd>(from: &[Self]) -> Self::Vector<V>;
    /// The values of a slice, which has at most as many as a register; then zeros.
    fn load_part<V: Simd>(simd: V, from: &[Self]) -> Self::Vector<V>;
    /// The opposite of [`Vectors::load`].
    fn store<V: Simd>(to: &mut [Self], vector: Self::Vector<V>);
    /// The opposite of [`Vectors::load_part`].
    fn store_part<V: Simd>(simd: V, to: &mut [Self], vector: Self::Vector<V>);
    /// The same value everywhere.
    fn splat<V: Simd>(simd: V, value: Self) -> Self::Vector<V>;
    /// Sums.
    fn add<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>) -> Self::Vector<V>;
    /// Differences.
    fn sub<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>) -> Self::Vector<V>;
    /// Products.
    fn mul<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>) -> Self::Vector<V>;
}

macro_rules! vectors {
    ($t:ty, $vector:ident, $lanes:ident, $as:ident, $as_mut:ident, $load:ident, $store:ident, $splat:ident,
     $add:ident, $sub:ident, $mul:ident) => {
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
    mul_f32s
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
    mul_f64s
);

/// A register of values, with the usual operators.
pub(super) struct Vector<V: Simd, S: Vectors> {
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
    /// The first values of a slice; zeros where it has fewer than a register.
    #[inline(always)]
    pub fn load(simd: V, from: &[S]) -> Self {
        let whole = from.len() >= S::lanes::<V>();
        Self { simd, values: if whole { S::load::<V>(from) } else { S::load_part(simd, from) } }
    }

    /// Into the first values of a slice, as many as it has.
    #[inline(always)]
    pub fn store(self, to: &mut [S]) {
        if to.len() >= S::lanes::<V>() {
            S::store::<V>(to, self.values);
        } else {
            S::store_part(self.simd, to, self.values);
        }
    }

    /// The same value everywhere.
    #[inline(always)]
    pub fn splat(simd: V, value: S) -> Self {
        Self { simd, values: S::splat(simd, value) }
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
