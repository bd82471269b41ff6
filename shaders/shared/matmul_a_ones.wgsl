// The left matrix of shared/matmul_tiled.wgsl value by value: a(row, k) is one value.
//
// needs: A_ALONG_K, a
// gives: load_a(row: u32, k: u32) -> vec4<f32>

fn load_a(row: u32, k: u32) -> vec4<f32> {
    if A_ALONG_K {
        return vec4(a(row, k), a(row, k + 1u), a(row, k + 2u), a(row, k + 3u));
    }
    return vec4(a(row, k), a(row + 1u, k), a(row + 2u, k), a(row + 3u, k));
}
