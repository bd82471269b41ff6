// conv.grad_input, cooperative:
//   grad_input[n, h, w, c] = sum over r, s, k of grad_output[n, h + 1 - r, w + 1 - s, k] weight[r, s, c, k]
//
// Implicit GEMM: M = N H W pixels, N = IN, K = 9 OUT with the tap outermost.
//
// Buffers      grad_output [IMAGES, H, W, OUT] through prologue/grad_*_cooperative.wgsl and weight [3, 3, IN, OUT] as octets of f16
//              along OUT: IN and OUT are multiples of 8; conv/grad_input_store.wgsl declares the result
// Who          see shared/matmul_cooperative.wgsl
// Numerics     the gradient back through batch norm and activation is rounded to f16 when staged into the slab
// Where        as conv/forward_cooperative.wgsl
//
// needs: GradRaw, INVOCATIONS, M, N, OUT, RawB, Spot, TILE, grad_prepare, grad_raw, grad_value
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

alias RawA = GradRaw;

fn prepare(row0: u32, column0: u32, local: u32) {
    for (var quad = local; quad < OUT / 4u; quad += INVOCATIONS) {
        grad_prepare(quad, quad);
    }
}

fn place_a(row: u32) -> Spot {
    let pixel = pixel_spot(row, OUT);
    return Spot(pixel.at, select(0u, pixel.mask, M % TILE == 0u || row < M), 0u);
}

// The window is mirrored.
fn step_a(k: u32) -> Spot {
    return tap_spot(8u - k / OUT, k % OUT, OUT);
}

fn load_a(spot: Spot) -> RawA {
    return grad_raw(spot);
}

fn value_a(raw: RawA, spot: Spot) -> array<vec4<f16>, 2> {
    return grad_value(raw, spot);
}

fn place_b(column: u32) -> Spot {
    return Spot(column * (OUT / 8u), select(0u, 1u, N % TILE == 0u || column < N), 0u);
}

fn step_b(k: u32) -> Spot {
    return Spot(k / OUT * (N - 1u) * (OUT / 8u) + k / 8u, 1u, 0u);
}

fn load_b(spot: Spot) -> RawB {
    return weight[spot.at];
}
