// The left matrix of shared/matmul_tiled.wgsl where four neighbours lie together: a(row, k) gives them.
//
// needs: a
// gives: load_a(row: u32, k: u32) -> vec4<f32>

fn load_a(row: u32, k: u32) -> vec4<f32> {
    return a(row, k);
}
