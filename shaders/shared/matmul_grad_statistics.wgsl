// The sums of shared/chunk_grad_statistics.wgsl over each column of a tile of shared/matmul_tiled.wgsl, whose rows are a chunk.
// N is a multiple of 4.
//
// Who          the workgroup of a tile; shared/matmul_columns.wgsl
// Numerics     the rows of an invocation first, then the invocations in order; results are used before they are rounded for
//              storage
//
// needs: M, N, QUADS_M, TILE_M, accumulate, begin_column, reset_statistics, store_chunk, sum_g, sum_gx, tile_sum
// gives: add_row(row: u32, column: u32, gradient: vec4<f32>)
// gives: add_rows(row: u32, column: u32, quad: mat4x4<f32>)
// gives: column_statistics(row0: u32, column: u32, mine_m: u32, mine_n: u32, upper: mat4x4<f32>, lower: mat4x4<f32>)

fn add_row(row: u32, column: u32, gradient: vec4<f32>) {
    if row < M && column < N {
        accumulate((row * N + column) / 4u, gradient);
    }
}

fn add_rows(row: u32, column: u32, quad: mat4x4<f32>) {
    add_row(row, column, quad[0]);
    add_row(row + 1u, column, quad[1]);
    add_row(row + 2u, column, quad[2]);
    add_row(row + 3u, column, quad[3]);
}

fn column_statistics(
    row0: u32, column: u32, mine_m: u32, mine_n: u32, upper: mat4x4<f32>, lower: mat4x4<f32>,
) {
    let row = row0 + mine_m * 4u;
    reset_statistics();
    if column < N {
        begin_column(column / 4u);
    }
    add_rows(row, column, upper);
    if QUADS_M == 2u {
        add_rows(row + TILE_M / 2u, column, lower);
    }
    let plain = tile_sum(mine_m, mine_n, sum_g);
    let weighted = tile_sum(mine_m, mine_n, sum_gx);
    if mine_m == 0u && column < N {
        store_chunk(row0 / TILE_M, column / 4u, plain, weighted);
    }
}
