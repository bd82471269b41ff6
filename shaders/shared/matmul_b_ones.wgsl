// The right matrix of shared/matmul_tiled.wgsl value by value: b(k, column) is one value.
//
// needs: B_ALONG_K, b
// gives: load_b(k: u32, column: u32) -> vec4<f32>

fn load_b(k: u32, column: u32) -> vec4<f32> {
    if B_ALONG_K {
        return vec4(b(k, column), b(k + 1u, column), b(k + 2u, column), b(k + 3u, column));
    }
    return vec4(b(k, column), b(k, column + 1u), b(k, column + 2u), b(k, column + 3u));
}
