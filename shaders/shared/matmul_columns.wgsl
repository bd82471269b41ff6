// Epilogue of shared/matmul_tiled.wgsl with per-column statistics: column_statistics(...) takes the finished tile's columns, one
// quad at a time, and reduces over their rows in the workgroup memory of the slabs, which are no longer needed.
//
// needs: INVOCATIONS_M, INVOCATIONS_N, QUADS_N, TILE_N, column_statistics, slab_a
// gives: tile_sum(mine_m: u32, mine_n: u32, mine: vec4<f32>) -> vec4<f32>
// gives: finish(row0: u32, column0: u32, mine_m: u32, mine_n: u32, q00: mat4x4<f32>, q01: mat4x4<f32>, q10: mat4x4<f32>, q11: mat4x4<f32>)

// The sum of `mine` over the invocations that share its columns; the same for all of them.
fn tile_sum(mine_m: u32, mine_n: u32, mine: vec4<f32>) -> vec4<f32> {
    workgroupBarrier();
    slab_a[mine_m * INVOCATIONS_N + mine_n] = mine;
    workgroupBarrier();
    var sum = vec4(0.0);
    for (var i = 0u; i < INVOCATIONS_M; i++) {
        sum += slab_a[i * INVOCATIONS_N + mine_n];
    }
    return sum;
}

fn finish(
    row0: u32, column0: u32, mine_m: u32, mine_n: u32,
    q00: mat4x4<f32>, q01: mat4x4<f32>, q10: mat4x4<f32>, q11: mat4x4<f32>,
) {
    let column = column0 + mine_n * 4u;
    column_statistics(row0, column, mine_m, mine_n, q00, q10);
    if QUADS_N == 2u {
        column_statistics(row0, column + TILE_N / 2u, mine_m, mine_n, q01, q11);
    }
}
