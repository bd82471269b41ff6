// conv.grad_weight, cooperative:
//   grad_weight[r, s, c, k] = sum over n, h, w of input[n, h + r - 1, w + s - 1, c] grad_output[n, h, w, k]
//
// Implicit GEMM: M = 9 IN, N = OUT, K = N H W pixels. K is long and the result small, so K is split.
//
// Buffers      input [IMAGES, H, W, IN], through prologue/input_*.wgsl, and grad_output [IMAGES, H, W, OUT] through
//              prologue/grad_*.wgsl, as vec4<f16> along the channels: IN and OUT are multiples of 4;
//              conv/grad_weight_store.wgsl declares the result
// Who          see shared/matmul_cooperative.wgsl; shared/merge_splits.wgsl adds the splits in order
// Numerics     the output of batch norm and activation, forward and backward, is rounded to f16 when staged into the slab
// Where        as conv/forward_cooperative.wgsl
//
// needs: GradVectors, IN, InputVectors, M, N, OUTSIDE, grad_at, grad_vectors, input_at, input_vectors
// needs: neighbour, stored
// gives: VectorsA, VectorsB
// gives: vectors_a(row: u32) -> VectorsA
// gives: vectors_b(column: u32) -> VectorsB
// gives: load_a(row: u32, k: u32, vectors: VectorsA) -> stored
// gives: load_b(k: u32, column: u32, vectors: VectorsB) -> stored


alias VectorsA = InputVectors;
alias VectorsB = GradVectors;

fn vectors_a(row: u32) -> VectorsA {
    return input_vectors(row % IN / 4u);
}

fn vectors_b(column: u32) -> VectorsB {
    return grad_vectors(min(column, N - 4u) / 4u);
}

fn load_a(row: u32, k: u32, vectors: VectorsA) -> stored {
    let tap = row / IN;
    let pixel = neighbour(k, tap / 3u, tap % 3u);
    if row >= M || pixel == OUTSIDE {
        return stored();
    }
    return stored(input_at((pixel * IN + row % IN) / 4u, vectors));
}

fn load_b(k: u32, column: u32, vectors: VectorsB) -> stored {
    if column >= N {
        return stored();
    }
    return stored(grad_at((k * N + column) / 4u, vectors));
}
