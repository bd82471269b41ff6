// The sums of shared/chunk_grad_statistics.wgsl over each column of a tile of shared/matmul_cooperative.wgsl.
//
// needs: sum_g, sum_gx, tile_sum
// gives: columns_of_tile(row0: u32, subgroup: u32, lane: u32) -> array<vec4<f32>, 2>

fn columns_of_tile(row0: u32, subgroup: u32, lane: u32) -> array<vec4<f32>, 2> {
    let plain = tile_sum(subgroup, lane, sum_g);
    return array<vec4<f32>, 2>(plain, tile_sum(subgroup, lane, sum_gx));
}
