// Mean and M2 of each column of a tile of shared/matmul_cooperative.wgsl: shared/chunk_statistics.wgsl computes those of an
// invocation's rows, and they are merged about the tile's own mean.
//
// needs: M, TILE, own_m2, own_mean, seen, tile_sum
// gives: columns_of_tile(row0: u32, subgroup: u32, lane: u32) -> array<vec4<f32>, 2>

fn columns_of_tile(row0: u32, subgroup: u32, lane: u32) -> array<vec4<f32>, 2> {
    let rows = f32(min(TILE, M - row0));
    // Invocations without rows have sums of 0.
    let own = own_mean(max(seen, 1.0));
    let mean = tile_sum(subgroup, lane, seen * own) / rows;
    let deviation = own - mean;
    let m2 = tile_sum(subgroup, lane, own_m2(max(seen, 1.0)) + seen * deviation * deviation);
    return array<vec4<f32>, 2>(mean, m2);
}
