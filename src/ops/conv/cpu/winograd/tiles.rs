//! Winograd's transforms in two dimensions, over tiles, and of the gradients of filters.

#![allow(clippy::needless_range_loop, reason = "no closures, not even an iterator's: see `wide`")]

use std::marker::PhantomData;

use super::{
    forms::{Form, Four, Pair, Three, Two},
    layout::{Layout, padded},
    plan::{Plan, Region},
};
use crate::cpu::{
    Scalar,
    prologue::Prologue,
    simd::{Simd, Vector, WithSimd, wide},
};

macro_rules! dispatch {
    ($t:expr, $function:ident($($argument:expr),*)) => {
        match $t {
            3 => $function::<V, S, Pair, 2, 2, 3>($($argument),*),
            4 => $function::<V, S, Two, 2, 4, 4>($($argument),*),
            5 => $function::<V, S, Three, 3, 5, 5>($($argument),*),
            _ => $function::<V, S, Four, 4, 6, 6>($($argument),*),
        }
    };
}
pub(super) use dispatch;

/// Transforms the tiles of a region of an image to `points`.
pub(super) struct Spread<'a, S> {
    pub plan: &'a Plan,
    pub region: &'a Region,
    pub source: Prologue<'a, S>,
    pub channels: usize,
    /// Whether to transform the output's gradient, in tiles of m by m, or the input, in the tiles that the outputs need.
    pub gradient: bool,
    /// Room for one row of tiles: [`Plan::framed`].
    pub framed: &'a mut [S],
    pub points: &'a mut [S],
    pub layout: Layout,
}

impl<S: Scalar> Spread<'_, S> {
    pub fn run(self) {
        wide(self);
    }
}

impl<S: Scalar> WithSimd for Spread<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let t = self.plan.t;
        if self.gradient {
            dispatch!(t, spread_gradient(simd, self));
        } else {
            dispatch!(t, spread_input(simd, self));
        }
    }
}

#[inline(always)]
fn spread_input<V: Simd, S: Scalar, F: Form<M, I, T>, const M: usize, const I: usize, const T: usize>(
    simd: V,
    work: Spread<S>,
) {
    spread::<V, S, (Input<F>, [(); M]), I, T>(simd, work, M, (I - M) / 2);
}

#[inline(always)]
fn spread_gradient<V: Simd, S: Scalar, F: Form<M, I, T>, const M: usize, const I: usize, const T: usize>(
    simd: V,
    work: Spread<S>,
) {
    spread::<V, S, (GradOutput<F>, [(); I]), M, T>(simd, work, M, 0);
}

/// A transform in one dimension. A type and not a closure: closures are compiled for the baseline instruction set.
trait Along<const A: usize, const T: usize> {
    fn along<V: Simd, S: Scalar>(values: [Vector<V, S>; A]) -> [Vector<V, S>; T];
}

struct Input<F>(PhantomData<F>);
struct GradOutput<F>(PhantomData<F>);

impl<F: Form<M, I, T>, const M: usize, const I: usize, const T: usize> Along<I, T> for (Input<F>, [(); M]) {
    #[inline(always)]
    fn along<V: Simd, S: Scalar>(values: [Vector<V, S>; I]) -> [Vector<V, S>; T] {
        F::input(values)
    }
}

impl<F: Form<M, I, T>, const M: usize, const I: usize, const T: usize> Along<M, T>
    for (GradOutput<F>, [(); I])
{
    #[inline(always)]
    fn along<V: Simd, S: Scalar>(values: [Vector<V, S>; M]) -> [Vector<V, S>; T] {
        F::grad_output(values)
    }
}

/// Transforms `A` values per side to `T`, in tiles `m` apart, after an edge of `edge` zeros.
#[inline(always)]
fn spread<V: Simd, S: Scalar, X: Along<A, T>, const A: usize, const T: usize>(
    simd: V,
    work: Spread<S>,
    m: usize,
    edge: usize,
) {
    let Spread { plan, region, source, channels, framed, points, layout, .. } = work;
    let (tiles, padded) = (plan.tiles[1], padded(channels));
    let columns = (tiles - 1) * m + A;
    // All loads and stores are checked here: a check per register took about 4 % of a quarter-width step.
    let items = region.tiles(plan);
    assert!(
        padded % S::lanes::<V>() == 0 && framed.len() >= A * columns * padded,
        "the room for a row of tiles"
    );
    assert!(
        items == 0 || points.len() >= (T * T - 1) * layout.point + (items - 1) * layout.item + padded,
        "the room for transformed tiles"
    );
    // Overwritten for every tile; created once, because the compiler does not remove the unneeded zeros.
    let mut lines = [[Vector::splat(simd, S::ZERO); T]; A];
    let mut item = 0;
    for image in region.images.clone() {
        for row in region.rows.clone() {
            frame(simd, plan, source, channels, image, row * m, edge, [A, columns], framed);
            for tile in 0..tiles {
                for c in (0..padded).step_by(S::lanes::<V>()) {
                    for r in 0..A {
                        let at = (r * columns + tile * m) * padded + c;
                        let mut line = [Vector::splat(simd, S::ZERO); A];
                        for s in 0..A {
                            // SAFETY: a row of the frame, checked above, contains all of a tile's columns.
                            line[s] = unsafe { Vector::load_at(simd, framed, at + s * padded) };
                        }
                        lines[r] = X::along(line);
                    }
                    for s in 0..T {
                        let column = X::along(column(simd, &lines, s));
                        for r in 0..T {
                            let at = (r * T + s) * layout.point + item * layout.item + c;
                            // SAFETY: the last item of the last point was checked above.
                            unsafe { column[r].store_at(points, at) };
                        }
                    }
                }
                item += 1;
            }
        }
    }
}

/// Column `s`.
#[inline(always)]
pub(super) fn column<V: Simd, S: Scalar, const R: usize, const C: usize>(
    simd: V,
    lines: &[[Vector<V, S>; C]; R],
    s: usize,
) -> [Vector<V, S>; R] {
    let mut column = [Vector::splat(simd, S::ZERO); R];
    for r in 0..R {
        column[r] = lines[r][s];
    }
    column
}

/// Copies `[rows, columns]` pixels of an image into a frame of zeros; the image's pixels begin at `edge`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a struct of them would not stay in registers")]
fn frame<V: Simd, S: Scalar>(
    simd: V,
    plan: &Plan,
    source: Prologue<S>,
    channels: usize,
    image: usize,
    first: usize,
    edge: usize,
    [rows, columns]: [usize; 2],
    framed: &mut [S],
) {
    let (h, w, padded) = (plan.conv.h, plan.conv.w, padded(channels));
    let inside = w.min(columns - edge);
    for (r, line) in framed.chunks_exact_mut(columns * padded).take(rows).enumerate() {
        let y = first + r;
        if y < edge || y - edge >= h {
            line.fill(S::ZERO);
            continue;
        }
        line[..edge * padded].fill(S::ZERO);
        line[(edge + inside) * padded..].fill(S::ZERO);
        let line = &mut line[edge * padded..][..inside * padded];
        source.read(simd, channels, (image * h + y - edge) * w, padded, line);
    }
}

/// Transforms the products of a region's tiles back to `output`, which begins at the region's first pixel.
pub(super) struct Gather<'a, S> {
    pub plan: &'a Plan,
    pub region: &'a Region,
    pub points: &'a [S],
    pub layout: Layout,
    /// One value per channel, or empty.
    pub bias: &'a [S],
    pub channels: usize,
    pub output: &'a mut [S],
}

impl<S: Scalar> Gather<'_, S> {
    pub fn run(self) {
        wide(self);
    }
}

impl<S: Scalar> WithSimd for Gather<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        dispatch!(self.plan.t, gather(simd, self));
    }
}

#[inline(always)]
fn gather<V: Simd, S: Scalar, F: Form<M, I, T>, const M: usize, const I: usize, const T: usize>(
    simd: V,
    work: Gather<S>,
) {
    let Gather { plan, region, points, layout, bias, channels, output } = work;
    let (h, w) = (plan.conv.h, plan.conv.w);
    let mut lines = [[Vector::splat(simd, S::ZERO); M]; T];
    let mut item = 0;
    for image in 0..region.images.len() {
        for row in region.rows.clone() {
            let from = image * h + (row - region.rows.start) * M;
            let rows = M.min(h - row * M);
            for tile in 0..plan.tiles[1] {
                let columns = M.min(w - tile * M);
                for c in (0..channels).step_by(S::lanes::<V>()) {
                    let lanes = S::lanes::<V>().min(channels - c);
                    for r in 0..T {
                        let mut line = [Vector::splat(simd, S::ZERO); T];
                        for s in 0..T {
                            let at = (r * T + s) * layout.point + item * layout.item + c;
                            line[s] = Vector::load(simd, &points[at..][..lanes]);
                        }
                        lines[r] = F::output(line);
                    }
                    let bias = match bias {
                        [] => Vector::splat(simd, S::ZERO),
                        bias => Vector::load(simd, &bias[c..][..lanes]),
                    };
                    for s in 0..columns {
                        let column = F::output(column(simd, &lines, s));
                        for r in 0..rows {
                            let pixel = (from + r) * w + tile * M + s;
                            (column[r] + bias).store(&mut output[pixel * channels + c..][..lanes]);
                        }
                    }
                }
                item += 1;
            }
        }
    }
}

/// Transforms gradients `points` of filters back to `taps`, each `[rows, columns]`.
pub(super) struct GradFilters<'a, S> {
    /// Points per side.
    pub t: usize,
    pub points: &'a [S],
    pub layout: Layout,
    pub columns: usize,
    /// Adds to `taps` instead of overwriting them.
    pub accumulate: bool,
    pub taps: [&'a mut [S]; 9],
}

impl<S: Scalar> GradFilters<'_, S> {
    pub fn run(self) {
        wide(self);
    }
}

impl<S: Scalar> WithSimd for GradFilters<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        dispatch!(self.t, grad_filters(simd, self));
    }
}

#[inline(always)]
fn grad_filters<V: Simd, S: Scalar, F: Form<M, I, T>, const M: usize, const I: usize, const T: usize>(
    simd: V,
    work: GradFilters<S>,
) {
    let GradFilters { points, layout, columns, accumulate, taps, .. } = work;
    let mut lines = [[Vector::splat(simd, S::ZERO); 3]; T];
    for item in 0..taps[0].len() / columns {
        for at in (0..columns).step_by(S::lanes::<V>()) {
            let lanes = S::lanes::<V>().min(columns - at);
            for r in 0..T {
                let mut line = [Vector::splat(simd, S::ZERO); T];
                for s in 0..T {
                    let at = (r * T + s) * layout.point + item * layout.item + at;
                    line[s] = Vector::load(simd, &points[at..][..lanes]);
                }
                lines[r] = F::grad_filter(line);
            }
            for s in 0..3 {
                let values = F::grad_filter(column(simd, &lines, s));
                for r in 0..3 {
                    let to = &mut taps[3 * r + s][item * columns + at..][..lanes];
                    let before =
                        if accumulate { Vector::load(simd, to) } else { Vector::splat(simd, S::ZERO) };
                    (values[r] + before).store(to);
                }
            }
        }
    }
}
