// Epilogue of shared/matmul_cooperative.wgsl for split K: the partial sums go to workspace [SPLITS, M, N], and
// shared/merge_splits*.wgsl adds them.
//
// needs: M, N
// gives: workspace
// gives: store_vector(row: u32, column: u32, split: u32, values: vec4<f32>)
// gives: finish(row0: u32, column: u32, subgroup: u32, lane: u32)

var<storage, read_write> workspace: array<vec4<f32>>;

fn store_vector(row: u32, column: u32, split: u32, values: vec4<f32>) {
    workspace[((split * M + row) * N + column) / 4u] = values;
}

fn finish(row0: u32, column: u32, subgroup: u32, lane: u32) {
}
