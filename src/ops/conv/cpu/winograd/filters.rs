//! Winograd's transform of filters, and of the rotated filters for the gradient of an input.

#![allow(clippy::needless_range_loop, reason = "no closures, not even an iterator's: see `wide`")]

use std::ops::Range;

use super::{
    forms::{Form, Four, Pair, Three, Two},
    tiles::{column, dispatch},
};
use crate::cpu::{
    Scalar,
    simd::{Simd, Vector, WithSimd, wide},
};

/// The filters of a convolution from `rows` to `columns` channels.
#[derive(Clone, Copy)]
pub(in crate::ops::conv::cpu) enum Weights<'a, S> {
    /// `[9, rows, columns]`.
    Plain(&'a [S]),
    /// `[9, columns, rows]`, to be rotated by 180 degrees.
    Turned(&'a [S]),
}

/// Transforms filters of `[all rows, all columns]` to `points[rows, t * t, columns]`.
pub(super) struct Filters<'a, S> {
    /// Points per side.
    pub t: usize,
    pub weight: Weights<'a, S>,
    /// All rows and columns.
    pub extents: [usize; 2],
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    pub points: &'a mut [S],
}

impl<S: Scalar> Filters<'_, S> {
    pub fn run(self) {
        wide(self);
    }
}

impl<S: Scalar> WithSimd for Filters<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        match self.weight {
            Weights::Plain(weight) => dispatch!(self.t, plain(simd, self, weight)),
            Weights::Turned(weight) => dispatch!(self.t, turned(simd, self, weight)),
        }
    }
}

#[inline(always)]
fn plain<V: Simd, S: Scalar, F: Form<M, I, T>, const M: usize, const I: usize, const T: usize>(
    simd: V,
    work: Filters<S>,
    weight: &[S],
) {
    let Filters { extents: [all, stride], rows, columns, points, .. } = work;
    let width = columns.len();
    for (item, row) in rows.enumerate() {
        for at in (0..width).step_by(S::lanes::<V>()) {
            let lanes = S::lanes::<V>().min(width - at);
            let mut taps = [Vector::splat(simd, S::ZERO); 9];
            for tap in 0..9 {
                let at = (tap * all + row) * stride + columns.start + at;
                taps[tap] = Vector::load(simd, &weight[at..][..lanes]);
            }
            transform::<V, S, F, M, I, T>(simd, taps, &mut points[item * T * T * width + at..], width, lanes);
        }
    }
}

/// Rows and columns that are transposed together.
const SIDE: usize = 16;

#[inline(always)]
fn turned<V: Simd, S: Scalar, F: Form<M, I, T>, const M: usize, const I: usize, const T: usize>(
    simd: V,
    work: Filters<S>,
    weight: &[S],
) {
    let Filters { extents: [all, stride], rows, columns, points, .. } = work;
    let width = columns.len();
    let mut blocks = [[[S::ZERO; SIDE]; SIDE]; 9];
    for row in rows.clone().step_by(SIDE) {
        let height = SIDE.min(rows.end - row);
        for left in (0..width).step_by(SIDE) {
            let across = SIDE.min(width - left);
            for tap in 0..9 {
                let from = ((8 - tap) * stride + columns.start + left) * all + row;
                turn(&weight[from..], all, [across, height], &mut blocks[tap]);
            }
            for item in 0..height {
                let to = (row - rows.start + item) * T * T * width + left;
                for at in (0..across).step_by(S::lanes::<V>()) {
                    let lanes = S::lanes::<V>().min(across - at);
                    let mut taps = [Vector::splat(simd, S::ZERO); 9];
                    for tap in 0..9 {
                        taps[tap] = Vector::load(simd, &blocks[tap][item][at..][..lanes]);
                    }
                    transform::<V, S, F, M, I, T>(simd, taps, &mut points[to + at..], width, lanes);
                }
            }
        }
    }
}

/// Transposes `[across, height]` values, with lines `stride` apart, to `block[height, across]`.
#[inline(always)]
fn turn<S: Scalar>(from: &[S], stride: usize, [across, height]: [usize; 2], block: &mut [[S; SIDE]; SIDE]) {
    const QUAD: usize = 4;
    if across < SIDE || height < SIDE {
        for c in 0..across {
            for r in 0..height {
                block[r][c] = from[c * stride + r];
            }
        }
        return;
    }
    // In registers.
    for c in (0..SIDE).step_by(QUAD) {
        for r in (0..SIDE).step_by(QUAD) {
            let mut quad = [[S::ZERO; QUAD]; QUAD];
            for i in 0..QUAD {
                quad[i].copy_from_slice(&from[(c + i) * stride + r..][..QUAD]);
            }
            for j in 0..QUAD {
                let line = [quad[0][j], quad[1][j], quad[2][j], quad[3][j]];
                block[r + j][c..c + QUAD].copy_from_slice(&line);
            }
        }
    }
}

/// The points of some filters, `stride` apart.
#[inline(always)]
fn transform<V: Simd, S: Scalar, F: Form<M, I, T>, const M: usize, const I: usize, const T: usize>(
    simd: V,
    taps: [Vector<V, S>; 9],
    points: &mut [S],
    stride: usize,
    lanes: usize,
) {
    let mut lines = [[Vector::splat(simd, S::ZERO); T]; 3];
    for r in 0..3 {
        lines[r] = F::filter([taps[3 * r], taps[3 * r + 1], taps[3 * r + 2]]);
    }
    for s in 0..T {
        let values = F::filter(column(simd, &lines, s));
        for r in 0..T {
            values[r].store(&mut points[(r * T + s) * stride..][..lanes]);
        }
    }
}
