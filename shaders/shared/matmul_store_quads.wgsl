// Stores the results of shared/matmul_tiled.wgsl as vec4, with store(i, values); N is a multiple of 4.
//
// needs: M, N, store
// gives: store_vector(row: u32, column: u32, slice: u32, values: vec4<f32>)

fn store_vector(row: u32, column: u32, slice: u32, values: vec4<f32>) {
    if row < M && column < N {
        store(((slice * M + row) * N + column) / 4u, values);
    }
}
