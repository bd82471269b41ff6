// Winograd, filter transform: points[i, j, row, column] = (G g Gt)[i, j] of the 3x3 filter of a row and a column
//
// The preceding file chooses the filter: `tap(t, row, column)` is its t-th value, 0 beyond the weights' extents, and
// `place(index)` is the row and the column of an invocation.
//
// Buffers      points [POINTS, POINTS, ROWS, COLUMNS] as `elem` along the columns, which the product reads as its right side
// Who          one invocation per row and an elem of columns; the grid covers ROWS COLUMNS, or the blocks of `place`
// Numerics     those of the transform, winograd/f2.wgsl or winograd/f4.wgsl
//
// needs: COLUMNS, POINTS, Points, ROWS, elem, filter_at_points, place, tap
// gives: each(index: u32)

var<storage, read_write> points: array<elem>;

fn each(index: u32) {
    let at = place(index);
    let row = at.x;
    let column = at.y;
    if row >= ROWS || column >= COLUMNS {
        return;
    }
    var rows: array<Points, 3>;
    for (var r = 0u; r < 3u; r++) {
        var g: array<elem, 3>;
        for (var s = 0u; s < 3u; s++) {
            g[s] = tap(r * 3u + s, row, column);
        }
        rows[r] = filter_at_points(g);
    }
    for (var j = 0u; j < POINTS; j++) {
        var values = filter_at_points(array<elem, 3>(rows[0][j], rows[1][j], rows[2][j]));
        for (var i = 0u; i < POINTS; i++) {
            points[((i * POINTS + j) * ROWS + row) * COLUMNS + column] = values[i];
        }
    }
}
