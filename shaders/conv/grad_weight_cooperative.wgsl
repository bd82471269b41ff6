// conv.grad_weight, cooperative:
//   grad_weight[r, s, c, k] = sum over n, h, w of input[n, h + r - 1, w + s - 1, c] grad_output[n, h, w, k]
//
// Implicit GEMM: M = 9 IN, N = OUT, K = N H W pixels. K is long and the result small, so K is split.
//
// Buffers      input [IMAGES, H, W, IN], through prologue/input_*_cooperative.wgsl, and grad_output [IMAGES, H, W, OUT] through
//              prologue/grad_*_cooperative.wgsl, along the channels: IN and OUT are multiples of 8; conv/grad_weight_store.wgsl
//              declares the result
// Who          see shared/matmul_cooperative.wgsl; shared/merge_splits.wgsl adds the splits in order
// Numerics     the output of batch norm and activation, forward and backward, is rounded to f16 when staged into the slab
// Where        as conv/forward_cooperative.wgsl
//
// needs: GradRaw, IN, INVOCATIONS, InputRaw, M, N, Spot, TILE, grad_prepare, grad_raw, grad_value, input_prepare, input_raw
// needs: input_value, pixel_spot, tap_spot
// gives: RawA, RawB
// gives: prepare(row0: u32, column0: u32, local: u32)
// gives: place_a(row: u32) -> Spot
// gives: step_a(k: u32) -> Spot
// gives: load_a(spot: Spot) -> RawA
// gives: value_a(raw: RawA, spot: Spot) -> array<vec4<f16>, 2>
// gives: place_b(column: u32) -> Spot
// gives: step_b(k: u32) -> Spot
// gives: load_b(spot: Spot) -> RawB
// gives: value_b(raw: RawB, spot: Spot) -> array<vec4<f16>, 2>

alias RawA = InputRaw;
alias RawB = GradRaw;

// The vectors of the tile's rows and columns.
fn prepare(row0: u32, column0: u32, local: u32) {
    for (var slot = local; slot < TILE / 4u; slot += INVOCATIONS) {
        let row = row0 + slot * 4u;
        let column = column0 + slot * 4u;
        if row < M {
            input_prepare(slot, row % IN / 4u);
        }
        if column < N {
            grad_prepare(slot, column / 4u);
        }
    }
}

fn place_a(row: u32) -> Spot {
    let tap = tap_spot(row / IN, row % IN, IN);
    return Spot(tap.at, select(0u, tap.mask, M % TILE == 0u || row < M), row % TILE / 4u);
}

fn step_a(k: u32) -> Spot {
    return pixel_spot(k, IN);
}

fn load_a(spot: Spot) -> RawA {
    return input_raw(spot);
}

fn value_a(raw: RawA, spot: Spot) -> array<vec4<f16>, 2> {
    return input_value(raw, spot);
}

fn place_b(column: u32) -> Spot {
    return Spot(column / 8u, select(0u, 1u, N % TILE == 0u || column < N), column % TILE / 4u);
}

fn step_b(k: u32) -> Spot {
    return Spot(k * (N / 8u), 1u, 0u);
}

fn load_b(spot: Spot) -> RawB {
    return grad_raw(spot);
}

fn value_b(raw: RawB, spot: Spot) -> array<vec4<f16>, 2> {
    return grad_value(raw, spot);
}
