// linear.grad_input, cooperative: grad_input[n, i] = sum over o of grad_output[n, FIRST + o] weight[o, i]
//
// Buffers      grad_output [M, TOTAL] and weight [K, N] as vec4<f16>: K, N, FIRST and TOTAL are multiples of 4;
//              linear/grad_input_store.wgsl declares the result
// Who          see shared/matmul_cooperative.wgsl
// Where        as linear/forward_cooperative.wgsl
//
// needs: FIRST, M, N, TOTAL, VectorsA, VectorsB, stored
// gives: grad_output, weight
// gives: load_a(row: u32, k: u32, vectors: VectorsA) -> stored
// gives: load_b(k: u32, column: u32, vectors: VectorsB) -> stored

var<storage, read> grad_output: array<stored>;
var<storage, read> weight: array<stored>;

fn load_a(row: u32, k: u32, vectors: VectorsA) -> stored {
    if row >= M {
        return stored();
    }
    return grad_output[(row * TOTAL + FIRST + k) / 4u];
}

fn load_b(k: u32, column: u32, vectors: VectorsB) -> stored {
    if column >= N {
        return stored();
    }
    return weight[(k * N + column) / 4u];
}
