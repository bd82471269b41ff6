// Winograd, products on matrix units, in f32 from values split in two f16: product[split, p, row, column] = sum over the split's k
// of left[p, row, k] right[p, k, column]
//
// (high + low) (high + low) without low low is three products, which follow each other along K = 3 TERMS: high high, high low, low high.
//
// Buffers      left [2, BATCHES, M, TERMS], or [2, BATCHES, TERMS, M] where A_ALONG_K is false, and right [2, BATCHES, TERMS, N]
//              as octets of f16, high parts first (winograd/points_split.wgsl); scales [2], of both; product [SPLITS, BATCHES, M, N] as
//              vec4, with ACCUMULATE added to; extents in the direction of the loads, and N, are multiples of 8
// Who          see shared/matmul_cooperative.wgsl
// Numerics     the products that are left out are 2^-22 of the others; scales are powers of two, so that dividing by them is exact
// Where        GPUs with matrix units
//
// needs: ACCUMULATE, A_ALONG_K, BATCHES, K, M, N, RawA, RawB, Spot, TILE, batch
// gives: TERMS, HALF_A, HALF_B, left, right, scales, product
// gives: place_a(row: u32) -> Spot
// gives: step_a(k: u32) -> Spot
// gives: load_a(spot: Spot) -> RawA
// gives: place_b(column: u32) -> Spot
// gives: step_b(k: u32) -> Spot
// gives: load_b(spot: Spot) -> RawB
// gives: inverse(power: f32) -> f32
// gives: store_vector(row: u32, column: u32, split: u32, values: vec4<f32>)
// gives: finish(row0: u32, column: u32, subgroup: u32, lane: u32)

const TERMS: u32 = K / 3u;
const HALF_A: u32 = BATCHES * M * TERMS / 8u;
const HALF_B: u32 = BATCHES * TERMS * N / 8u;

var<storage, read> left: array<array<vec4<f16>, 2>>;
var<storage, read> right: array<array<vec4<f16>, 2>>;
var<storage, read> scales: array<f32>;
var<storage, read_write> product: array<vec4<f32>>;

fn place_a(row: u32) -> Spot {
    let at = select(batch * TERMS * M + row, (batch * M + row) * TERMS, A_ALONG_K);
    return Spot(at / 8u, select(0u, 1u, M % TILE == 0u || row < M), 0u);
}

fn step_a(k: u32) -> Spot {
    let term = k % TERMS;
    return Spot(select(term * (M / 8u), term / 8u, A_ALONG_K) + select(0u, HALF_A, k >= 2u * TERMS), 1u, 0u);
}

fn load_a(spot: Spot) -> RawA {
    return left[spot.at];
}

fn place_b(column: u32) -> Spot {
    return Spot((batch * TERMS * N + column) / 8u, select(0u, 1u, N % TILE == 0u || column < N), 0u);
}

fn step_b(k: u32) -> Spot {
    return Spot(k % TERMS * (N / 8u) + select(0u, HALF_B, k / TERMS == 1u), 1u, 0u);
}

fn load_b(spot: Spot) -> RawB {
    return right[spot.at];
}

// The reciprocal of a power of two.
fn inverse(power: f32) -> f32 {
    return bitcast<f32>(0x7f000000u - bitcast<u32>(power));
}

fn store_vector(row: u32, column: u32, split: u32, values: vec4<f32>) {
    let sum = values * inverse(scales[0]) * inverse(scales[1]);
    let i = (((split * BATCHES + batch) * M + row) * N + column) / 4u;
    if ACCUMULATE {
        product[i] += sum;
    } else {
        product[i] = sum;
    }
}

fn finish(row0: u32, column: u32, subgroup: u32, lane: u32) {
}
