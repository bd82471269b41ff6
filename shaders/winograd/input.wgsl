// Winograd, input transform: points[i, j, tile, c] = (Bt d B)[i, j] of the tile's POINTS x POINTS inputs of a channel
//
// Tiles of POINTS x POINTS inputs, one every OUTPUTS pixels, the first begins in the padding. The file in front says what
// is read (winograd/read_*.wgsl): batch norm and ReLU are applied here, and the padding is 0 after that.
//
// Buffers      points [POINTS, POINTS, TILES, PADDED] as `elem`: channels beyond C are 0
// Who          one invocation a tile and an elem of channels, which vary fastest; the grid covers TILES PADDED

@group(0) @binding(1) var<storage, read_write> points: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = grid_index(workgroup, workgroups) * WORKGROUP + local;
    let c = index % PADDED;
    let tile = index / PADDED;
    if tile >= TILES {
        return;
    }
    var rows: array<Points, POINTS>;
    if c < C {
        let vectors = vectors_of(c);
        let image = tile / (TILES_W * TILES_H);
        // Shifted by one: 0 is the padding, H + 1 and W + 1 the padding behind.
        let h0 = tile / TILES_W % TILES_H * OUTPUTS;
        let w0 = tile % TILES_W * OUTPUTS;
        for (var i = 0u; i < POINTS; i++) {
            let h = h0 + i;
            var d: Points;
            for (var j = 0u; j < POINTS; j++) {
                let w = w0 + j;
                if h > 0u && h <= H && w > 0u && w <= W {
                    d[j] = value(((image * H + h - 1u) * W + w - 1u) * C + c, vectors);
                }
            }
            rows[i] = input_at_points(d);
        }
    }
    for (var j = 0u; j < POINTS; j++) {
        var column: Points;
        for (var i = 0u; i < POINTS; i++) {
            column[i] = rows[i][j];
        }
        column = input_at_points(column);
        for (var i = 0u; i < POINTS; i++) {
            points[((i * POINTS + j) * TILES + tile) * PADDED + c] = column[i];
        }
    }
}
