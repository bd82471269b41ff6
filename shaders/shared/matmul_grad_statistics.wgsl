// Behind a tile of shared/matmul_tiled.wgsl that is a gradient behind batch norm and ReLU: the sums, down each of its columns,
// of g and of g * (input - mean) inv_std, where g is a result, times ReLU's slope at (input - mean) scale + shift
// (shared/relu_slope.wgsl). N is a multiple of 4.
//
// Buffers      input [M, N] as vec4 `stored`; affine [4, N] (mean, scale, shift, inv_std) as vec4; workspace [TILES_M, 2, N] as
//              vec4: what batch_norm/grad_statistics_merge*.wgsl adds up, a tile's rows being a chunk
// Who          the workgroup of a tile; shared/matmul_columns.wgsl
// Numerics     the rows of an invocation first, then the invocations in order; results are taken before they are rounded for
//              their storage; inv_std is taken out of the sum

@group(0) @binding(0) var<storage, read> input: array<stored>;
@group(0) @binding(4) var<storage, read_write> workspace: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> affine: array<vec4<f32>>;

struct Sums {
    plain: vec4<f32>,
    weighted: vec4<f32>,
}

fn add_row(sums: ptr<function, Sums>, row: u32, column: u32, gradient: vec4<f32>) {
    if row >= M || column >= N {
        return;
    }
    let c = column / 4u;
    let centered = vec4<f32>(input[row * (N / 4u) + c]) - affine[c];
    let g = passed(centered * affine[N / 4u + c] + affine[N / 2u + c], gradient);
    (*sums).plain += g;
    (*sums).weighted += g * centered;
}

fn add_rows(sums: ptr<function, Sums>, row: u32, column: u32, quad: mat4x4<f32>) {
    add_row(sums, row, column, quad[0]);
    add_row(sums, row + 1u, column, quad[1]);
    add_row(sums, row + 2u, column, quad[2]);
    add_row(sums, row + 3u, column, quad[3]);
}

fn column_statistics(
    row0: u32, column: u32, mine_m: u32, mine_n: u32, upper: mat4x4<f32>, lower: mat4x4<f32>,
) {
    let row = row0 + mine_m * 4u;
    var sums: Sums;
    add_rows(&sums, row, column, upper);
    if QUADS_M == 2u {
        add_rows(&sums, row + TILE_M / 2u, column, lower);
    }
    let plain = tile_sum(mine_m, mine_n, sums.plain);
    let weighted = tile_sum(mine_m, mine_n, sums.weighted);
    if mine_m == 0u && column < N {
        let at = (row0 / TILE_M * 2u * N + column) / 4u;
        workspace[at] = plain;
        workspace[at + N / 4u] = weighted * affine[(3u * N + column) / 4u];
    }
}
