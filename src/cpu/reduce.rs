//! Sums over the rows of a `[rows, channels]` matrix: fixed chunks of rows in parallel, merged in order.
//!
//! The chunks depend on the shape alone, so the result depends neither on the number of threads nor on timing.

use rayon::prelude::*;

use super::Scalar;

/// Elements of a chunk: 128 KiB of f32 stay in a core's cache for a second look.
const ELEMENTS: usize = 32 * 1024;

/// Rows of a chunk.
pub(super) fn chunk_rows(channels: usize) -> usize {
    (ELEMENTS / channels.max(1)).max(1)
}

/// How many sums a reduction of `fields` values for each channel needs.
pub(super) fn sums(rows: usize, channels: usize, fields: usize) -> usize {
    rows.div_ceil(chunk_rows(channels)).max(1) * channels * fields
}

/// Calls `part` with each chunk of rows and its own zeroed `[fields * channels]` sums; returns all sums.
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
    let chunk = chunk_rows(channels) * channels;
    let sums = &mut sums[..left.len().div_ceil(chunk).max(1) * channels * fields];
    sums.fill(0.0);
    let chunks = left.par_chunks(chunk).zip(right.par_chunks(chunk));
    sums.par_chunks_mut(channels * fields)
        .zip(chunks)
        .for_each(|(sums, (left, right))| part(left, right, sums));
    sums
}

/// Adds the sums of all chunks, in order, into those of the first, which it returns.
pub(super) fn add_up(sums: &mut [f64], width: usize) -> &mut [f64] {
    let (total, rest) = sums.split_at_mut(width);
    for part in rest.chunks_exact(width) {
        for (total, &part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    total
}
