// linear.grad_input, tiled: grad_input[n, i] = sum over o of grad_output[n, FIRST + o] weight[o, i]
//
// Buffers      grad_output [M, TOTAL] as `grad_stored`; weight [K, N] as `weight_stored`; linear/grad_input_store.wgsl
//              declares the result
// Who          see shared/matmul_tiled.wgsl
//
// needs: FIRST, GRAD_LANES, K, M, N, TOTAL, WEIGHT_LANES, grad_elem, grad_stored, weight_elem, weight_stored
// gives: grad_output, weight
// gives: a(row: u32, k: u32) -> grad_elem
// gives: b(k: u32, column: u32) -> weight_elem

var<storage, read> grad_output: array<grad_stored>;
var<storage, read> weight: array<weight_stored>;

fn a(row: u32, k: u32) -> grad_elem {
    if row >= M || k >= K {
        return grad_elem(0.0);
    }
    return grad_elem(grad_output[(row * TOTAL + FIRST + k) / GRAD_LANES]);
}

fn b(k: u32, column: u32) -> weight_elem {
    if k >= K || column >= N {
        return weight_elem(0.0);
    }
    return weight_elem(weight[(k * N + column) / WEIGHT_LANES]);
}
