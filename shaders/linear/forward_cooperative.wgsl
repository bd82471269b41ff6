// linear.forward, cooperative: output[n, FIRST + o] = bias[o] + sum over i of input[n, i] weight[o, i]
//
// Buffers      input [M, K] and weight [N, K] as octets of f16: M is the images, K and N are multiples of 8;
//              linear/forward_store.wgsl declares the others
// Who          see shared/matmul_cooperative.wgsl
// Where        GPUs with matrix units; batches below 128 leave rows of a tile idle
//
// needs: K, M, N, RawA, RawB, Spot, TILE
// gives: input, weight
// gives: place_a(row: u32) -> Spot
// gives: step_a(k: u32) -> Spot
// gives: load_a(spot: Spot) -> RawA
// gives: place_b(column: u32) -> Spot
// gives: step_b(k: u32) -> Spot
// gives: load_b(spot: Spot) -> RawB

var<storage, read> input: array<array<vec4<f16>, 2>>;
var<storage, read> weight: array<array<vec4<f16>, 2>>;

fn place_a(row: u32) -> Spot {
    return Spot(row * (K / 8u), select(0u, 1u, M % TILE == 0u || row < M), 0u);
}

fn step_a(k: u32) -> Spot {
    return Spot(k / 8u, 1u, 0u);
}

fn load_a(spot: Spot) -> RawA {
    return input[spot.at];
}

fn place_b(column: u32) -> Spot {
    return Spot(column * (K / 8u), select(0u, 1u, N % TILE == 0u || column < N), 0u);
}

fn step_b(k: u32) -> Spot {
    return Spot(k / 8u, 1u, 0u);
}

fn load_b(spot: Spot) -> RawB {
    return weight[spot.at];
}
