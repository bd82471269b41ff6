// linear.grad_input, tiled: grad_input[n, i] = sum over o of grad_output[n, FIRST + o] weight[o, i]
//
// Buffers      grad_output [M, TOTAL]; weight [K, N]; linear/grad_input_keep.wgsl has the result
// Who          see shared/matmul_tiled.wgsl

@group(0) @binding(0) var<storage, read> grad_output: array<word>;
@group(0) @binding(1) var<storage, read> weight: array<word>;

fn load_a(row: u32, k: u32) -> f32 {
    if row >= M || k >= K {
        return 0.0;
    }
    return f32(grad_output[row * TOTAL + FIRST + k]);
}

fn load_b(k: u32, column: u32) -> f32 {
    if k >= K || column >= N {
        return 0.0;
    }
    return f32(weight[k * N + column]);
}
