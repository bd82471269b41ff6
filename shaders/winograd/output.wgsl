// Winograd, output transform: output[n, h, w, c] = (At m A)[h, w] of the tile's POINTS x POINTS products of a channel
//
// The preceding files add the rest of the epilogue: `bias(c)` is added, `observe` and `report` compute the statistics.
//
// Buffers      points [POINTS, POINTS, TILES, PADDED] as `elem`; output [IMAGES, H, W, C] as `elem`
// Who          one invocation per SEGMENT of tiles and an elem of channels, which vary fastest; the grid covers SEGMENTS C;
//              segments beyond the tiles report empty sums
// Numerics     those of the transform, winograd/f2.wgsl or winograd/f4.wgsl
//
// needs: C, H, Moments, OUTPUTS, Outputs, PADDED, POINTS, Points, SEGMENT, SEGMENTS, TILES, TILES_H, TILES_W
// needs: W, WORKGROUP, bias, elem, grid_index, observe, outputs_of_points, report

@group(0) @binding(0) var<storage, read> points: array<elem>;
@group(0) @binding(1) var<storage, read_write> output: array<elem>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = grid_index(workgroup, workgroups) * WORKGROUP + local;
    let c = index % C;
    let segment = index / C;
    if segment >= SEGMENTS {
        return;
    }
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
        var values: array<Outputs, OUTPUTS>;
        for (var j = 0u; j < OUTPUTS; j++) {
            var m: Points;
            for (var i = 0u; i < POINTS; i++) {
                m[i] = rows[i][j];
            }
            values[j] = outputs_of_points(m);
            for (var i = 0u; i < OUTPUTS; i++) {
                values[j][i] += added;
                if h + i < H && w + j < W {
                    output[(base + i * W + j) * C + c] = values[j][i];
                }
            }
        }
        observe(&moments, &values, W - w, H - h, base, c);
    }
    report(segment, c, moments);
}
