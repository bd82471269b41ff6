// A matrix product on matrix units: store_vector(row, column, split) = sum over k of a(row, k) * b(k, column), f16 to f32
//
// The preceding files declare the buffers and the matrices. Eight adjacent f16, along k if A_ALONG_K or B_ALONG_K is set, else along
// the rows or the columns, are one load. Its spot is the sum of a place, place_a(row) or place_b(column), which an invocation computes
// once, and of step_a(k) or step_b(k): the sum of their `at` is the index of the load, that of their `slot` the index of its quads of
// a prologue's vectors, and if their masks have no common bit, as beyond the edges, the values are 0. load_a(spot) loads, and
// value_a(raw, spot) takes what was loaded through the prologue. prepare(row0, column0, local) puts the prologues' vectors into `results`,
// which has RESULTS f32. store_vector(row, column, split, values) takes four results of a row; finish(...) is called after each of a
// subgroup's two lines of blocks, with the first column of the quad whose results the invocation stores. M, N, K are the extents,
// multiples of 8 in the direction of the loads; there are BATCHES products, of which `batch` is the one that loads and stores are for;
// SPLITS parts of K are computed by different workgroups.
//
// Buffers      those that the fragments before this one declare
// Who          one workgroup of 8 subgroups of SUBGROUP per TILE x TILE tile of the result, one subgroup per TILE/2 x TILE/4 of it:
//              4 x 2 named sums of SIDE x SIDE, because matrices cannot be in arrays. Slabs of SLAB along k are staged in
//              workgroup memory; the next slab is loaded into registers while this one is multiplied, and goes through its
//              prologue afterwards, so that no product waits for memory; the grid covers the tiles, BATCHES and SPLITS. Results pass
//              through workgroup memory, because matrix elements are not accessible
// Sides        shared/cooperative_16.wgsl or shared/cooperative_8.wgsl before this file: SIDE, the matrices, the element of
//              slabs
// Banks        a line of a slab is 16 bytes longer than its contents, so that the eight lines of one matrix load begin in
//              different banks; lines stay multiples of the 16 bytes that such loads require
// Numerics     products are exact in f32; the order of the sums inside a block is the hardware's, across blocks that of k
// Where        GPUs with subgroups of 8, 32 or 64 that multiply 16 x 16 x 16 or 8 x 8 x 8 f16 to f32, after a self-test
//
// needs: A_ALONG_K, BATCHES, B_ALONG_K, K, Left, M, N, RESULTS, Right, SIDE, SLAB_LANES, SPLITS, SUBGROUP, Slab, Sum, finish
// needs: load_a, load_b, place_a, place_b, prepare, stage_a, stage_b, step_a, step_b, store_vector, value_a, value_b
// gives: INVOCATIONS, TILE, Spot, batch, slab_a, slab_b, results
// gives: quad_of(at: u32) -> vec4<f32>
// gives: kept(spot: Spot, values: array<vec4<f16>, 2>) -> array<vec4<f16>, 2>

const TILE: u32 = 8u * SIDE;
// An invocation stages one load of each matrix per slab.
const SLAB: u32 = 8u * INVOCATIONS / TILE;
const TILES_M: u32 = (M + TILE - 1u) / TILE;
const TILES_N: u32 = (N + TILE - 1u) / TILE;
// Each part of K is a whole number of slabs.
const PART: u32 = (K + SPLITS * SLAB - 1u) / (SPLITS * SLAB) * SLAB;
const INVOCATIONS: u32 = 8u * SUBGROUP;

// A slab consists of lines in the direction of the loads: [TILE][SLAB] along k, else [SLAB][TILE]. Their lengths in values.
const A_LINE: u32 = select(TILE, SLAB, A_ALONG_K);
const B_LINE: u32 = select(TILE, SLAB, B_ALONG_K);
const A_PITCH: u32 = A_LINE + 8u;
const B_PITCH: u32 = B_LINE + 8u;

var<private> batch: u32;

var<workgroup> slab_a: array<Slab, TILE * SLAB / A_LINE * A_PITCH / SLAB_LANES>;
var<workgroup> slab_b: array<Slab, TILE * SLAB / B_LINE * B_PITCH / SLAB_LANES>;
var<workgroup> results: array<f32, RESULTS>;

// A place or a step.
struct Spot {
    at: u32,
    mask: u32,
    slot: u32,
}

// Four f32 of `results`.
fn quad_of(at: u32) -> vec4<f32> {
    return vec4<f32>(results[at], results[at + 1u], results[at + 2u], results[at + 3u]);
}

// The sum of a place and a step to `k`, which is beyond the end only in a slab that K does not fill.
fn spot_of(place: Spot, step: Spot, k: u32, end: u32) -> Spot {
    let mask = select(0u, place.mask & step.mask, K % SLAB == 0u || k < end);
    // Loads that are not kept read the first values.
    return Spot(select(0u, place.at + step.at, mask != 0u), mask, place.slot + step.slot);
}

// The values of a load without a prologue.
fn kept(spot: Spot, values: array<vec4<f16>, 2>) -> array<vec4<f16>, 2> {
    let keep = spot.mask != 0u;
    return array<vec4<f16>, 2>(select(vec4<f16>(), values[0], keep), select(vec4<f16>(), values[1], keep));
}

// The block of a slab that begins at (row, k) or (k, column).
fn block_a(row: u32, k: u32) -> Left {
    if A_ALONG_K {
        return coopLoadT<Left>(&slab_a[row * (A_PITCH / SLAB_LANES) + k / SLAB_LANES], A_PITCH / SLAB_LANES);
    }
    return coopLoad<Left>(&slab_a[k * (A_PITCH / SLAB_LANES) + row / SLAB_LANES], A_PITCH / SLAB_LANES);
}

fn block_b(k: u32, column: u32) -> Right {
    if B_ALONG_K {
        return coopLoad<Right>(&slab_b[column * (B_PITCH / SLAB_LANES) + k / SLAB_LANES], B_PITCH / SLAB_LANES);
    }
    return coopLoadT<Right>(&slab_b[k * (B_PITCH / SLAB_LANES) + column / SLAB_LANES], B_PITCH / SLAB_LANES);
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
    if group >= TILES_M * TILES_N * BATCHES * SPLITS {
        return;
    }
    let row0 = group / TILES_N % TILES_M * TILE;
    let column0 = group % TILES_N * TILE;
    let slice = group / (TILES_M * TILES_N);
    batch = slice % BATCHES;
    let split = slice / BATCHES;
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
    // Where the invocation's loads are in a slab: in which line, and where along it.
    let line_a = local * 8u / A_LINE;
    let along_a = local * 8u % A_LINE;
    let line_b = local * 8u / B_LINE;
    let along_b = local * 8u % B_LINE;
    let from_a = place_a(row0 + select(along_a, line_a, A_ALONG_K));
    let from_b = place_b(column0 + select(along_b, line_b, B_ALONG_K));
    let k_a = select(line_a, along_a, A_ALONG_K);
    let k_b = select(line_b, along_b, B_ALONG_K);
    prepare(row0, column0, local);
    workgroupBarrier();
    // Not beyond the end of K, if the last parts of it are empty.
    let start = min(split * PART, (K - 1u) / SLAB * SLAB);
    var raw_a = load_a(spot_of(from_a, step_a(start + k_a), start + k_a, end));
    var raw_b = load_b(spot_of(from_b, step_b(start + k_b), start + k_b, end));
    for (var k0 = split * PART; k0 < end; k0 += SLAB) {
        stage_b(line_b * B_PITCH + along_b, value_b(raw_b, spot_of(from_b, step_b(k0 + k_b), k0 + k_b, end)));
        stage_a(line_a * A_PITCH + along_a, value_a(raw_a, spot_of(from_a, step_a(k0 + k_a), k0 + k_a, end)));
        workgroupBarrier();
        // After the last slab, the last once more.
        let next = min(k0 + SLAB, (end - 1u) / SLAB * SLAB);
        raw_a = load_a(spot_of(from_a, step_a(next + k_a), next + k_a, end));
        raw_b = load_b(spot_of(from_b, step_b(next + k_b), next + k_b, end));
        for (var k = 0u; k < SLAB; k += SIDE) {
            let b0 = block_b(k, my_column);
            let b1 = block_b(k, my_column + SIDE);
            let a0 = block_a(my_row, k);
            s00 = coopMultiplyAdd(a0, b0, s00);
            s01 = coopMultiplyAdd(a0, b1, s01);
            let a1 = block_a(my_row + SIDE, k);
            s10 = coopMultiplyAdd(a1, b0, s10);
            s11 = coopMultiplyAdd(a1, b1, s11);
            let a2 = block_a(my_row + 2u * SIDE, k);
            s20 = coopMultiplyAdd(a2, b0, s20);
            s21 = coopMultiplyAdd(a2, b1, s21);
            let a3 = block_a(my_row + 3u * SIDE, k);
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
