// linear.grad_input, tiled: grad_input[n, i] = sum over o of grad_output[n, FIRST + o] weight[o, i]
//
// Buffers      grad_output [M, TOTAL]; weight [K, N]; grad_input [M, N], which is added to where ACCUMULATE is set
// Who          see shared/matmul_tiled.wgsl

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;

fn load_a(row: u32, k: u32) -> f32 {
    if row >= M || k >= K {
        return 0.0;
    }
    return grad_output[row * TOTAL + FIRST + k];
}

fn load_b(k: u32, column: u32) -> f32 {
    if k >= K || column >= N {
        return 0.0;
    }
    return weight[k * N + column];
}

fn store(row: u32, column: u32, split: u32, value: f32) {
    let at = row * N + column;
    if ACCUMULATE {
        grad_input[at] += value;
    } else {
        grad_input[at] = value;
    }
}
