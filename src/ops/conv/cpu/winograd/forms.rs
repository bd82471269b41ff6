//! The transforms of Winograd's minimal filtering F(m, 3) in one dimension.
//!
//! `m` outputs of a three-tap filter are computed from `m + 2` inputs with `t = m + 2` products instead of `3 m`:
//! `y = At ((G w) * (Bt d))`. The gradients are the transposed maps. The points are the first of 0, 1, -1, 2, -2, as many as
//! needed, and infinity.
//!
//! A line of two pixels between zeros needs three products for its two outputs: `y0 = w1 (x0 + x1) + (w2 - w1) x1` and
//! `y1 = w1 (x0 + x1) + (w0 - w1) x0`.
//!
//! # Source
//! Lavin and Gray: "Fast algorithms for convolutional neural networks" (2016). For two pixels Karatsuba's product of two
//! polynomials of degree 1, transposed.

use crate::cpu::{
    Scalar,
    simd::{Simd, Vector},
};

/// `M` outputs from `I` inputs with `T` products. The inputs begin `(I - M) / 2` pixels before the outputs.
pub(super) trait Form<const M: usize, const I: usize, const T: usize> {
    /// `Bt d`.
    fn input<V: Simd, S: Scalar>(d: [Vector<V, S>; I]) -> [Vector<V, S>; T];
    /// `G w`.
    fn filter<V: Simd, S: Scalar>(w: [Vector<V, S>; 3]) -> [Vector<V, S>; T];
    /// `At q`.
    fn output<V: Simd, S: Scalar>(q: [Vector<V, S>; T]) -> [Vector<V, S>; M];
    /// `A dy`.
    fn grad_output<V: Simd, S: Scalar>(dy: [Vector<V, S>; M]) -> [Vector<V, S>; T];
    /// `Gt du`.
    fn grad_filter<V: Simd, S: Scalar>(du: [Vector<V, S>; T]) -> [Vector<V, S>; 3];
}

/// Two pixels surrounded by zeros.
pub(super) struct Pair;
/// F(2, 3).
pub(super) struct Two;
/// F(3, 3).
pub(super) struct Three;
/// F(4, 3).
pub(super) struct Four;

impl Form<2, 2, 3> for Pair {
    #[inline(always)]
    fn input<V: Simd, S: Scalar>([a, b]: [Vector<V, S>; 2]) -> [Vector<V, S>; 3] {
        [a + b, b, a]
    }
    #[inline(always)]
    fn filter<V: Simd, S: Scalar>([a, b, c]: [Vector<V, S>; 3]) -> [Vector<V, S>; 3] {
        [b, c - b, a - b]
    }
    #[inline(always)]
    fn output<V: Simd, S: Scalar>([a, b, c]: [Vector<V, S>; 3]) -> [Vector<V, S>; 2] {
        [a + b, a + c]
    }
    #[inline(always)]
    fn grad_output<V: Simd, S: Scalar>([a, b]: [Vector<V, S>; 2]) -> [Vector<V, S>; 3] {
        [a + b, a, b]
    }
    #[inline(always)]
    fn grad_filter<V: Simd, S: Scalar>([a, b, c]: [Vector<V, S>; 3]) -> [Vector<V, S>; 3] {
        [c, a - b - c, b]
    }
}

impl Form<2, 4, 4> for Two {
    #[inline(always)]
    fn input<V: Simd, S: Scalar>([a, b, c, d]: [Vector<V, S>; 4]) -> [Vector<V, S>; 4] {
        [a - c, b + c, c - b, b - d]
    }
    #[inline(always)]
    fn filter<V: Simd, S: Scalar>([a, b, c]: [Vector<V, S>; 3]) -> [Vector<V, S>; 4] {
        let (outer, b) = ((a + c).times(0.5), b.times(0.5));
        [a, outer + b, outer - b, c]
    }
    #[inline(always)]
    fn output<V: Simd, S: Scalar>([a, b, c, d]: [Vector<V, S>; 4]) -> [Vector<V, S>; 2] {
        [a + b + c, b - c - d]
    }
    #[inline(always)]
    fn grad_output<V: Simd, S: Scalar>([a, b]: [Vector<V, S>; 2]) -> [Vector<V, S>; 4] {
        [a, a + b, a - b, b.times(-1.0)]
    }
    #[inline(always)]
    fn grad_filter<V: Simd, S: Scalar>([a, b, c, d]: [Vector<V, S>; 4]) -> [Vector<V, S>; 3] {
        let both = (b + c).times(0.5);
        [a + both, (b - c).times(0.5), both + d]
    }
}

impl Form<3, 5, 5> for Three {
    #[inline(always)]
    fn input<V: Simd, S: Scalar>([a, b, c, d, e]: [Vector<V, S>; 5]) -> [Vector<V, S>; 5] {
        let (b2, c2) = (b.times(2.0), c.times(2.0));
        [a.times(2.0) - b - c2 + d, d - c - b2, d + b2 - c.times(3.0), d - b, e - d.times(2.0) - c + b2]
    }
    #[inline(always)]
    fn filter<V: Simd, S: Scalar>([a, b, c]: [Vector<V, S>; 3]) -> [Vector<V, S>; 5] {
        let outer = a + c;
        let two = (a + b.times(2.0) + c.times(4.0)).times(1.0 / 6.0);
        [a.times(0.5), (outer + b).times(-0.5), (b - outer).times(1.0 / 6.0), two, c]
    }
    #[inline(always)]
    fn output<V: Simd, S: Scalar>([a, b, c, d, e]: [Vector<V, S>; 5]) -> [Vector<V, S>; 3] {
        let (sum, d2) = (b + c, d.times(2.0));
        [a + sum + d, b - c + d2, sum + d2.times(2.0) + e]
    }
    #[inline(always)]
    fn grad_output<V: Simd, S: Scalar>([a, b, c]: [Vector<V, S>; 3]) -> [Vector<V, S>; 5] {
        let outer = a + c;
        [a, outer + b, outer - b, a + b.times(2.0) + c.times(4.0), c]
    }
    #[inline(always)]
    fn grad_filter<V: Simd, S: Scalar>([a, b, c, d, e]: [Vector<V, S>; 5]) -> [Vector<V, S>; 3] {
        let (b, c, d) = (b.times(0.5), c.times(1.0 / 6.0), d.times(1.0 / 6.0));
        let d2 = d.times(2.0);
        [a.times(0.5) - b - c + d, c - b + d2, d2.times(2.0) - b - c + e]
    }
}

impl Form<4, 6, 6> for Four {
    #[inline(always)]
    fn input<V: Simd, S: Scalar>([a, b, c, d, e, f]: [Vector<V, S>; 6]) -> [Vector<V, S>; 6] {
        let (even, odd) = (e - c.times(4.0), d - b.times(4.0));
        let (even2, odd2) = (e - c, (d - b).times(2.0));
        [
            a.times(4.0) - c.times(5.0) + e,
            even + odd,
            even - odd,
            even2 + odd2,
            even2 - odd2,
            b.times(4.0) - d.times(5.0) + f,
        ]
    }
    #[inline(always)]
    fn filter<V: Simd, S: Scalar>([a, b, c]: [Vector<V, S>; 3]) -> [Vector<V, S>; 6] {
        let (outer, middle) = ((a + c).times(-1.0 / 6.0), b.times(-1.0 / 6.0));
        let (outer2, middle2) = (a.times(1.0 / 24.0) + c.times(1.0 / 6.0), b.times(1.0 / 12.0));
        [a.times(0.25), outer + middle, outer - middle, outer2 + middle2, outer2 - middle2, c]
    }
    #[inline(always)]
    fn output<V: Simd, S: Scalar>([a, b, c, d, e, f]: [Vector<V, S>; 6]) -> [Vector<V, S>; 4] {
        let (sum, difference) = (b + c, b - c);
        let (sum2, difference2) = (d + e, (d - e).times(2.0));
        [
            a + sum + sum2,
            difference + difference2,
            sum + sum2.times(4.0),
            difference + difference2.times(4.0) + f,
        ]
    }
    #[inline(always)]
    fn grad_output<V: Simd, S: Scalar>([a, b, c, d]: [Vector<V, S>; 4]) -> [Vector<V, S>; 6] {
        let (even, odd) = (a + c, b + d);
        let (even2, odd2) = (a + c.times(4.0), b.times(2.0) + d.times(8.0));
        [a, even + odd, even - odd, even2 + odd2, even2 - odd2, d]
    }
    #[inline(always)]
    fn grad_filter<V: Simd, S: Scalar>([a, b, c, d, e, f]: [Vector<V, S>; 6]) -> [Vector<V, S>; 3] {
        let (sum, difference) = ((b + c).times(-1.0 / 6.0), (c - b).times(1.0 / 6.0));
        let (sum2, difference2) = ((d + e).times(1.0 / 24.0), (d - e).times(1.0 / 12.0));
        [a.times(0.25) + sum + sum2, difference + difference2, sum + sum2.times(4.0) + f]
    }
}
