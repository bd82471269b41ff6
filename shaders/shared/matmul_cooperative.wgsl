// A matrix product on matrix units: store_vector(row, column, split) = sum over k of a(row, k) * b(k, column), f16 to f32
//
// The preceding files declare the buffers and the matrices: load_a(row, k, vectors) and load_b(k, column, vectors) load four
// adjacent f16, along k if A_ALONG_K or B_ALONG_K is set, else along the rows or the columns, and 0 beyond the edges. `vectors`
// is the result of vectors_a or vectors_b for their first coordinate in that direction, even if that is beyond an edge: all of
// an invocation's loads of a slab start there, so that the vectors of batch norm are loaded once. store_vector(row, column, split,
// values) takes four results of a row; finish(...) is called after each of a subgroup's two lines of blocks, with the first
// column of the quad whose results the invocation stores. M, N, K are the extents, multiples of 4 in the direction of the
// loads; SPLITS parts of K are computed by different workgroups.
//
// Buffers      those that the fragments before this one declare
// Who          one workgroup of 8 subgroups of SUBGROUP per TILE x TILE tile of the result, one subgroup per TILE/2 x TILE/4 of it:
//              4 x 2 named sums of SIDE x SIDE, because matrices cannot be in arrays. Slabs of SLAB along k are staged in
//              workgroup memory; the next slab is prefetched into registers while this one is multiplied; the grid covers the
//              tiles times SPLITS. Results pass through workgroup memory, because matrix elements are not accessible
// Sides        shared/cooperative_16.wgsl or shared/cooperative_8.wgsl before this file: SIDE, the matrices, the element of
//              slabs
// Banks        a line of a slab is 16 bytes longer than its contents, so that the eight lines of one matrix load begin in
//              different banks; lines stay multiples of the 16 bytes that such loads require
// Numerics     products are exact in f32; the order of the sums inside a block is the hardware's, across blocks that of k
// Where        GPUs with subgroups of 8, 32 or 64 that multiply 16 x 16 x 16 or 8 x 8 x 8 f16 to f32, after a self-test
//
// needs: A_ALONG_K, B_ALONG_K, K, Left, M, N, Right, SIDE, SLAB_LANES, SPLITS, SUBGROUP, Slab, Sum, finish, load_a, load_b, stage_a
// needs: stage_b, store_vector, vectors_a, vectors_b
// gives: TILE, slab_a, slab_b, results

const TILE: u32 = 8u * SIDE;
const SLAB: u32 = 32u;
const TILES_M: u32 = (M + TILE - 1u) / TILE;
const TILES_N: u32 = (N + TILE - 1u) / TILE;
// Each part of K is a whole number of slabs.
const PART: u32 = (K + SPLITS * SLAB - 1u) / (SPLITS * SLAB) * SLAB;
const INVOCATIONS: u32 = 8u * SUBGROUP;
// Vectors of four that an invocation stages per slab. A line's vectors divide INVOCATIONS.
const MOVES: u32 = TILE * SLAB / 4u / INVOCATIONS;

// A slab consists of lines in the direction of the loads: [TILE][SLAB] along k, else [SLAB][TILE]. Their lengths in values.
const A_LINE: u32 = select(TILE, SLAB, A_ALONG_K);
const B_LINE: u32 = select(TILE, SLAB, B_ALONG_K);
const A_PITCH: u32 = A_LINE + 8u;
const B_PITCH: u32 = B_LINE + 8u;

var<workgroup> slab_a: array<Slab, TILE * SLAB / A_LINE * A_PITCH / SLAB_LANES>;
var<workgroup> slab_b: array<Slab, TILE * SLAB / B_LINE * B_PITCH / SLAB_LANES>;
var<workgroup> results: array<f32, 8u * SIDE * SIDE>;

alias Moved = array<vec4<f16>, MOVES>;

fn fetch_a(row0: u32, k0: u32, end: u32, local: u32) -> Moved {
    var moved: Moved;
    let along = local * 4u % A_LINE;
    let vectors = vectors_a(select(row0, k0, A_ALONG_K) + along);
    for (var j = 0u; j < MOVES; j++) {
        let line = (j * INVOCATIONS + local) * 4u / A_LINE;
        let k = k0 + select(line, along, A_ALONG_K);
        if k < end {
            moved[j] = load_a(row0 + select(along, line, A_ALONG_K), k, vectors);
        }
    }
    return moved;
}

fn fetch_b(column0: u32, k0: u32, end: u32, local: u32) -> Moved {
    var moved: Moved;
    let along = local * 4u % B_LINE;
    let vectors = vectors_b(select(column0, k0, B_ALONG_K) + along);
    for (var j = 0u; j < MOVES; j++) {
        let line = (j * INVOCATIONS + local) * 4u / B_LINE;
        let k = k0 + select(line, along, B_ALONG_K);
        if k < end {
            moved[j] = load_b(k, column0 + select(along, line, B_ALONG_K), vectors);
        }
    }
    return moved;
}

// The block of a slab that begins at (row, k) or (k, column).
fn left(row: u32, k: u32) -> Left {
    if A_ALONG_K {
        return coopLoadT<Left>(&slab_a[(row * A_PITCH + k) / SLAB_LANES], A_PITCH / SLAB_LANES);
    }
    return coopLoad<Left>(&slab_a[(k * A_PITCH + row) / SLAB_LANES], A_PITCH / SLAB_LANES);
}

fn right(k: u32, column: u32) -> Right {
    if B_ALONG_K {
        return coopLoad<Right>(&slab_b[(column * B_PITCH + k) / SLAB_LANES], B_PITCH / SLAB_LANES);
    }
    return coopLoadT<Right>(&slab_b[(k * B_PITCH + column) / SLAB_LANES], B_PITCH / SLAB_LANES);
}

// Stores a block of results that begins at `row` and `column`. All invocations must call it together.
fn hand_on(sum: Sum, row: u32, column: u32, split: u32, subgroup: u32, lane: u32) {
    coopStoreT(sum, &results[subgroup * SIDE * SIDE], SIDE);
    workgroupBarrier();
    for (var i = lane * 4u; i < SIDE * SIDE; i += 4u * SUBGROUP) {
        let r = i / SIDE;
        let c = i % SIDE;
        let at = subgroup * SIDE * SIDE + i;
        if row + r < M && column + c < N {
            store_vector(row + r, column + c, split, vec4(results[at], results[at + 1u], results[at + 2u], results[at + 3u]));
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    // The validator accepts only this as uniform, not a parameter, and matrices need uniform control flow: hence no entry/.
    let group = workgroup.y * workgroups.x + workgroup.x;
    if group >= TILES_M * TILES_N * SPLITS {
        return;
    }
    let row0 = group / TILES_N % TILES_M * TILE;
    let column0 = group % TILES_N * TILE;
    let split = group / (TILES_M * TILES_N);
    let end = min(split * PART + PART, K);
    // The origin of the subgroup's part of the tile.
    let my_row = subgroup / 4u * (4u * SIDE);
    let my_column = subgroup % 4u * (2u * SIDE);
    var s00 = Sum();
    var s01 = Sum();
    var s10 = Sum();
    var s11 = Sum();
    var s20 = Sum();
    var s21 = Sum();
    var s30 = Sum();
    var s31 = Sum();
    var next_a = fetch_a(row0, split * PART, end, local);
    var next_b = fetch_b(column0, split * PART, end, local);
    for (var k0 = split * PART; k0 < end; k0 += SLAB) {
        for (var j = 0u; j < MOVES; j++) {
            let i = j * INVOCATIONS + local;
            stage_a(i * 4u / A_LINE * A_PITCH + i * 4u % A_LINE, next_a[j]);
            stage_b(i * 4u / B_LINE * B_PITCH + i * 4u % B_LINE, next_b[j]);
        }
        workgroupBarrier();
        next_a = fetch_a(row0, k0 + SLAB, end, local);
        next_b = fetch_b(column0, k0 + SLAB, end, local);
        for (var k = 0u; k < SLAB; k += SIDE) {
            let b0 = right(k, my_column);
            let b1 = right(k, my_column + SIDE);
            let a0 = left(my_row, k);
            s00 = coopMultiplyAdd(a0, b0, s00);
            s01 = coopMultiplyAdd(a0, b1, s01);
            let a1 = left(my_row + SIDE, k);
            s10 = coopMultiplyAdd(a1, b0, s10);
            s11 = coopMultiplyAdd(a1, b1, s11);
            let a2 = left(my_row + 2u * SIDE, k);
            s20 = coopMultiplyAdd(a2, b0, s20);
            s21 = coopMultiplyAdd(a2, b1, s21);
            let a3 = left(my_row + 3u * SIDE, k);
            s30 = coopMultiplyAdd(a3, b0, s30);
            s31 = coopMultiplyAdd(a3, b1, s31);
        }
        workgroupBarrier();
    }
    let row = row0 + my_row;
    let column = column0 + my_column;
    let quad = lane * 4u % SIDE;
    hand_on(s00, row, column, split, subgroup, lane);
    hand_on(s10, row + SIDE, column, split, subgroup, lane);
    hand_on(s20, row + 2u * SIDE, column, split, subgroup, lane);
    hand_on(s30, row + 3u * SIDE, column, split, subgroup, lane);
    finish(row0, column + quad, subgroup, lane);
    hand_on(s01, row, column + SIDE, split, subgroup, lane);
    hand_on(s11, row + SIDE, column + SIDE, split, subgroup, lane);
    hand_on(s21, row + 2u * SIDE, column + SIDE, split, subgroup, lane);
    hand_on(s31, row + 3u * SIDE, column + SIDE, split, subgroup, lane);
    finish(row0, column + SIDE + quad, subgroup, lane);
}
