// Winograd, transform of the output's gradient for the weights' gradient: points[i, j, tile, c] = (A y At)[i, j] of the
// tile's OUTPUTS x OUTPUTS gradients of a channel
//
// The file in front says how the gradient is read (winograd/read_gradient*.wgsl).
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
    var rows: array<Points, OUTPUTS>;
    if c < C {
        let vectors = vectors_of(c);
        let image = tile / (TILES_W * TILES_H);
        let h = tile / TILES_W % TILES_H * OUTPUTS;
        let w = tile % TILES_W * OUTPUTS;
        let base = (image * H + h) * W + w;
        for (var i = 0u; i < OUTPUTS; i++) {
            var y: Outputs;
            for (var j = 0u; j < OUTPUTS; j++) {
                if h + i < H && w + j < W {
                    y[j] = value((base + i * W + j) * C + c, vectors);
                }
            }
            rows[i] = outputs_at_points(y);
        }
    }
    for (var j = 0u; j < POINTS; j++) {
        var y: Outputs;
        for (var i = 0u; i < OUTPUTS; i++) {
            y[i] = rows[i][j];
        }
        var column = outputs_at_points(y);
        for (var i = 0u; i < POINTS; i++) {
            points[((i * POINTS + j) * TILES + tile) * PADDED + c] = column[i];
        }
    }
}
