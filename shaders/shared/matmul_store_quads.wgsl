// Stores the results of shared/matmul_tiled.wgsl as vec4, with store(i, values); N is a multiple of 4.
//
// needs: M, N, TILE_M, TILE_N, store
// gives: store_vector(row: u32, column: u32, slice: u32, values: vec4<f32>)

fn store_vector(row: u32, column: u32, slice: u32, values: vec4<f32>) {
    if (M % TILE_M == 0u || row < M) && (N % TILE_N == 0u || column < N) {
        store(((slice * M + row) * N + column) / 4u, values);
    }
}
