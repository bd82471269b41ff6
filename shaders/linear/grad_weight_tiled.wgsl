// linear.grad_weight, tiled: grad_weight[o, i] = sum over n of grad_output[n, FIRST + o] input[n, i]
//
// Buffers      input [K, N]; grad_output [K, TOTAL]; linear/grad_weight_keep.wgsl has the result
// Who          see shared/matmul_tiled.wgsl

@group(0) @binding(0) var<storage, read> input: array<word>;
@group(0) @binding(1) var<storage, read> grad_output: array<word>;

fn load_a(row: u32, k: u32) -> f32 {
    if row >= M || k >= K {
        return 0.0;
    }
    return f32(grad_output[k * TOTAL + FIRST + row]);
}

fn load_b(k: u32, column: u32) -> f32 {
    if k >= K || column >= N {
        return 0.0;
    }
    return f32(input[k * N + column]);
}
