// Winograd, output transform: output[n, h, w, c] = (At m A)[h, w] of the tile's POINTS x POINTS products of a channel
//
// The preceding files add the rest of the epilogue: `bias(c)` is added, `accumulate` and `store_statistics` compute the statistics.
//
// Buffers      points [POINTS, POINTS, TILES, PADDED] as `elem`; output [IMAGES, H, W, C] as `stored`
// Who          one invocation per SEGMENT of tiles and an elem of channels, which vary fastest; the grid covers the segments and C;
//              segments beyond the tiles store empty sums
// Numerics     those of the transform, winograd/f2.wgsl or winograd/f4.wgsl
//
// needs: C, H, Moments, OUTPUTS, Outputs, PADDED, POINTS, Points, SEGMENT, TILES, TILES_H, TILES_W, W, accumulate, bias, elem
// needs: outputs_of_points, store_statistics, stored
// gives: each(index: u32)

var<storage, read> points: array<elem>;
var<storage, read_write> output: array<stored>;

fn each(index: u32) {
    let c = index % C;
    let segment = index / C;
    let added = bias(c);
    var moments: Moments;
    let end = min(segment * SEGMENT + SEGMENT, TILES);
    for (var tile = segment * SEGMENT; tile < end; tile++) {
        var rows: array<Outputs, POINTS>;
        for (var i = 0u; i < POINTS; i++) {
            var m: Points;
            for (var j = 0u; j < POINTS; j++) {
                m[j] = points[((i * POINTS + j) * TILES + tile) * PADDED + c];
            }
            rows[i] = outputs_of_points(m);
        }
        let image = tile / (TILES_W * TILES_H);
        let h = tile / TILES_W % TILES_H * OUTPUTS;
        let w = tile % TILES_W * OUTPUTS;
        let base = (image * H + h) * W + w;
        // The outputs inside the image: constants if those of all tiles are, so that no branches are left.
        let high = select(min(H - h, OUTPUTS), OUTPUTS, H % OUTPUTS == 0u);
        let wide = select(min(W - w, OUTPUTS), OUTPUTS, W % OUTPUTS == 0u);
        var values: array<Outputs, OUTPUTS>;
        for (var j = 0u; j < OUTPUTS; j++) {
            var m: Points;
            for (var i = 0u; i < POINTS; i++) {
                m[i] = rows[i][j];
            }
            values[j] = outputs_of_points(m);
            for (var i = 0u; i < OUTPUTS; i++) {
                values[j][i] += added;
                if i < high && j < wide {
                    output[(base + i * W + j) * C + c] = stored(values[j][i]);
                }
            }
        }
        accumulate(&moments, &values, wide, high, base, c);
    }
    store_statistics(segment, c, moments);
}
