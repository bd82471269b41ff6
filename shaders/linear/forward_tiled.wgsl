// linear.forward, tiled: output[n, FIRST + o] = bias[o] + sum over i of input[n, i] weight[o, i]
//
// Buffers      input [M, K]; weight [N, K]; linear/forward_keep.wgsl has the others
// Who          see shared/matmul_tiled.wgsl

@group(0) @binding(0) var<storage, read> input: array<word>;
@group(0) @binding(1) var<storage, read> weight: array<word>;

fn load_a(row: u32, k: u32) -> f32 {
    if row >= M || k >= K {
        return 0.0;
    }
    return f32(input[row * K + k]);
}

fn load_b(k: u32, column: u32) -> f32 {
    if k >= K || column >= N {
        return 0.0;
    }
    return f32(weight[column * K + k]);
}
