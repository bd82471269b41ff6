// Winograd, products, tiled: product[split, p, row, column] = sum over the split's k of left[p, row, k] right[p, k, column]
//
// Buffers      left [PRODUCTS, M, K], or [PRODUCTS, K, M] where LEFT_ALONG_K is false; right [PRODUCTS, K, N];
//              product [SPLITS, PRODUCTS, M, N]; all as vec4 along the last, which is a multiple of 4
// Who          one workgroup per TILE_M x TILE_N tile of one product and split, 8x8 results per invocation as four 4x4 blocks
//              half a tile apart; slabs of SLAB along k are staged in workgroup memory as vec4, the next one prefetched into
//              registers; the grid covers the tiles (those of a row of tiles fastest), the products and the splits
// Numerics     each result is summed in order of k by one invocation; ACCUMULATE adds it to product
// Where        hardware GPUs
//
// needs: ACCUMULATE, K, LEFT_ALONG_K, M, N, PRODUCTS, SLAB, SPLITS, TILE_M, TILE_N, grid_index

@group(0) @binding(0) var<storage, read> left: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> right: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> product: array<vec4<f32>>;

const INVOCATIONS: u32 = TILE_M * TILE_N / 64u;
const TILES_M: u32 = (M + TILE_M - 1u) / TILE_M;
const TILES_N: u32 = (N + TILE_N - 1u) / TILE_N;
// Each part of K is a whole number of slabs.
const PART: u32 = (K + SPLITS * SLAB - 1u) / (SPLITS * SLAB) * SLAB;

// Rows of slabs in vec4; the left one is longer by one, so that stores along k spread over the banks.
const PITCH_M: u32 = TILE_M / 4u + 1u;
const PITCH_N: u32 = TILE_N / 4u;
// vec4 that an invocation loads for a slab.
const LOADS_M: u32 = TILE_M * SLAB / 4u / INVOCATIONS;
const LOADS_N: u32 = TILE_N * SLAB / 4u / INVOCATIONS;

var<workgroup> slab_left: array<vec4<f32>, SLAB * PITCH_M>;
var<workgroup> slab_right: array<vec4<f32>, SLAB * PITCH_N>;

fn load_left(p: u32, row0: u32, k0: u32, end: u32, i: u32) -> vec4<f32> {
    if LEFT_ALONG_K {
        let row = row0 + i / (SLAB / 4u);
        let k = k0 + i % (SLAB / 4u) * 4u;
        if row < M && k < end {
            return left[((p * M + row) * K + k) / 4u];
        }
    } else {
        let row = row0 + i % (TILE_M / 4u) * 4u;
        let k = k0 + i / (TILE_M / 4u);
        if row < M && k < end {
            return left[((p * K + k) * M + row) / 4u];
        }
    }
    return vec4<f32>(0.0);
}

fn load_right(p: u32, column0: u32, k0: u32, end: u32, i: u32) -> vec4<f32> {
    let column = column0 + i % (TILE_N / 4u) * 4u;
    let k = k0 + i / (TILE_N / 4u);
    if column < N && k < end {
        return right[((p * K + k) * N + column) / 4u];
    }
    return vec4<f32>(0.0);
}

fn keep_left(i: u32, value: vec4<f32>) {
    if LEFT_ALONG_K {
        let row = i / (SLAB / 4u);
        let k = i % (SLAB / 4u) * 4u;
        for (var j = 0u; j < 4u; j++) {
            slab_left[(k + j) * PITCH_M + row / 4u][row % 4u] = value[j];
        }
    } else {
        slab_left[i / (TILE_M / 4u) * PITCH_M + i % (TILE_M / 4u)] = value;
    }
}

alias Sums = array<array<vec4<f32>, 2>, 8>;

// Adds the products of one k, whose rows and columns start at vec4 `a` and `b` of the slabs. Called several times per
// iteration, so that the loads of one k overlap with the products of another, at constant offsets.
fn multiply(sums: ptr<function, Sums>, a: u32, b: u32) {
    let a0 = slab_left[a];
    let a1 = slab_left[a + TILE_M / 8u];
    let b0 = slab_right[b];
    let b1 = slab_right[b + TILE_N / 8u];
    for (var r = 0u; r < 4u; r++) {
        (*sums)[r][0] += a0[r] * b0;
        (*sums)[r][1] += a0[r] * b1;
        (*sums)[r + 4u][0] += a1[r] * b0;
        (*sums)[r + 4u][1] += a1[r] * b1;
    }
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let group = grid_index(workgroup, workgroups);
    let batch = group / (TILES_M * TILES_N);
    if batch >= PRODUCTS * SPLITS {
        return;
    }
    let row0 = group / TILES_N % TILES_M * TILE_M;
    let column0 = group % TILES_N * TILE_N;
    let p = batch % PRODUCTS;
    let begin = batch / PRODUCTS * PART;
    let end = min(begin + PART, K);
    let my_row = local / (TILE_N / 8u);
    let my_column = local % (TILE_N / 8u);
    var sums: Sums;
    var next_left: array<vec4<f32>, LOADS_M>;
    var next_right: array<vec4<f32>, LOADS_N>;
    for (var i = 0u; i < LOADS_M; i++) {
        next_left[i] = load_left(p, row0, begin, end, local + i * INVOCATIONS);
    }
    for (var i = 0u; i < LOADS_N; i++) {
        next_right[i] = load_right(p, column0, begin, end, local + i * INVOCATIONS);
    }
    for (var k0 = begin; k0 < end; k0 += SLAB) {
        for (var i = 0u; i < LOADS_M; i++) {
            keep_left(local + i * INVOCATIONS, next_left[i]);
        }
        for (var i = 0u; i < LOADS_N; i++) {
            slab_right[local + i * INVOCATIONS] = next_right[i];
        }
        workgroupBarrier();
        for (var i = 0u; i < LOADS_M; i++) {
            next_left[i] = load_left(p, row0, k0 + SLAB, end, local + i * INVOCATIONS);
        }
        for (var i = 0u; i < LOADS_N; i++) {
            next_right[i] = load_right(p, column0, k0 + SLAB, end, local + i * INVOCATIONS);
        }
        for (var k = 0u; k < SLAB; k += 4u) {
            let a = k * PITCH_M + my_row;
            let b = k * PITCH_N + my_column;
            multiply(&sums, a, b);
            multiply(&sums, a + PITCH_M, b + PITCH_N);
            multiply(&sums, a + 2u * PITCH_M, b + 2u * PITCH_N);
            multiply(&sums, a + 3u * PITCH_M, b + 3u * PITCH_N);
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 8u; r++) {
        let row = row0 + (my_row + r / 4u * (TILE_M / 8u)) * 4u + r % 4u;
        for (var v = 0u; v < 2u; v++) {
            let column = column0 + (my_column + v * (TILE_N / 8u)) * 4u;
            if row < M && column < N {
                let at = ((batch * M + row) * N + column) / 4u;
                if ACCUMULATE {
                    product[at] += sums[r][v];
                } else {
                    product[at] = sums[r][v];
                }
            }
        }
    }
}
