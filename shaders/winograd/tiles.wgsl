// Winograd, transform of tiles: points[i, j, tile, c] of the tile's SIDE x SIDE values of a channel, by winograd/tile_*.wgsl in
// both dimensions
//
// Tiles are OUTPUTS pixels apart. The preceding file is the prologue (winograd/read_*.wgsl): batch norm and activation are applied
// here, and the padding is 0 after that.
//
// Buffers      points [POINTS, POINTS, TILES, PADDED], declared by winograd/points*.wgsl: channels beyond C are 0
// Who          one invocation per tile and an elem of channels, which vary fastest; the grid covers TILES PADDED
// Numerics     those of the transform, winograd/f2.wgsl or winograd/f4.wgsl
//
// needs: C, H, OUTPUTS, PADDED, PADDING, POINTS, Points, SIDE, SKIP_OUTSIDE, TILES, TILES_H, TILES_W, Tile, W, at_points
// needs: elem, store_point, value, vectors_of
// gives: each(index: u32)

// Of any tile, the rows from PADDING to here, and the columns, are inside the image.
const ROWS_INSIDE: u32 = H + PADDING - (TILES_H - 1u) * OUTPUTS;
const COLUMNS_INSIDE: u32 = W + PADDING - (TILES_W - 1u) * OUTPUTS;

fn each(index: u32) {
    let c = index % PADDED;
    let tile = index / PADDED;
    var rows: array<Points, SIDE>;
    if C == PADDED || c < C {
        let vectors = vectors_of(c);
        let image = tile / (TILES_W * TILES_H);
        // Shifted by the padding before the image.
        let h0 = tile / TILES_W % TILES_H * OUTPUTS;
        let w0 = tile % TILES_W * OUTPUTS;
        // Values outside are replaced: pixel (PADDING, PADDING) is read instead, because on a GPU a branch costs more.
        let base = ((image * H + h0) * W + w0) * C + c;
        var across: array<u32, SIDE>;
        var inside: array<bool, SIDE>;
        for (var j = 0u; j < SIDE; j++) {
            let w = w0 + j;
            inside[j] = (j >= PADDING || w >= PADDING) && (j < COLUMNS_INSIDE || w < W + PADDING);
            across[j] = (select(PADDING, j, inside[j]) - PADDING) * C;
        }
        for (var i = 0u; i < SIDE; i++) {
            let h = h0 + i;
            let in_row = (i >= PADDING || h >= PADDING) && (i < ROWS_INSIDE || h < H + PADDING);
            let row = base + (select(PADDING, i, in_row) - PADDING) * (W * C);
            var d: Tile;
            for (var j = 0u; j < SIDE; j++) {
                let is_inside = in_row && inside[j];
                if is_inside || !SKIP_OUTSIDE {
                    d[j] = select(elem(0.0), value(row + across[j], vectors), is_inside);
                }
            }
            rows[i] = at_points(d);
        }
    }
    for (var j = 0u; j < POINTS; j++) {
        var d: Tile;
        for (var i = 0u; i < SIDE; i++) {
            d[i] = rows[i][j];
        }
        var column = at_points(d);
        for (var i = 0u; i < POINTS; i++) {
            store_point(((i * POINTS + j) * TILES + tile) * PADDED + c, column[i]);
        }
    }
}
