// Per-column statistics over a chunk of rows, for the batch norm after this layer: mean and M2 (the sum of squared deviations)
// of a column of `elem`, COLUMNS per row. accumulate(i, y) takes result i as stored: in f16 the rounding of an outlier
// is visible in the variance.
//
// Buffers      workspace [CHUNKS, 2, COLUMNS], which batch_norm/statistics_merge*.wgsl merges
// Numerics     sums of d and d^2 about the chunk's first value, M2 = sum d^2 - (sum d)^2 / n. The first value belongs to the
//              chunk, so its squared deviation is at most M2 and (sum d)^2 / n at most n M2: whatever the mean, the difference
//              loses at worst a factor of n (8 to about 256) of f32's precision. A chunk of equal values has M2 = 0
//
// needs: COLUMNS, elem
// gives: workspace, begun, first, sum_d, sum_d2
// gives: reset_statistics()
// gives: begin_column(column: u32)
// gives: accumulate(i: u32, y: elem)
// gives: own_mean(count: f32) -> elem
// gives: own_m2(count: f32) -> elem
// gives: store_chunk(chunk: u32, column: u32, mean: elem, m2: elem)
// gives: store_statistics(chunk: u32, column: u32, count: f32)

var<storage, read_write> workspace: array<elem>;

var<private> begun: bool = false;
var<private> first: elem = elem(0.0);
var<private> sum_d: elem = elem(0.0);
var<private> sum_d2: elem = elem(0.0);

// Starts a new chunk.
fn reset_statistics() {
    begun = false;
    first = elem(0.0);
    sum_d = elem(0.0);
    sum_d2 = elem(0.0);
}

fn begin_column(column: u32) {
}

fn accumulate(i: u32, y: elem) {
    if !begun {
        first = y;
        begun = true;
    }
    let d = y - first;
    sum_d += d;
    sum_d2 += d * d;
}

fn own_mean(count: f32) -> elem {
    return first + sum_d / count;
}

fn own_m2(count: f32) -> elem {
    let m2 = sum_d2 - sum_d * (sum_d / count);
    // Not `max`, which may lose a NaN.
    return select(m2, elem(0.0), m2 < elem(0.0));
}

fn store_chunk(chunk: u32, column: u32, mean: elem, m2: elem) {
    workspace[chunk * 2u * COLUMNS + column] = mean;
    workspace[(chunk * 2u + 1u) * COLUMNS + column] = m2;
}

fn store_statistics(chunk: u32, column: u32, count: f32) {
    store_chunk(chunk, column, own_mean(count), own_m2(count));
}
