// conv.forward, cooperative: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = OUT, K = 9 IN with the tap outermost. im2col is never materialised.
//
// Buffers      input [IMAGES, H, W, IN], through prologue/input_*.wgsl, and weight [3, 3, IN, OUT] as vec4<f16> along the
//              channels: IN and OUT are multiples of 4; conv/forward_store.wgsl declares the others
// Who          see shared/matmul_cooperative.wgsl
// Numerics     the output of batch norm and activation is rounded to f16 when staged into the slab
// Where        GPUs with matrix units; conv.forward/tiled takes the layers with other channels
//
// needs: IN, InputVectors, M, N, OUTSIDE, VectorsB, input_at, input_vectors, neighbour, stored
// gives: weight, VectorsA
// gives: vectors_a(k: u32) -> VectorsA
// gives: load_a(row: u32, k: u32, vectors: VectorsA) -> stored
// gives: load_b(k: u32, column: u32, vectors: VectorsB) -> stored

var<storage, read> weight: array<stored>;

alias VectorsA = InputVectors;

fn vectors_a(k: u32) -> VectorsA {
    return input_vectors(k % IN / 4u);
}

fn load_a(row: u32, k: u32, vectors: VectorsA) -> stored {
    let tap = k / IN;
    let pixel = neighbour(row, tap / 3u, tap % 3u);
    if row >= M || pixel == OUTSIDE {
        return stored();
    }
    return stored(input_at((pixel * IN + k % IN) / 4u, vectors));
}

fn load_b(k: u32, column: u32, vectors: VectorsB) -> stored {
    if column >= N {
        return stored();
    }
    return weight[(k * N + column) / 4u];
}
