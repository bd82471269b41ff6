// Mean and M2 (the sum of squared deviations) of each column of a tile of shared/matmul_tiled.wgsl, bias included. N is a multiple
// of 4.
//
// Buffers      workspace [TILES_M, 2, N] as vec4, which batch_norm/statistics_merge*.wgsl merges; a tile's rows are a chunk
// Who          the workgroup of a tile; shared/matmul_columns.wgsl
// Numerics     the rows of an invocation first, then the invocations in order; squares are about the tile's own mean.
//              Rows beyond M are 0 in the sums and excluded from the squares. The bias changes only the mean
//
// needs: M, N, QUADS_M, TILE_M, bias, tile_sum
// gives: workspace
// gives: column_sum(quad: mat4x4<f32>) -> vec4<f32>
// gives: column_squares(quad: mat4x4<f32>, mean: vec4<f32>, row: u32) -> vec4<f32>
// gives: column_statistics(row0: u32, column: u32, mine_m: u32, mine_n: u32, upper: mat4x4<f32>, lower: mat4x4<f32>)

var<storage, read_write> workspace: array<vec4<f32>>;

fn column_sum(quad: mat4x4<f32>) -> vec4<f32> {
    return (quad[0] + quad[1]) + (quad[2] + quad[3]);
}

fn column_squares(quad: mat4x4<f32>, mean: vec4<f32>, row: u32) -> vec4<f32> {
    let d0 = select(vec4(0.0), quad[0] - mean, row < M);
    let d1 = select(vec4(0.0), quad[1] - mean, row + 1u < M);
    let d2 = select(vec4(0.0), quad[2] - mean, row + 2u < M);
    let d3 = select(vec4(0.0), quad[3] - mean, row + 3u < M);
    return (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
}

fn column_statistics(
    row0: u32, column: u32, mine_m: u32, mine_n: u32, upper: mat4x4<f32>, lower: mat4x4<f32>,
) {
    let rows = f32(min(TILE_M, M - row0));
    var sum = column_sum(upper);
    if QUADS_M == 2u {
        sum += column_sum(lower);
    }
    let mean = tile_sum(mine_m, mine_n, sum) / rows;
    let row = row0 + mine_m * 4u;
    var squares = column_squares(upper, mean, row);
    if QUADS_M == 2u {
        squares += column_squares(lower, mean, row + TILE_M / 2u);
    }
    let m2 = tile_sum(mine_m, mine_n, squares);
    if mine_m == 0u && column < N {
        let at = (row0 / TILE_M * 2u * N + column) / 4u;
        workspace[at] = mean + bias[column / 4u];
        workspace[at + N / 4u] = m2;
    }
}
