// linear.forward, tiled: output[n, FIRST + o] = bias[o] + sum over i of input[n, i] weight[o, i]
//
// Buffers      input [M, K] as `input_stored`; weight [N, K] as `weight_stored`; linear/forward_store.wgsl declares the others
// Who          see shared/matmul_tiled.wgsl
//
// needs: INPUT_LANES, K, M, N, WEIGHT_LANES, input_elem, input_stored, weight_elem, weight_stored
// gives: input, weight
// gives: a(row: u32, k: u32) -> input_elem
// gives: b(k: u32, column: u32) -> weight_elem

var<storage, read> input: array<input_stored>;
var<storage, read> weight: array<weight_stored>;

fn a(row: u32, k: u32) -> input_elem {
    if row >= M || k >= K {
        return input_elem(0.0);
    }
    return input_elem(input[(row * K + k) / INPUT_LANES]);
}

fn b(k: u32, column: u32) -> weight_elem {
    if k >= K || column >= N {
        return weight_elem(0.0);
    }
    return weight_elem(weight[(column * K + k) / WEIGHT_LANES]);
}
