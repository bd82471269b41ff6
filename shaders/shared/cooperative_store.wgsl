// Epilogue of shared/matmul_cooperative.wgsl for a product that is not split: store(i, values) stores the results.
//
// needs: N, store
// gives: store_vector(row: u32, column: u32, split: u32, values: vec4<f32>)
// gives: finish(row0: u32, column: u32, subgroup: u32, lane: u32)

fn store_vector(row: u32, column: u32, split: u32, values: vec4<f32>) {
    store((row * N + column) / 4u, values);
}

fn finish(row0: u32, column: u32, subgroup: u32, lane: u32) {
}
