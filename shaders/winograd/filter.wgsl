// Winograd, filter transform: points[i, j, row, column] = (G g Gt)[i, j] of the 3x3 filter of a row and a column
//
// The preceding file chooses the filter: `tap(t, row, column)` is its t-th value, 0 beyond the weights' extents, and
// `place(index)` is the row and the column of an invocation.
//
// Buffers      points [POINTS, POINTS, ROWS, COLUMNS], declared by winograd/points*.wgsl, which the product reads as its right side
// Who          one invocation per row and an elem of columns; the grid covers ROWS COLUMNS, or the blocks of `place`
// Numerics     those of the transform, winograd/f2.wgsl or winograd/f4.wgsl
//
// needs: COLUMNS, POINTS, Points, ROWS, elem, filter_at_points, place, store_point, tap
// gives: each(index: u32)

alias Rows = array<Points, 3>;

// The transform of a row of the filter.
fn filter_row(r: u32, row: u32, column: u32) -> Points {
    return filter_at_points(array<elem, 3>(tap(3u * r, row, column), tap(3u * r + 1u, row, column), tap(3u * r + 2u, row, column)));
}

// The transform of a column of those, and its place.
fn store_column(j: u32, rows: Rows, row: u32, column: u32) {
    let values = filter_at_points(array<elem, 3>(rows[0][j], rows[1][j], rows[2][j]));
    for (var i = 0u; i < POINTS; i++) {
        store_point(((i * POINTS + j) * ROWS + row) * COLUMNS + column, values[i]);
    }
}

fn each(index: u32) {
    let at = place(index);
    let row = at.x;
    let column = at.y;
    if row >= ROWS || column >= COLUMNS {
        return;
    }
    let rows = Rows(filter_row(0u, row, column), filter_row(1u, row, column), filter_row(2u, row, column));
    // Written out: Apple's compiler keeps an array that a loop indexes in memory.
    store_column(0u, rows, row, column);
    store_column(1u, rows, row, column);
    store_column(2u, rows, row, column);
    store_column(3u, rows, row, column);
    if POINTS == 6u {
        store_column(4u, rows, row, column);
        store_column(5u, rows, row, column);
    }
}
