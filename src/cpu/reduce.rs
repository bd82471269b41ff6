//! Loops over a `[rows, channels]` matrix: fixed pieces of rows in parallel, sums merged in order.
//!
//! The pieces depend only on the shape, so the result depends neither on the number of threads nor on timing. With few
//! channels, several rows are processed as one long row, to fill the vectors; per-channel values are repeated along it.

use rayon::prelude::*;

use super::Scalar;

/// Elements of a piece: 128 KiB of f32 stay in a core's cache for a second pass.
const ELEMENTS: usize = 32 * 1024;
/// The minimum number of elements of a long row.
const LONG: usize = 256;

/// The length of a long row: a multiple of `channels`.
pub(crate) fn width(channels: usize) -> usize {
    channels * (LONG / channels.max(1)).max(1)
}

/// Elements of a piece: whole long rows.
pub(crate) fn piece(channels: usize) -> usize {
    let width = width(channels).max(1);
    (ELEMENTS / width).max(1) * width
}

/// The number of sums that a reduction of `fields` values per channel needs.
pub(crate) fn sums(rows: usize, channels: usize, fields: usize) -> usize {
    (rows * channels).div_ceil(piece(channels)).max(1) * width(channels) * fields
}

/// Calls `part` with each piece of the rows and its own zeroed `[fields, width]` sums; returns all sums.
pub(crate) fn by_rows<'a, S: Scalar>(
    sums: &'a mut [S],
    channels: usize,
    fields: usize,
    data: &[S],
    part: impl Fn(&[S], &mut [S]) + Sync,
) -> &'a mut [S] {
    by_row_pairs(sums, channels, fields, data, data, |data, _, sums| part(data, sums))
}

/// As [`by_rows`], over the same rows of two matrices.
pub(crate) fn by_row_pairs<'a, S: Scalar>(
    sums: &'a mut [S],
    channels: usize,
    fields: usize,
    left: &[S],
    right: &[S],
    part: impl Fn(&[S], &[S], &mut [S]) + Sync,
) -> &'a mut [S] {
    let (piece, stride) = (piece(channels), fields * width(channels));
    let sums = &mut sums[..left.len().div_ceil(piece).max(1) * stride];
    sums.fill(S::ZERO);
    let pieces = left.par_chunks(piece).zip(right.par_chunks(piece));
    sums.par_chunks_mut(stride).zip(pieces).for_each(|(sums, (left, right))| part(left, right, sums));
    sums
}

/// Adds the sums along a long row into those of its first row.
pub(crate) fn fold<S: Scalar>(sums: &mut [S], channels: usize) {
    let (first, rest) = sums.split_at_mut(channels);
    for row in rest.chunks_exact(channels) {
        for (sum, &more) in first.iter_mut().zip(row) {
            *sum += more;
        }
    }
}

/// Repeats the values of the first row along the long row.
pub(crate) fn repeat<T: Copy>(long: &mut [T], channels: usize) {
    let (first, rest) = long.split_at_mut(channels);
    for row in rest.chunks_exact_mut(channels) {
        row.copy_from_slice(first);
    }
}

/// The sum of a channel's values of a field over all pieces, in order: folded sums `[pieces, fields, width]`.
///
/// # Numerics
/// In f64. A piece has at most `2 ELEMENTS / LONG` = 256 long rows, and a channel is repeated at most `LONG / channels` times
/// along one. With the unit roundoff `u` of `S`, the error of a sum over a piece is at most `(256 + LONG / channels) u` times
/// the sum of the magnitudes of its terms (Higham, "Accuracy and Stability of Numerical Algorithms", 4.2).
pub(crate) fn total<S: Scalar>(
    sums: &[S],
    channels: usize,
    fields: usize,
    [field, channel]: [usize; 2],
) -> f64 {
    let width = width(channels);
    sums[field * width + channel..].iter().step_by(fields * width).map(|sum| sum.f64()).sum()
}
