// Winograd, transform of the weights' gradient: grad_weight[r, s, c, k] = (Gt m G)[r, s] of the POINTS x POINTS sums of a
// pair of channels
//
// Buffers      points [SPLITS, POINTS, POINTS, ROWS, COLUMNS] as `elem` along the output channels; the result is declared by
//              the preceding file with fn store(i, sum), [3, 3, IN, OUT] as `elem`
// Who          one workgroup of POINTS ELEMS invocations per ELEMS pairs of an input channel and an elem of output channels, which vary
//              fastest: each sums and transforms a row of the points of a pair, then three of them a column
// Numerics     the splits are added in order, then transformed
//
// needs: COLUMNS, ELEMS, IN, OUT, POINTS, Points, ROWS, SPLITS, elem, filter_of_points, store
// gives: run(group: u32, local: u32)

var<storage, read> points: array<elem>;

var<workgroup> rows: array<elem, 3u * POINTS * ELEMS>;

fn run(group: u32, local: u32) {
    let pair = group * ELEMS + local % ELEMS;
    let inside = pair < IN * OUT;
    let k = pair % OUT;
    let c = pair / OUT;
    // The row, then the column.
    let mine = local / ELEMS;
    if inside {
        var m: Points;
        for (var split = 0u; split < SPLITS; split++) {
            for (var j = 0u; j < POINTS; j++) {
                m[j] += points[(((split * POINTS + mine) * POINTS + j) * ROWS + c) * COLUMNS + k];
            }
        }
        var row = filter_of_points(m);
        for (var s = 0u; s < 3u; s++) {
            rows[s * POINTS * ELEMS + local] = row[s];
        }
    }
    workgroupBarrier();
    if inside && mine < 3u {
        var m: Points;
        for (var i = 0u; i < POINTS; i++) {
            m[i] = rows[(mine * POINTS + i) * ELEMS + local % ELEMS];
        }
        var g = filter_of_points(m);
        for (var r = 0u; r < 3u; r++) {
            store(((r * 3u + mine) * IN + c) * OUT + k, g[r]);
        }
    }
}
