// The right matrix of shared/matmul_tiled.wgsl as vec4: b(k, column) is four neighbours.
//
// needs: b
// gives: load_b(k: u32, column: u32) -> vec4<f32>

fn load_b(k: u32, column: u32) -> vec4<f32> {
    return b(k, column);
}
