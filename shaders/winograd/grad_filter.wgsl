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

fn each(index: u32) {
    let k = index % OUT;
    let c = index / OUT;
    var rows: array<array<elem, 3>, POINTS>;
    for (var i = 0u; i < POINTS; i++) {
        var m: Points;
        for (var j = 0u; j < POINTS; j++) {
            for (var split = 0u; split < SPLITS; split++) {
                m[j] += points[(((split * POINTS + i) * POINTS + j) * ROWS + c) * COLUMNS + k];
            }
        }
        rows[i] = filter_of_points(m);
    }
    for (var s = 0u; s < 3u; s++) {
        var m: Points;
        for (var i = 0u; i < POINTS; i++) {
            m[i] = rows[i][s];
        }
        var g = filter_of_points(m);
        for (var r = 0u; r < 3u; r++) {
            store(((r * 3u + s) * IN + c) * OUT + k, g[r]);
        }
    }
}
