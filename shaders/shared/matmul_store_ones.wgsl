// Stores the results of shared/matmul_tiled.wgsl one by one, with store(i, value).
//
// needs: M, N, store
// gives: store_one(row: u32, column: u32, slice: u32, value: f32)
// gives: store_vector(row: u32, column: u32, slice: u32, values: vec4<f32>)

fn store_one(row: u32, column: u32, slice: u32, value: f32) {
    if row < M && column < N {
        store((slice * M + row) * N + column, value);
    }
}

fn store_vector(row: u32, column: u32, slice: u32, values: vec4<f32>) {
    store_one(row, column, slice, values.x);
    store_one(row, column + 1u, slice, values.y);
    store_one(row, column + 2u, slice, values.z);
    store_one(row, column + 3u, slice, values.w);
}
