// conv.forward, cooperative: output[n, h, w, k] = bias[k] + sum over r, s, c of input[n, h + r - 1, w + s - 1, c] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = OUT, K = 9 IN with the tap outermost. im2col is never materialised.
//
// Buffers      input [IMAGES, H, W, IN], through prologue/input_*_cooperative.wgsl, and weight [3, 3, IN, OUT] as octets of f16 along
//              the channels: IN and OUT are multiples of 8; conv/forward_store.wgsl declares the others
// Who          see shared/matmul_cooperative.wgsl
// Numerics     the output of batch norm and activation is rounded to f16 when staged into the slab
// Where        GPUs with matrix units; conv.forward/tiled takes the layers with other channels
//
// needs: IN, INVOCATIONS, InputRaw, M, N, RawB, Spot, TILE, input_prepare, input_raw, input_value
// needs: pixel_spot, tap_spot
// gives: weight, RawA
// gives: prepare(row0: u32, column0: u32, local: u32)
// gives: place_a(row: u32) -> Spot
// gives: step_a(k: u32) -> Spot
// gives: load_a(spot: Spot) -> RawA
// gives: value_a(raw: RawA, spot: Spot) -> array<vec4<f16>, 2>
// gives: place_b(column: u32) -> Spot
// gives: step_b(k: u32) -> Spot
// gives: load_b(spot: Spot) -> RawB

var<storage, read> weight: array<array<vec4<f16>, 2>>;

alias RawA = InputRaw;

fn prepare(row0: u32, column0: u32, local: u32) {
    for (var quad = local; quad < IN / 4u; quad += INVOCATIONS) {
        input_prepare(quad, quad);
    }
}

fn place_a(row: u32) -> Spot {
    let pixel = pixel_spot(row, IN);
    return Spot(pixel.at, select(0u, pixel.mask, M % TILE == 0u || row < M), 0u);
}

fn step_a(k: u32) -> Spot {
    return tap_spot(k / IN, k % IN, IN);
}

fn load_a(spot: Spot) -> RawA {
    return input_raw(spot);
}

fn value_a(raw: RawA, spot: Spot) -> array<vec4<f16>, 2> {
    return input_value(raw, spot);
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
