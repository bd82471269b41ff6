// conv.forward, tiled: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = OUT, K = 9 IN with the tap outermost. im2col is never materialised. If IN is a
// multiple of 4, four values of K are channels of one tap: one load, one test for the padding.
//
// Buffers      input [IMAGES, H, W, IN] through prologue/input_*.wgsl; weight [3, 3, IN, OUT] as `weight_stored`;
//              conv/forward_store.wgsl declares the others
// Who          see shared/matmul_tiled.wgsl
// Where        any number of channels
//
// needs: IN, INPUT_LANES, K, M, N, OUTSIDE, WEIGHT_LANES, input_at, input_elem, input_vectors, neighbour
// needs: weight_elem, weight_stored
// gives: weight
// gives: a(row: u32, k: u32) -> input_elem
// gives: b(k: u32, column: u32) -> weight_elem

var<storage, read> weight: array<weight_stored>;

fn a(row: u32, k: u32) -> input_elem {
    let tap = k / IN;
    let c = k % IN;
    let pixel = neighbour(row, tap / 3u, tap % 3u);
    if row >= M || k >= K || pixel == OUTSIDE {
        return input_elem(0.0);
    }
    return input_at((pixel * IN + c) / INPUT_LANES, input_vectors(c / INPUT_LANES));
}

fn b(k: u32, column: u32) -> weight_elem {
    if k >= K || column >= N {
        return weight_elem(0.0);
    }
    return weight_elem(weight[(k * N + column) / WEIGHT_LANES]);
}
