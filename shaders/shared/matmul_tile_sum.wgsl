// Behind a tile of shared/matmul_tiled.wgsl: sums down its columns, through the slabs, which nothing needs any more.

// The sum of `mine` over the invocations that hold the same columns; the same for all of them.
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
