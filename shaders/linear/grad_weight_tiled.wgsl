// linear.grad_weight, tiled: grad_weight[o, i] = sum over n of grad_output[n, FIRST + o] input[n, i]
//
// Buffers      input [K, N] as `input_stored`; grad_output [K, TOTAL] as `grad_stored`; linear/grad_weight_store.wgsl or
//              linear/update_store.wgsl declares the result
// Who          see shared/matmul_tiled.wgsl
//
// needs: FIRST, GRAD_LANES, INPUT_LANES, K, M, N, TOTAL, grad_elem, grad_stored, input_elem, input_stored
// gives: input, grad_output
// gives: a(row: u32, k: u32) -> grad_elem
// gives: b(k: u32, column: u32) -> input_elem

var<storage, read> input: array<input_stored>;
var<storage, read> grad_output: array<grad_stored>;

fn a(row: u32, k: u32) -> grad_elem {
    if row >= M || k >= K {
        return grad_elem(0.0);
    }
    return grad_elem(grad_output[(k * TOTAL + FIRST + row) / GRAD_LANES]);
}

fn b(k: u32, column: u32) -> input_elem {
    if k >= K || column >= N {
        return input_elem(0.0);
    }
    return input_elem(input[(k * N + column) / INPUT_LANES]);
}
