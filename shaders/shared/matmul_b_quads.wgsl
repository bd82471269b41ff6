// The right matrix of shared/matmul_tiled.wgsl where four neighbours lie together: b(k, column) gives them.
//
// needs: b
// gives: load_b(k: u32, column: u32) -> vec4<f32>

fn load_b(k: u32, column: u32) -> vec4<f32> {
    return b(k, column);
}
