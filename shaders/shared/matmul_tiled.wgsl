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
//              the sums, 16 for a step's operands and 16 for the next slab. 32 neighbours have 4 x 8 quads: 24 different vec4
//              for 32 times 64 multiply-adds. Slabs of SLAB along k are double-buffered in workgroup memory: while one is
//              multiplied, the next is loaded into registers and stored to the other, so that a slab costs one barrier. An
//              invocation loads a block of 4x4 values of one matrix, and transposes it if it is along k: only whole vec4 are
//              stored, which no two invocations share. The grid covers the tiles (those of a row of tiles fastest), BATCHES
//              and SPLITS
// Traffic      a slab loads (TILE_M + TILE_N) SLAB values for TILE_M TILE_N SLAB multiply-adds: at 128 x 128 one byte from
//              the caches per 16 multiply-adds, at 64 x 64 per 8
// Numerics     each result is summed in order of k by one invocation
// Source       the usual GEMM tiling; Volkov and Demmel, "Benchmarking GPUs to tune dense linear algebra" (2008), for sums in
//              registers; the order of the 32 neighbours is that of CUTLASS's SIMT kernels
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

// vec4 in a row of a slab, and its blocks of 4x4.
const ACROSS_A: u32 = TILE_M / 4u;
const ACROSS_B: u32 = TILE_N / 4u;
const BLOCKS_A: u32 = ACROSS_A * SLAB / 4u;
const BLOCKS_B: u32 = ACROSS_B * SLAB / 4u;
const BLOCKS: u32 = BLOCKS_A + BLOCKS_B;

var<private> batch: u32;

var<workgroup> slab_a: array<vec4<f32>, 2u * SLAB * ACROSS_A>;
var<workgroup> slab_b: array<vec4<f32>, 2u * SLAB * ACROSS_B>;

// Where block `i` of a slab begins: along the tile, in vec4, and along k. If it is loaded along k, pairs of neighbours load 32
// adjacent bytes.
fn block_at(i: u32, across: u32, along_k: bool) -> vec2<u32> {
    if along_k {
        return vec2(i / 2u % across, (i / (2u * across) * 2u + i % 2u) * 4u);
    }
    return vec2(i % across, i / across * 4u);
}

// Where vec4 `quad` of row k is in a slab: every second four rows are swapped in halves of eight vec4, so that the blocks of a pair
// go to different banks.
fn place(k: u32, quad: u32, across: u32) -> u32 {
    return k * across + (quad ^ (k & 4u));
}

// Loads the block of a matrix at k and `across`, a row or a column, as it is in memory. (A returned block would cost copies at the
// ends of the branches.)
fn load_block(block: ptr<function, mat4x4<f32>>, of_a: bool, across: u32, k: u32) {
    if of_a {
        if A_ALONG_K {
            *block = mat4x4(load_a(across, k), load_a(across + 1u, k), load_a(across + 2u, k), load_a(across + 3u, k));
        } else {
            *block = mat4x4(load_a(across, k), load_a(across, k + 1u), load_a(across, k + 2u), load_a(across, k + 3u));
        }
    } else if B_ALONG_K {
        *block = mat4x4(load_b(k, across), load_b(k, across + 1u), load_b(k, across + 2u), load_b(k, across + 3u));
    } else {
        *block = mat4x4(load_b(k, across), load_b(k + 1u, across), load_b(k + 2u, across), load_b(k + 3u, across));
    }
}

// A block whose vec4 are along the tile.
fn turned(block: mat4x4<f32>, along_k: bool) -> mat4x4<f32> {
    if along_k {
        return transpose(block);
    }
    return block;
}

// Stores a block to a slab, of which it begins at vec4 `first`.
fn stage_block(of_a: bool, first: u32, half: u32, loaded: mat4x4<f32>) {
    if of_a {
        let at = first + half * SLAB * ACROSS_A;
        let block = turned(loaded, A_ALONG_K);
        slab_a[at] = block[0];
        slab_a[at + ACROSS_A] = block[1];
        slab_a[at + 2u * ACROSS_A] = block[2];
        slab_a[at + 3u * ACROSS_A] = block[3];
    } else {
        let at = first + half * SLAB * ACROSS_B;
        let block = turned(loaded, B_ALONG_K);
        slab_b[at] = block[0];
        slab_b[at + ACROSS_B] = block[1];
        slab_b[at + 2u * ACROSS_B] = block[2];
        slab_b[at + 3u * ACROSS_B] = block[3];
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
// slab, so that the loads of one k overlap with the products of another, at constant offsets.
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

// Adds the products of eight k, the first of which begin at vec4 `at_a` and `at_b` of the slabs.
fn multiply_eight(quads: ptr<function, Quads>, at_a: u32, at_b: u32, mine_m: u32, mine_n: u32) {
    let a0 = at_a + place(0u, mine_m, ACROSS_A);
    let b0 = at_b + place(0u, mine_n, ACROSS_B);
    multiply(quads, a0, b0);
    multiply(quads, a0 + ACROSS_A, b0 + ACROSS_B);
    multiply(quads, a0 + 2u * ACROSS_A, b0 + 2u * ACROSS_B);
    multiply(quads, a0 + 3u * ACROSS_A, b0 + 3u * ACROSS_B);
    let a4 = at_a + place(4u, mine_m, ACROSS_A);
    let b4 = at_b + place(4u, mine_n, ACROSS_B);
    multiply(quads, a4, b4);
    multiply(quads, a4 + ACROSS_A, b4 + ACROSS_B);
    multiply(quads, a4 + 2u * ACROSS_A, b4 + 2u * ACROSS_B);
    multiply(quads, a4 + 3u * ACROSS_A, b4 + 3u * ACROSS_B);
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
    let warp = local / 32u;
    let mine_m = warp / (INVOCATIONS_N / 8u) * 4u + local / 16u % 2u * 2u + local % 2u;
    let mine_n = warp % (INVOCATIONS_N / 8u) * 8u + local / 2u % 8u;
    // The block of a slab that this invocation loads.
    let loads = BLOCKS == WORKGROUP || local < BLOCKS;
    let of_a = local < BLOCKS_A;
    let at = select(block_at(local - BLOCKS_A, ACROSS_B, B_ALONG_K), block_at(local, ACROSS_A, A_ALONG_K), of_a);
    let across = select(column0, row0, of_a) + at.x * 4u;
    let first = place(at.y, at.x, select(ACROSS_B, ACROSS_A, of_a));
    let end = min(begin + PART, K);
    if loads && begin < end {
        var block: mat4x4<f32>;
        load_block(&block, of_a, across, begin + at.y);
        stage_block(of_a, first, 0u, block);
    }
    workgroupBarrier();
    var quads: Quads;
    var half = 0u;
    for (var k0 = begin; k0 < end; k0 += SLAB) {
        let more = loads && k0 + SLAB < end;
        var block: mat4x4<f32>;
        if more {
            load_block(&block, of_a, across, k0 + SLAB + at.y);
        }
        multiply_eight(&quads, half * SLAB * ACROSS_A, half * SLAB * ACROSS_B, mine_m, mine_n);
        if SLAB == 16u {
            multiply_eight(&quads, (half * SLAB + 8u) * ACROSS_A, (half * SLAB + 8u) * ACROSS_B, mine_m, mine_n);
        }
        if more {
            stage_block(of_a, first, 1u - half, block);
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
