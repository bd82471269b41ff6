// Epilogue of shared/matmul_cooperative.wgsl for a product that is not split, with per-column statistics: store(i, values) stores
// a result and returns the stored value, which accumulate(i, value) takes. A lane has the rows `lane / (SIDE / 4)` of blocks and every
// STORERS / (SIDE / 4)th after it, so 2 * STORERS / (SIDE / 4) invocations share the columns of a quad: half of each of two subgroups.
//
// needs: N, SIDE, SUBGROUP, TILE, accumulate, begin_column, columns_of_tile, reset_statistics, results, store, store_chunk
// gives: STORERS, SHARERS, QUADS, seen
// gives: store_vector(row: u32, column: u32, split: u32, values: vec4<f32>)
// gives: has_rows(lane: u32) -> bool
// gives: sharer(subgroup: u32, lane: u32) -> u32
// gives: tile_sum(subgroup: u32, lane: u32, mine: vec4<f32>) -> vec4<f32>
// gives: finish(row0: u32, column: u32, subgroup: u32, lane: u32)

// Lanes of a subgroup that store results, four at a time.
const STORERS: u32 = min(SUBGROUP, SIDE * SIDE / 4u);
const SHARERS: u32 = 2u * (STORERS / (SIDE / 4u));
// Quads of a line of blocks of four adjacent subgroups.
const QUADS: u32 = SIDE;

var<private> seen: f32 = 0.0;

fn store_vector(row: u32, column: u32, split: u32, values: vec4<f32>) {
    let i = (row * N + column) / 4u;
    begin_column(column / 4u);
    accumulate(i, store(i, values));
    seen += 1.0;
}

fn has_rows(lane: u32) -> bool {
    return lane < STORERS;
}

// The invocation's index among those that share its columns.
fn sharer(subgroup: u32, lane: u32) -> u32 {
    return subgroup / 4u * (SHARERS / 2u) + lane / (SIDE / 4u);
}

// The sum of `mine` over those invocations, in their order; the same for all of them. All must call it.
fn tile_sum(subgroup: u32, lane: u32, mine: vec4<f32>) -> vec4<f32> {
    let quad = subgroup % 4u * (SIDE / 4u) + lane % (SIDE / 4u);
    workgroupBarrier();
    if has_rows(lane) {
        for (var i = 0u; i < 4u; i++) {
            results[(sharer(subgroup, lane) * QUADS + quad) * 4u + i] = mine[i];
        }
    }
    workgroupBarrier();
    var sum = vec4(0.0);
    for (var s = 0u; s < SHARERS; s++) {
        let at = (s * QUADS + quad) * 4u;
        sum += vec4(results[at], results[at + 1u], results[at + 2u], results[at + 3u]);
    }
    return sum;
}

// Called after each line of blocks: reduces the statistics of its columns; the first of the invocations that share them reports.
fn finish(row0: u32, column: u32, subgroup: u32, lane: u32) {
    let both = columns_of_tile(row0, subgroup, lane);
    if has_rows(lane) && sharer(subgroup, lane) == 0u && column < N {
        store_chunk(row0 / TILE, column / 4u, both[0], both[1]);
    }
    reset_statistics();
    seen = 0.0;
    // The next blocks reuse the memory of the sums.
    workgroupBarrier();
}
