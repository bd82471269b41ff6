// linear.grad_weight, cooperative: grad_weight[o, i] = sum over n of grad_output[n, FIRST + o] input[n, i]
//
// Buffers      grad_output [K, TOTAL] and input [K, N] as vec4<f16>: K is the images, M, N, FIRST and TOTAL are multiples of
//              4; linear/grad_weight_store.wgsl declares the result
// Who          see shared/matmul_cooperative.wgsl
// Where        as linear/forward_cooperative.wgsl
//
// needs: FIRST, M, N, TOTAL, VectorsA, VectorsB, stored
// gives: input, grad_output
// gives: load_a(row: u32, k: u32, vectors: VectorsA) -> stored
// gives: load_b(k: u32, column: u32, vectors: VectorsB) -> stored

var<storage, read> input: array<stored>;
var<storage, read> grad_output: array<stored>;

fn load_a(row: u32, k: u32, vectors: VectorsA) -> stored {
    if row >= M {
        return stored();
    }
    return grad_output[(k * TOTAL + FIRST + row) / 4u];
}

fn load_b(k: u32, column: u32, vectors: VectorsB) -> stored {
    if column >= N {
        return stored();
    }
    return input[(k * N + column) / 4u];
}
