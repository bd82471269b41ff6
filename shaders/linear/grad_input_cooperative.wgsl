// linear.grad_input, cooperative: grad_input[n, i] = sum over o of grad_output[n, FIRST + o] weight[o, i]
//
// Buffers      grad_output [M, TOTAL] and weight [K, N] as octets of f16: K, N, FIRST and TOTAL are multiples of 8;
//              linear/grad_input_store.wgsl declares the result
// Who          see shared/matmul_cooperative.wgsl
// Where        as linear/forward_cooperative.wgsl
//
// needs: FIRST, M, N, RawA, RawB, Spot, TILE, TOTAL
// gives: grad_output, weight
// gives: place_a(row: u32) -> Spot
// gives: step_a(k: u32) -> Spot
// gives: load_a(spot: Spot) -> RawA
// gives: place_b(column: u32) -> Spot
// gives: step_b(k: u32) -> Spot
// gives: load_b(spot: Spot) -> RawB

var<storage, read> grad_output: array<array<vec4<f16>, 2>>;
var<storage, read> weight: array<array<vec4<f16>, 2>>;

fn place_a(row: u32) -> Spot {
    return Spot(row * (TOTAL / 8u) + FIRST / 8u, select(0u, 1u, M % TILE == 0u || row < M), 0u);
}

fn step_a(k: u32) -> Spot {
    return Spot(k / 8u, 1u, 0u);
}

fn load_a(spot: Spot) -> RawA {
    return grad_output[spot.at];
}

fn place_b(column: u32) -> Spot {
    return Spot(column / 8u, select(0u, 1u, N % TILE == 0u || column < N), 0u);
}

fn step_b(k: u32) -> Spot {
    return Spot(k * (N / 8u), 1u, 0u);
}

fn load_b(spot: Spot) -> RawB {
    return weight[spot.at];
}
