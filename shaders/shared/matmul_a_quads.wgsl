// The left matrix of shared/matmul_tiled.wgsl as vec4: a(row, k) is four neighbours.
//
// needs: a
// gives: load_a(row: u32, k: u32) -> vec4<f32>

fn load_a(row: u32, k: u32) -> vec4<f32> {
    return a(row, k);
}
