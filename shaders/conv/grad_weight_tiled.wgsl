// conv.grad_weight, tiled:
//   grad_weight[r, s, c, k] = sum over n, h, w of input[n, h + r - 1, w + s - 1, c] grad_output[n, h, w, k]
//
// Implicit GEMM: M = 9 IN, N = OUT, K = N H W pixels. K is long and the result small, so K is split.
//
// Buffers      input [IMAGES, H, W, IN] through prologue/input_*.wgsl; grad_output [IMAGES, H, W, OUT] through
//              prologue/grad_*.wgsl; conv/grad_weight_store.wgsl declares the result
// Who          see shared/matmul_tiled.wgsl; shared/merge_splits.wgsl adds the splits in order
//
// needs: GRAD_LANES, IN, INPUT_LANES, K, M, N, OUTSIDE, grad_at, grad_elem, grad_vectors, input_at, input_elem
// needs: input_vectors, neighbour
// gives: a(row: u32, k: u32) -> input_elem
// gives: b(k: u32, column: u32) -> grad_elem

fn a(row: u32, k: u32) -> input_elem {
    let tap = row / IN;
    let c = row % IN;
    let pixel = neighbour(k, tap / 3u, tap % 3u);
    if row >= M || k >= K || pixel == OUTSIDE {
        return input_elem(0.0);
    }
    return input_at((pixel * IN + c) / INPUT_LANES, input_vectors(c / INPUT_LANES));
}

fn b(k: u32, column: u32) -> grad_elem {
    if k >= K || column >= N {
        return grad_elem(0.0);
    }
    return grad_at((k * N + column) / GRAD_LANES, grad_vectors(column / GRAD_LANES));
}
