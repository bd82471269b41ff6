// conv.grad_input, cooperative:
//   grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = IN, K = 9 OUT with the tap outermost.
//
// Buffers      grad_output [IMAGES, H, W, OUT] through prologue/grad_*.wgsl and weight [3, 3, IN, OUT] as vec4<f16> along OUT:
//              IN and OUT are multiples of 4; conv/grad_input_store.wgsl declares the result
// Who          see shared/matmul_cooperative.wgsl
// Numerics     the gradient back through batch norm and activation is rounded to f16 when staged into the slab
// Where        as conv/forward_cooperative.wgsl
//
// needs: GradVectors, M, N, OUT, OUTSIDE, VectorsB, grad_at, grad_vectors, neighbour, stored
// gives: weight, VectorsA
// gives: vectors_a(k: u32) -> VectorsA
// gives: load_a(row: u32, k: u32, vectors: VectorsA) -> stored
// gives: load_b(k: u32, column: u32, vectors: VectorsB) -> stored

var<storage, read> weight: array<stored>;

alias VectorsA = GradVectors;

fn vectors_a(k: u32) -> VectorsA {
    return grad_vectors(k % OUT / 4u);
}

fn load_a(row: u32, k: u32, vectors: VectorsA) -> stored {
    let tap = k / OUT;
    let pixel = neighbour(row, 2u - tap / 3u, 2u - tap % 3u);
    if row >= M || pixel == OUTSIDE {
        return stored();
    }
    return stored(grad_at((pixel * OUT + k % OUT) / 4u, vectors));
}

fn load_b(k: u32, column: u32, vectors: VectorsB) -> stored {
    if column >= N {
        return stored();
    }
    return weight[((k / OUT * N + column) * OUT + k % OUT) / 4u];
}
