// Winograd, transform of the weights' gradient: grad_weight[r, s, c, k] = (Gt m G)[r, s] of the POINTS x POINTS sums of a
// pair of channels
//
// Buffers      points [SPLITS, POINTS, POINTS, ROWS, COLUMNS] as `elem` along the output channels; the result is declared by
//              the preceding file with fn store(i, sum), [3, 3, IN, OUT] as `elem`
// Who          one invocation per input channel and an elem of output channels, which vary fastest; the grid covers IN OUT
// Numerics     the splits are added in order, then transformed
//
// needs: COLUMNS, IN, OUT, POINTS, Points, ROWS, SPLITS, elem, filter_of_points, store
// gives: each(index: u32)

var<storage, read> points: array<elem>;

alias Rows = array<array<elem, 3>, POINTS>;

// Gt m of a row of the points.
fn transform_row(i: u32, c: u32, k: u32, rows: ptr<function, Rows>) {
    var m: Points;
    for (var split = 0u; split < SPLITS; split++) {
        for (var j = 0u; j < POINTS; j++) {
            m[j] += points[(((split * POINTS + i) * POINTS + j) * ROWS + c) * COLUMNS + k];
        }
    }
    (*rows)[i] = filter_of_points(m);
}

// The transform of a column of those, and its place.
fn store_column(s: u32, c: u32, k: u32, rows: ptr<function, Rows>) {
    var m: Points;
    for (var i = 0u; i < POINTS; i++) {
        m[i] = (*rows)[i][s];
    }
    var g = filter_of_points(m);
    for (var r = 0u; r < 3u; r++) {
        store(((r * 3u + s) * IN + c) * OUT + k, g[r]);
    }
}

fn each(index: u32) {
    let k = index % OUT;
    let c = index / OUT;
    var rows: Rows;
    // Written out: Apple's compiler keeps an array that a loop indexes in memory.
    transform_row(0u, c, k, &rows);
    transform_row(1u, c, k, &rows);
    transform_row(2u, c, k, &rows);
    transform_row(3u, c, k, &rows);
    if POINTS == 6u {
        transform_row(4u, c, k, &rows);
        transform_row(5u, c, k, &rows);
    }
    store_column(0u, c, k, &rows);
    store_column(1u, c, k, &rows);
    store_column(2u, c, k, &rows);
}
