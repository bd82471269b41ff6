//! Loops over a `[rows, channels]` matrix: fixed pieces of rows in parallel, sums merged in order.
//!
//! The pieces depend on the shape alone, so the result depends neither on the number of threads nor on timing.
//! Where there are few channels, several rows are worked as one long row: vectors then fill up, and a value of
//! each channel is repeated along the long row.

use rayon::prelude::*;

use super::Scalar;

/// Elements of a piece: 128 KiB of f32 stay in a core's cache for a second look.
const ELEMENTS: usize = 32 * 1024;
/// Elements of a long row, at least.
const LONG: usize = 256;

/// The length of a long row: a multiple of `channels`.
pub(super) fn width(channels: usize) -> usize {
    channels * (LONG / channels.max(1)).max(1)
}

/// Elements of a piece: whole long rows.
pub(super) fn piece(channels: usize) -> usize {
    let width = width(channels).max(1);
    (ELEMENTS / width).max(1) * width
}

/// How many sums a reduction of `fields` values for each channel needs.
pub(super) fn sums(rows: usize, channels: usize, fields: usize) -> usize {
    (rows * channels).div_ceil(piece(channels)).max(1) * width(channels) * fields
}

/// Calls `part` with each piece of the rows and its own zeroed `[fields, width]` sums; returns all sums.
pub(super) fn by_rows<'a, S: Scalar>(
    sums: &'a mut [f64],
    channels: usize,
    fields: usize,
    data: &[S],
    part: impl Fn(&[S], &mut [f64]) + Sync,
) -> &'a mut [f64] {
    by_row_pairs(sums, channels, fields, data, data, |data, _, sums| part(data, sums))
}

/// As [`by_rows`], with the same rows of two matrices.
pub(super) fn by_row_pairs<'a, S: Scalar>(
    sums: &'a mut [f64],
    channels: usize,
    fields: usize,
    left: &[S],
    right: &[S],
    part: impl Fn(&[S], &[S], &mut [f64]) + Sync,
) -> &'a mut [f64] {
    let (piece, stride) = (piece(channels), fields * width(channels));
    let sums = &mut sums[..left.len().div_ceil(piece).max(1) * stride];
    sums.fill(0.0);
    let pieces = left.par_chunks(piece).zip(right.par_chunks(piece));
    sums.par_chunks_mut(stride).zip(pieces).for_each(|(sums, (left, right))| part(left, right, sums));
    sums
}

/// Adds the sums along a long row into those of its first row.
pub(super) fn fold(sums: &mut [f64], channels: usize) {
    let (first, rest) = sums.split_at_mut(channels);
    for row in rest.chunks_exact(channels) {
        for (sum, &more) in first.iter_mut().zip(row) {
            *sum += more;
        }
    }
}

/// Repeats the values of the first row along the long row.
pub(super) fn repeat<T: Copy>(long: &mut [T], channels: usize) {
    let (first, rest) = long.split_at_mut(channels);
    for row in rest.chunks_exact_mut(channels) {
        row.copy_from_slice(first);
    }
}

/// Adds the sums of all pieces, in order, into those of the first, and returns each field's `[channels]`.
pub(super) fn add_up<const FIELDS: usize>(sums: &mut [f64], channels: usize) -> [&[f64]; FIELDS] {
    let width = width(channels);
    let (total, rest) = sums.split_at_mut(FIELDS * width);
    for part in rest.chunks_exact(FIELDS * width) {
        for (total, &part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    for field in total.chunks_exact_mut(width) {
        fold(field, channels);
    }
    let total = &*total;
    std::array::from_fn(|field| &total[field * width..][..channels])
}
