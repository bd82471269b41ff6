// Matrix products, tile by tile through workgroup memory: result(row, column) = sum over k of a(row, k) * b(k, column)
//
// The preceding files declare the buffers and the matrices: load_a(row, k) and load_b(k, column) load four neighbours as a
// vec4, along k if A_ALONG_K (B_ALONG_K) is set, else along the rows (columns), and 0 beyond the edges; store_vector(row, column,
// slice, values) takes four columns of a result. M, N, K are the extents; there are BATCHES products, of which `batch` is the one that
// loads are for; SPLITS parts of K are computed by different workgroups. Results are slices [SPLITS, BATCHES] of M x N. finish(...)
// gets the finished tile.
//
// Buffers      those that the fragments before this one declare
// Who          one workgroup per TILE_M x TILE_N tile of the result. An invocation has QUADS_M x QUADS_N quads of 4x4
//              results, half a tile apart, so that neighbours read neighbouring vec4 of a slab: with 2x2 quads, 4 vec4
//              loads from workgroup memory serve 64 multiply-adds, 16 bytes per 16 multiply-adds, with 64 registers for
//              the sums, 16 for a step's operands and 4 to 12 for the next slab. Slabs of SLAB along k are double-buffered
//              in workgroup memory: while one is multiplied, the next is loaded into registers and stored to the other, so
//              that a slab costs one barrier. The grid covers the tiles (those of a row of tiles fastest), BATCHES and SPLITS
// Traffic      a slab loads (TILE_M + TILE_N) SLAB values for TILE_M TILE_N SLAB multiply-adds: at 128 x 128 one byte from
//              the caches per 16 multiply-adds, at 64 x 64 per 8
// Numerics     each result is summed in order of k by one invocation
// Source       the usual GEMM tiling; Volkov and Demmel, "Benchmarking GPUs to tune dense linear algebra" (2008), for sums in
//              registers
// Where        hardware GPUs, any extents; software adapters prefer kernels without workgroup memory
//
// needs: A_ALONG_K, BATCHES, B_ALONG_K, K, M, N, QUADS_M, QUADS_N, SLAB, SPLITS, TILE_M, TILE_N, WORKGROUP, finish, load_a
// needs: load_b, store_vector
// gives: INVOCATIONS_M, INVOCATIONS_N, batch, slab_a
// gives: run(group: u32, local: u32)

const INVOCATIONS_M: u32 = TILE_M / (4u * QUADS_M);
const INVOCATIONS_N: u32 = TILE_N / (4u * QUADS_N);
const TILES_M: u32 = (M + TILE_M - 1u) / TILE_M;
const TILES_N: u32 = (N + TILE_N - 1u) / TILE_N;
// Each part of K is a whole number of slabs.
const PART: u32 = (K + SPLITS * SLAB - 1u) / (SPLITS * SLAB) * SLAB;

// A row of a slab in vec4, one more than the tile's, so that stores along k spread over the banks.
const PITCH_A: u32 = TILE_M / 4u + 1u;
const PITCH_B: u32 = TILE_N / 4u + 1u;
// vec4 of a slab, and how many of them an invocation loads.
const COUNT_A: u32 = TILE_M * SLAB / 4u;
const COUNT_B: u32 = TILE_N * SLAB / 4u;
const LOADS_A: u32 = (COUNT_A + WORKGROUP - 1u) / WORKGROUP;
const LOADS_B: u32 = (COUNT_B + WORKGROUP - 1u) / WORKGROUP;

var<private> batch: u32;

var<workgroup> slab_a: array<vec4<f32>, 2u * SLAB * PITCH_A>;
var<workgroup> slab_b: array<vec4<f32>, 2u * SLAB * PITCH_B>;

// The position of vec4 `i` of a slab: along the tile and along k.
fn place(i: u32, tile: u32, along_k: bool) -> vec2<u32> {
    if along_k {
        return vec2(i / (SLAB / 4u), i % (SLAB / 4u) * 4u);
    }
    return vec2(i % (tile / 4u) * 4u, i / (tile / 4u));
}

fn stage_a(i: u32, half: u32, values: vec4<f32>) {
    let at = place(i, TILE_M, A_ALONG_K);
    let first = (half * SLAB + at.y) * PITCH_A + at.x / 4u;
    if A_ALONG_K {
        slab_a[first][at.x % 4u] = values.x;
        slab_a[first + PITCH_A][at.x % 4u] = values.y;
        slab_a[first + 2u * PITCH_A][at.x % 4u] = values.z;
        slab_a[first + 3u * PITCH_A][at.x % 4u] = values.w;
    } else {
        slab_a[first] = values;
    }
}

fn stage_b(i: u32, half: u32, values: vec4<f32>) {
    let at = place(i, TILE_N, B_ALONG_K);
    let first = (half * SLAB + at.y) * PITCH_B + at.x / 4u;
    if B_ALONG_K {
        slab_b[first][at.x % 4u] = values.x;
        slab_b[first + PITCH_B][at.x % 4u] = values.y;
        slab_b[first + 2u * PITCH_B][at.x % 4u] = values.z;
        slab_b[first + 3u * PITCH_B][at.x % 4u] = values.w;
    } else {
        slab_b[first] = values;
    }
}

// A quad with the outer product of four rows and four columns added.
fn add(quad: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(quad[0] + a.x * b, quad[1] + a.y * b, quad[2] + a.z * b, quad[3] + a.w * b);
}

// The sums of an invocation: the upper and the lower half of the tile, left and right.
struct Quads {
    q00: mat4x4<f32>,
    q01: mat4x4<f32>,
    q10: mat4x4<f32>,
    q11: mat4x4<f32>,
}

// Adds the products of one k, whose rows and columns start at vec4 `at_a` and `at_b` of the slabs. Called several times per
// iteration, so that the loads of one k overlap with the products of another, at constant offsets.
fn multiply(quads: ptr<function, Quads>, at_a: u32, at_b: u32) {
    let a0 = slab_a[at_a];
    let b0 = slab_b[at_b];
    // With one quad the same as the first.
    let a1 = slab_a[at_a + (QUADS_M - 1u) * INVOCATIONS_M];
    let b1 = slab_b[at_b + (QUADS_N - 1u) * INVOCATIONS_N];
    (*quads).q00 = add((*quads).q00, a0, b0);
    if QUADS_N == 2u {
        (*quads).q01 = add((*quads).q01, a0, b1);
    }
    if QUADS_M == 2u {
        (*quads).q10 = add((*quads).q10, a1, b0);
        if QUADS_N == 2u {
            (*quads).q11 = add((*quads).q11, a1, b1);
        }
    }
}

fn store_quad(row: u32, column: u32, slice: u32, quad: mat4x4<f32>) {
    store_vector(row, column, slice, quad[0]);
    store_vector(row + 1u, column, slice, quad[1]);
    store_vector(row + 2u, column, slice, quad[2]);
    store_vector(row + 3u, column, slice, quad[3]);
}

fn run(group: u32, local: u32) {
    let row0 = group / TILES_N % TILES_M * TILE_M;
    let column0 = group % TILES_N * TILE_N;
    let slice = group / (TILES_M * TILES_N);
    batch = slice % BATCHES;
    let begin = slice / BATCHES * PART;
    let mine_m = local / INVOCATIONS_N;
    let mine_n = local % INVOCATIONS_N;
    let end = min(begin + PART, K);
    var next_a: array<vec4<f32>, LOADS_A>;
    var next_b: array<vec4<f32>, LOADS_B>;
    var quads: Quads;
    // One iteration more than slabs: the first only loads.
    var half = 0u;
    for (var k0 = begin; k0 < end + SLAB; k0 += SLAB) {
        let more = k0 < end;
        if more {
            for (var i = 0u; i < LOADS_A; i++) {
                let at = place(local + i * WORKGROUP, TILE_M, A_ALONG_K);
                if local + i * WORKGROUP < COUNT_A {
                    next_a[i] = load_a(row0 + at.x, k0 + at.y);
                }
            }
            for (var i = 0u; i < LOADS_B; i++) {
                let at = place(local + i * WORKGROUP, TILE_N, B_ALONG_K);
                if local + i * WORKGROUP < COUNT_B {
                    next_b[i] = load_b(k0 + at.y, column0 + at.x);
                }
            }
        }
        if k0 > begin {
            for (var k = 0u; k < SLAB; k += 4u) {
                let a = ((1u - half) * SLAB + k) * PITCH_A + mine_m;
                let b = ((1u - half) * SLAB + k) * PITCH_B + mine_n;
                multiply(&quads, a, b);
                multiply(&quads, a + PITCH_A, b + PITCH_B);
                multiply(&quads, a + 2u * PITCH_A, b + 2u * PITCH_B);
                multiply(&quads, a + 3u * PITCH_A, b + 3u * PITCH_B);
            }
        }
        if more {
            for (var i = 0u; i < LOADS_A; i++) {
                if local + i * WORKGROUP < COUNT_A {
                    stage_a(local + i * WORKGROUP, half, next_a[i]);
                }
            }
            for (var i = 0u; i < LOADS_B; i++) {
                if local + i * WORKGROUP < COUNT_B {
                    stage_b(local + i * WORKGROUP, half, next_b[i]);
                }
            }
        }
        workgroupBarrier();
        half = 1u - half;
    }
    let row = row0 + mine_m * 4u;
    let column = column0 + mine_n * 4u;
    let down = TILE_M / 2u;
    let right = TILE_N / 2u;
    store_quad(row, column, slice, quads.q00);
    if QUADS_N == 2u {
        store_quad(row, column + right, slice, quads.q01);
    }
    if QUADS_M == 2u {
        store_quad(row + down, column, slice, quads.q10);
        if QUADS_N == 2u {
            store_quad(row + down, column + right, slice, quads.q11);
        }
    }
    finish(row0, column0, mine_m, mine_n, quads.q00, quads.q01, quads.q10, quads.q11);
}
