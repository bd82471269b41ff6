// linear.forward, cooperative: output[n, FIRST + o] = bias[o] + sum over i of input[n, i] weight[o, i]
//
// Buffers      input [M, K] and weight [N, K] as vec4<f16>: M is the images, K and N are multiples of 4;
//              linear/forward_store.wgsl declares the others
// Who          see shared/matmul_cooperative.wgsl
// Where        GPUs with matrix units; batches below 128 leave rows of a tile idle
//
// needs: K, M, N, VectorsA, VectorsB, stored
// gives: input, weight
// gives: load_a(row: u32, k: u32, vectors: VectorsA) -> stored
// gives: load_b(k: u32, column: u32, vectors: VectorsB) -> stored

var<storage, read> input: array<stored>;
var<storage, read> weight: array<stored>;

fn load_a(row: u32, k: u32, vectors: VectorsA) -> stored {
    if row >= M {
        return stored();
    }
    return input[(row * K + k) / 4u];
}

fn load_b(k: u32, column: u32, vectors: VectorsB) -> stored {
    if column >= N {
        return stored();
    }
    return weight[(column * K + k) / 4u];
}
