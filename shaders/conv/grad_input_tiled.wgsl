// conv.grad_input, tiled:
//   grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = IN, K = 9 OUT with the tap outermost.
//
// Buffers      grad_output [IMAGES, H, W, OUT] through prologue/grad_*.wgsl; weight [3, 3, IN, OUT] as `weight_stored`;
//              conv/grad_input_store.wgsl declares the result
// Who          see shared/matmul_tiled.wgsl
//
// needs: GRAD_LANES, K, M, N, OUT, OUTSIDE, WEIGHT_LANES, grad_at, grad_elem, grad_vectors, neighbour
// needs: weight_elem, weight_stored
// gives: weight
// gives: a(row: u32, k: u32) -> grad_elem
// gives: b(k: u32, column: u32) -> weight_elem

var<storage, read> weight: array<weight_stored>;

fn a(row: u32, k: u32) -> grad_elem {
    let tap = k / OUT;
    let c = k % OUT;
    // Opposite to the tap.
    let pixel = neighbour(row, 2u - tap / 3u, 2u - tap % 3u);
    if row >= M || k >= K || pixel == OUTSIDE {
        return grad_elem(0.0);
    }
    return grad_at((pixel * OUT + c) / GRAD_LANES, grad_vectors(c / GRAD_LANES));
}

fn b(k: u32, column: u32) -> weight_elem {
    if k >= K || column >= N {
        return weight_elem(0.0);
    }
    return weight_elem(weight[((k / OUT * N + column) * OUT + k % OUT) / WEIGHT_LANES]);
}
